"""Where a driver is on: the quarter they were in last is the first line, three letters find any other."""

from uuid import UUID

from core.database import Tx
from marketplace.delivery import service as delivery
from marketplace.people.drivers import get_driver
from marketplace.places import queries as places
from marketplace.places.queries import Quarter
from menus_ussd.call import Call, End
from menus_ussd.questions import Name, Option


async def come_on(call: Call, driver_id: UUID) -> End:
    """On in a quarter, from wherever they were before."""
    chosen = await call.choose_or_type("staff.quarter", _likely, driver_id)
    while isinstance(chosen, dict):
        chosen = await call.choose_or_type("staff.found", _found, chosen["words"], words=chosen["words"])
    quarter = await call.once("staff.come_on", delivery.set_presence, driver_id=driver_id, on=True, quarter_id=chosen)
    assert quarter, "who is on is somewhere"
    return End("ussd.staff.on_now", {"quarter": Name(quarter.name)})


async def go_off(call: Call, driver_id: UUID) -> End:
    """No offers until they come back."""
    await call.once("staff.go_off", delivery.set_presence, driver_id=driver_id, on=False)
    return End("ussd.staff.off_now")


async def _likely(tx: Tx, driver_id: UUID) -> list[Option]:
    """The last quarter, then those around it; a new driver reads all of them."""
    last = (await get_driver(tx, driver_id=driver_id)).quarter_id
    zone = 0 if last is None else (await places.get_quarter(tx, quarter_id=last)).zone_id
    near = await places.quarters_near(tx, zone_id=zone)
    return _options(sorted(near, key=lambda quarter: quarter.id != last))


async def _found(tx: Tx, words: str) -> list[Option]:
    return _options(await places.search_quarters(tx, prefix=words))


def _options(quarters: list[Quarter]) -> list[Option]:
    return [Option(Name(quarter.name), quarter.id) for quarter in quarters]
