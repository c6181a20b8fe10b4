"""A driver's menu: where they are on, what they may take, what they carry, what they have earned."""

from collections.abc import Sequence
from uuid import UUID

from core.database import Tx
from core.money import format_xaf
from marketplace.delivery import service as delivery
from marketplace.delivery import sheets
from marketplace.delivery.sheets import Sheet
from marketplace.finance import earned
from marketplace.people.drivers import get_driver
from marketplace.places import queries as places
from menus_ussd.call import Call, End
from menus_ussd.journeys.staff.job import job
from menus_ussd.journeys.staff.money import payout
from menus_ussd.journeys.staff.presence import come_on, go_off
from menus_ussd.questions import Name, Option

# For life, as those of home.
DIGITS = {"on": "1", "move": "1", "off": "2", "offers": "3", "job": "4", "money": "5", "sos": "9"}


async def driver(call: Call, driver_id: UUID) -> End:
    """What a driver can do now. Whoever looks here is awake: it counts as being heard of."""
    await call.draft("staff.heard", delivery.heard_from, driver_id=driver_id)
    quarter = await call.look("staff.where", _where, driver_id=driver_id)
    held = await call.look("staff.held", sheets.jobs, driver_id=driver_id)
    offered = await call.look("staff.offered", sheets.offers, driver_id=driver_id)
    lines = _lines(call, quarter is not None, held, offered)
    if quarter:
        chosen = await call.choose("staff.driver_on", lines, quarter=Name(quarter))
    else:
        chosen = await call.choose("staff.driver_off", lines)
    match chosen:
        case "on" | "move":
            return await come_on(call, driver_id)
        case "off":
            return await go_off(call, driver_id)
        case "offers":
            return await _take(call, driver_id, offered)
        case "job":
            return await job(call, driver_id, held)
        case "sos":
            return await _sos(call, driver_id)
        case _:
            return await _money(call, driver_id)


async def _where(tx: Tx, *, driver_id: UUID) -> str | None:
    """The quarter where the driver is on; None when off."""
    found = await get_driver(tx, driver_id=driver_id)
    if found.state == "off" or found.quarter_id is None:
        return None
    return (await places.get_quarter(tx, quarter_id=found.quarter_id)).name


def _lines(call: Call, present: bool, held: Sequence[Sheet], offered: Sequence[Sheet]) -> list[Option]:
    """Only what makes sense now; offers come with their count, and jobs with their numbers."""
    labels = {name: call.say(f"ussd.staff.option.{name}") for name in (("move", "off") if present else ("on",))}
    if offered:
        labels["offers"] = call.say("ussd.staff.option.offers", count=len(offered))
    if held:
        labels["job"] = call.say("ussd.staff.option.job", numbers=", ".join(str(sheet.number) for sheet in held))
    labels |= {name: call.say(f"ussd.staff.option.{name}") for name in ("money", "sos")}
    return [Option(label, name, digit=DIGITS[name]) for name, label in labels.items()]


async def _take(call: Call, driver_id: UUID, offered: Sequence[Sheet]) -> End:
    """One offer: the first driver who takes it has it, the others read so."""
    lines = [
        Option(Name(f"{offer.number} {offer.from_quarter}-{offer.to_quarter}"), offer.number, f" {offer.pay_xaf}F")
        for offer in offered
    ]
    number = await call.choose("staff.offers", lines, of=int) if len(offered) > 1 else offered[0].number
    offer = next(offer for offer in offered if offer.number == number)
    await call.confirm(
        "staff.offer",
        [Option(call.say("ussd.staff.option.take"), True)],
        number=number,
        restaurant=Name(offer.restaurant_name),
        start=Name(offer.from_quarter),
        end=Name(offer.to_quarter),
        km=offer.km,
        pay=format_xaf(offer.pay_xaf),
    )
    await call.once("staff.taken", _claim, driver_id=driver_id, number=number)
    facts = {"restaurant": Name(offer.restaurant_name), "quarter": Name(offer.from_quarter)}
    return End("ussd.staff.taken_now", {"number": number, **facts})


async def _claim(tx: Tx, *, driver_id: UUID, number: int) -> None:
    """Without the job's sheet, which names the customer."""
    await delivery.claim(tx, driver_id=driver_id, number=number)


async def _sos(call: Call, driver_id: UUID) -> End:
    """In danger one key is enough, and the question is asked so that a thumb that slipped alarms nobody."""
    await call.confirm("staff.sos", [Option(call.say("ussd.option.yes"), True)])
    await call.once("staff.sos_sent", delivery.sos, driver_id=driver_id)
    return End("ussd.staff.sos_now")


async def _money(call: Call, driver_id: UUID) -> End:
    """Today, this week, and what can be sent."""
    today = await call.look("staff.today", earned.driver_today, driver_id=driver_id)
    week = await call.look("staff.week", earned.driver_week, driver_id=driver_id)
    facts: dict[str, str | int] = {
        "orders": today.orders,
        "today": format_xaf(today.earned_xaf),
        "week": format_xaf(week.earned_xaf),
    }
    return await payout(call, "driver", driver_id, **facts)
