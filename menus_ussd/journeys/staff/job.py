"""A driver's job, step by step: to the restaurant, the meal in hand, to the door, the customer's code.

Codes are typed as secrets: they are checked at the edge, in the transaction that acts on them, and kept nowhere.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from core import sealed
from core.database import Tx
from core.errors import InvalidInput
from core.money import format_xaf
from marketplace.delivery import handover, sheets
from marketplace.delivery import service as delivery
from marketplace.delivery.sheets import Sheet
from marketplace.delivery.states import CARRYING, PROBLEMS, State
from menus_ussd.call import Call, End
from menus_ussd.questions import Name, Option

Act = Callable[[Tx, str], Awaitable[object]]

# What can be said in each state, by keys that keep their meaning.
STEPS: dict[State, dict[str, str]] = {
    "ASSIGNED": {"arrive": "1", "pick_up": "2", "problem": "4"},
    "AT_RESTAURANT": {"pick_up": "2", "problem": "4"},
    "PICKED_UP": {"arrive": "1", "hand_over": "2", "resend": "3", "problem": "4"},
    "AT_DOOR": {"hand_over": "2", "resend": "3", "problem": "4"},
}


async def job(call: Call, driver_id: UUID, held: Sequence[Sheet]) -> End:
    """The job in hand, from one step to the next."""
    call.enter("staff.job")
    lines = [Option(Name(f"{sheet.number} {sheet.restaurant_name}"), sheet.number) for sheet in held]
    number = await call.choose("staff.jobs", lines, of=int) if len(held) > 1 else held[0].number
    sheet = next(sheet for sheet in held if sheet.number == number)
    step = await _step(call, sheet)
    if step == "arrive":
        await call.once("staff.arrived", _arrive, driver_id=driver_id, number=number)
        sheet = await call.look("staff.job_is", sheets.held, driver_id=driver_id, number=number)
        step = await _step(call, sheet)
    match step:
        case "pick_up":
            return await _pick_up(call, driver_id, number)
        case "hand_over":
            return await _hand_over(call, driver_id, sheet)
        case "resend":
            await call.once("staff.resent", delivery.resend_code, driver_id=driver_id, number=number)
            return End("ussd.staff.resent_now", {"number": number})
        case _:
            return await _problem(call, driver_id, sheet)


async def _step(call: Call, sheet: Sheet) -> str:
    """Where to and whom to call, and what may be said about it."""
    options = [
        Option(
            call.say(f"ussd.staff.option.{'at_door' if step == 'arrive' and sheet.phone else step}"), step, digit=digit
        )
        for step, digit in STEPS[sheet.state].items()
    ]
    if sheet.phone:
        return await call.choose("staff.deliver", options, place=Name(sheet.place), phone=sheet.phone)
    facts = {"restaurant": Name(sheet.restaurant_name), "quarter": Name(sheet.from_quarter)}
    return await call.choose("staff.fetch", options, number=sheet.number, **facts)


async def _arrive(tx: Tx, *, driver_id: UUID, number: int) -> None:
    """Without the job's sheet, which names the customer."""
    await delivery.arrive(tx, driver_id=driver_id, number=number)


async def _pick_up(call: Call, driver_id: UUID, number: int) -> End:
    """The restaurant's number proves that the meal is in hand; now the driver may know where it goes."""

    async def act(tx: Tx, typed: str) -> object:
        return await handover.pick_up(tx, driver_id=driver_id, number=number, pickup_number=typed)

    await call.secret("staff.counter", _proof(call, "pickup_number", act), number=number)
    sheet = await call.look("staff.carried", sheets.held, driver_id=driver_id, number=number)
    return End("ussd.staff.picked_now", {"number": number, "place": Name(sheet.place), "phone": sheet.phone})


async def _hand_over(call: Call, driver_id: UUID, sheet: Sheet) -> End:
    """The customer's code proves that the meal has arrived, and everyone is paid."""

    async def act(tx: Tx, typed: str) -> object:
        return await handover.hand_over(tx, driver_id=driver_id, number=sheet.number, code=typed)

    await call.secret("staff.code", _proof(call, "delivery_code", act), number=sheet.number)
    return End("ussd.staff.handed_now", {"number": sheet.number, "pay": format_xaf(sheet.pay_xaf)})


def _proof(call: Call, kind: str, act: Act) -> Callable[[str, str], Awaitable[None]]:
    """Has digits checked by `act`, which counts a miss and knows a repeat. What is no code at all is no miss."""

    async def prove(typed: str, _attempt: str) -> None:
        if not (typed.isascii() and typed.isdigit() and len(typed) == sealed.DIGITS[kind]):
            raise InvalidInput()
        async with call.database.transaction() as tx:
            await act(tx, typed)

    return prove


async def _problem(call: Call, driver_id: UUID, sheet: Sheet) -> End:
    """Before pickup another driver is sought, with the food in hand the support calls: the page says which."""
    reasons = [Option(call.say(f"ussd.staff.problem.{name}"), kind) for kind, name in PROBLEMS.items()]
    kind = await call.confirm("staff.problem", reasons, number=sheet.number)
    await call.once("staff.problem_told", _tell, driver_id=driver_id, number=sheet.number, kind=kind)
    return End(f"ussd.staff.problem_{'carrying' if sheet.state in CARRYING else 'fetching'}", {"number": sheet.number})


async def _tell(tx: Tx, *, driver_id: UUID, number: int, kind: int) -> None:
    await delivery.problem(tx, driver_id=driver_id, number=number, kind=kind)
