"""Work: what restaurants and drivers do on the same phone that they order with."""

from uuid import UUID

from core.database import Tx
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.queries import Restaurant
from marketplace.people import service as people
from menus_ussd.call import Call, End
from menus_ussd.journeys.staff.driver import driver
from menus_ussd.journeys.staff.restaurant import restaurant
from menus_ussd.questions import Name, Option

DRIVING = "driver"


async def staff(call: Call) -> End:
    """The caller's work; who has several kinds of it chooses."""
    kitchens = await call.look("staff.kitchens", catalogue.restaurants_of, person_id=call.person_id)
    driver_id = await call.look("staff.driver_id", _driver_id, person_id=call.person_id)
    works = [str(kitchen.id) for kitchen in kitchens] + ([DRIVING] if driver_id else [])
    if not works:
        return End("ussd.staff.none")
    work = works[0] if len(works) == 1 else await call.choose("staff", _options(call, kitchens, driver_id))
    if work == DRIVING:
        assert driver_id
        return await driver(call, driver_id)
    return await restaurant(call, UUID(work))


async def _driver_id(tx: Tx, *, person_id: UUID) -> UUID | None:
    return (await people.roles(tx, person_id=person_id)).driver_id


def _options(call: Call, kitchens: list[Restaurant], driver_id: UUID | None) -> list[Option]:
    options = [Option(Name(kitchen.name), str(kitchen.id)) for kitchen in kitchens]
    return [*options, Option(call.say("ussd.staff.option.driving"), DRIVING)] if driver_id else options
