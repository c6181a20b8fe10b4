"""A meal for several: others add their dishes by the group's number, the host sees all, orders and pays."""

from collections.abc import Sequence
from uuid import UUID

from core.errors import InvalidInput
from core.gsm import fold, shorten
from marketplace.ordering import groups
from marketplace.ordering.groups import Group, Portion
from marketplace.ordering.pricing import Line
from menus_ussd.call import Call, End
from menus_ussd.journeys import order
from menus_ussd.journeys.limits import within
from menus_ussd.questions import Fitted, Name, Option


async def group(call: Call) -> End:
    """The caller's own group, or else one whose number they were told."""
    mine = await call.look("group.own", groups.of_host, host_id=call.person_id)
    return await (_host(call, mine) if mine else join(call))


async def join(call: Call) -> End:
    """The group of a number."""
    number = await call.ask("group.number", _number)
    await within(call, "auth")
    found = await call.look("group.found", groups.find, number=number)
    return await (_host if found.host_id == call.person_id else _add)(call, found)


async def _host(call: Call, mine: Group) -> End:
    """Everybody's dishes; then the order is the host's."""
    portions = await call.look("group.portions", groups.portions, group_id=mine.id)
    options = [Option(call.say("ussd.option.group_order"), "order"), Option(call.say("ussd.option.group_add"), "add")]
    facts = {"number": mine.number, "people": len({one.phone_end for one in portions}), "items": _items(portions)}
    if await call.choose("group.mine", options, **facts) == "add":
        return await _add(call, mine)
    cart = await call.once("group.close", groups.close, group_id=mine.id, host_id=call.person_id, channel="ussd")
    return await order.finish(call, cart)


async def _add(call: Call, joined: Group) -> End:
    name = Name(joined.restaurant_name)
    chosen = await call.basket("group.dishes", order.menu, joined.restaurant_id, restaurant=name)
    lines: list[Line] = [Line(UUID(dish_id), quantity) for dish_id, quantity in chosen]
    await call.once("group.add", groups.add, group_id=joined.id, person_id=call.person_id, lines=lines)
    return End("ussd.group.added", {"number": joined.number})


def _items(portions: Sequence[Portion]) -> Fitted:
    """`..01: 2 Ndole, ..02: 1 Jus`"""

    def items(limit: int) -> str:
        return ", ".join(f"..{one.phone_end}: {one.quantity} {shorten(fold(one.name), limit)}" for one in portions)

    return items


def _number(typed: str) -> int:
    """Four digits. Raises InvalidInput."""
    if not (typed.isascii() and typed.isdigit() and len(typed) == 4):
        raise InvalidInput(field="number")
    return int(typed)
