"""A restaurant's open orders: what was ordered, and the answer. The first answer wins, on whichever channel."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.database import Tx
from core.errors import InvalidInput
from core.gsm import fold, shorten
from core.money import format_xaf
from marketplace.delivery.queries import pickup_number
from marketplace.ordering import queries as ordering
from marketplace.ordering import service
from marketplace.ordering.queries import Order
from marketplace.ordering.states import State
from menus_ussd.call import Call, End
from menus_ussd.questions import Name, Option

# Those that wait for an answer come first.
AT_WORK: tuple[State, ...] = ("OFFERED", "ACCEPTED", "READY")


async def orders(call: Call, restaurant_id: UUID) -> End:
    """One order of those that wait or are being cooked, and what is to be done about it."""
    call.enter("staff.orders")
    words = {state: call.say(f"ussd.staff.order.{state.lower()}") for state in AT_WORK}
    order_id = await call.choose("staff.orders", _open, restaurant_id, words, of=UUID)
    order = await call.look("staff.order_is", ordering.get, order_id=order_id)
    match await _answer(call, order, words.get(order.state, "")):
        case "ready":
            await call.once("staff.ready", service.ready, order_id=order.id, by_person=call.person_id)
            return End("ussd.staff.ready_now", {"number": order.number})
        case "refuse":
            return await _refuse(call, order)
        case "other":
            return await _accept(call, order, await call.ask("staff.minutes", _minutes, number=order.number))
        case minutes:
            return await _accept(call, order, int(minutes))


async def _open(tx: Tx, restaurant_id: UUID, words: Mapping[State, str]) -> list[Option]:
    found = await ordering.at_restaurant(tx, restaurant_id=restaurant_id, states=AT_WORK)
    found.sort(key=lambda order: AT_WORK.index(order.state))
    return [Option(Name(f"{order.number} {words[order.state]}: {_items(order, 12)}"), str(order.id)) for order in found]


async def _answer(call: Call, order: Order, state: str) -> str:
    """What the restaurant says to this order; while a driver comes, the page tells the number to give them."""
    facts: dict[str, Any] = {
        "number": order.number,
        "items": lambda limit: _items(order, limit),
        "total": format_xaf(order.items_xaf),
    }
    if order.state == "OFFERED":
        promises = [
            Option(call.say("ussd.staff.option.accept", minutes=minutes), minutes) for minutes in service.USUAL_MINUTES
        ]
        others = [Option(call.say(f"ussd.staff.option.{answer}"), answer) for answer in ("other", "refuse")]
        return str(await call.choose("staff.order", [*promises, *others], of=str | int, state=state, **facts))
    options = [Option(call.say("ussd.staff.option.ready"), "ready")] if order.state == "ACCEPTED" else []
    coming = await call.look("staff.pickup", pickup_number, order_id=order.id)
    if coming:
        return await call.choose("staff.order_fetched", options, code=coming, **facts)
    return await call.choose("staff.order", options, state=state, **facts)


async def _refuse(call: Call, order: Order) -> End:
    reasons = [Option(call.say(f"ussd.staff.refusal.{reason}"), reason) for reason in service.REFUSALS]
    reason = await call.confirm("staff.refusal", reasons, number=order.number)
    await call.once("staff.refused", service.refuse, order_id=order.id, by_person=call.person_id, reason=reason)
    return End("ussd.staff.refused_now", {"number": order.number})


async def _accept(call: Call, order: Order, minutes: int) -> End:
    await call.once("staff.accepted", service.accept, order_id=order.id, by_person=call.person_id, minutes=minutes)
    return End("ussd.staff.accepted_now", {"number": order.number, "minutes": minutes})


def _minutes(typed: str) -> int:
    """What a restaurant may promise. Raises InvalidInput."""
    minutes = int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 3 else 0
    if not 1 <= minutes <= service.LONGEST_PREPARATION_MINUTES:
        raise InvalidInput()
    return minutes


def _items(order: Order, limit: int) -> str:
    return ", ".join(f"{line.quantity} {shorten(fold(line.name), limit)}" for line in order.lines)
