"""Nothing is lost when a session drops: the caller goes on where they were, or starts anew."""

from collections.abc import Sequence
from functools import cache

from core.database import Tx
from core.texts import say
from marketplace.ordering import carts, reminders
from marketplace.ordering.queries import Standing
from menus_ussd.call import Call, End, Restart
from menus_ussd.engine import Caller, Dialled
from menus_ussd.journeys import dial, order
from menus_ussd.questions import Menu, Name, Option


async def dialled(tx: Tx, caller: Caller, parts: Sequence[str]) -> Dialled | None:
    """`*code*7*4821#` from a reminder goes on without a question; what else can be dialled is in `dial`.

    With another code it is a plain dial, which offers what there is.
    """
    if parts[0] == reminders.FUNCTION:
        known = await reminders.is_code(tx, person_id=caller.person_id, digits="".join(parts[1:]))
        return Dialled(dict.fromkeys(("resume", "cart"), "go_on") if known else {}, goes_on=True)
    answers = await dial.presets(tx, caller, parts)
    return None if answers is None else Dialled(answers)


async def offer(call: Call, standing: Standing) -> End | None:
    """What is unfinished, first the talk itself, else a cart that outlived it; None when there is nothing."""
    if call.session.prior:
        unfinished = call.session.prior
        if await call.confirm("resume", _choices(call.language)) == "go_on":
            raise Restart(unfinished)
        await _discard(call)
    if call.session.skips_cart or not standing.has_cart:
        return None
    cart = await call.look("cart.open", carts.open_cart, person_id=call.person_id)
    # An ordered cart is offered only when nobody knows whether its last page arrived: confirming it again
    # gives the same order.
    if cart is None or (cart.order_id and call.session.remembered):
        return None
    if await call.confirm("cart", _choices(call.language), restaurant=Name(cart.restaurant_name)) == "go_on":
        return await order.finish(call, cart)
    await _discard(call)
    return None


async def _discard(call: Call) -> None:
    await call.once("cart.discard", carts.discard, person_id=call.person_id)
    raise Restart


@cache
def _choices(language: str) -> Menu:
    return Menu(Option(say(language, f"ussd.option.{choice}"), choice) for choice in ("go_on", "anew"))
