"""The first page. Its digits are for life: one digit dialled after the code means the same."""

from collections.abc import Awaitable, Callable

from marketplace.ordering import service as ordering
from menus_ussd.call import Call, End
from menus_ussd.journeys import more, order, track, wallet
from menus_ussd.questions import Option

DIGITS = {"repeat": "1", "order": "2", "track": "3", "wallet": "4", "more": "8"}

JOURNEYS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "repeat": order.repeat,
    "order": order.order,
    "track": track.track,
    "wallet": wallet.wallet,
    "more": more.more,
}


async def home(call: Call) -> End:
    """What the caller can do; a live order comes first."""
    live = await call.look("home.live", ordering.live_orders, person_id=call.person_id)
    names = ["order", "track", "wallet", "more"]
    if live:
        names = ["track", "order", "wallet", "more"]
    elif await call.look("home.last", ordering.last_order, person_id=call.person_id):
        names = ["repeat", *names]
    options = [Option(call.say(f"ussd.home.{name}"), name, digit=DIGITS[name]) for name in names]
    return await JOURNEYS[await call.choose("home", options)](call)
