"""Nothing is lost when a session drops: the caller goes on where they were, or starts anew."""

from functools import cache

from core.texts import say
from marketplace.ordering import carts
from marketplace.ordering.queries import Standing
from menus_ussd.call import Call, End, Restart
from menus_ussd.journeys import order
from menus_ussd.questions import Menu, Name, Option


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
