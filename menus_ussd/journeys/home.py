"""The first page. Its digits are for life: one digit dialled after the code means the same."""

from collections.abc import Awaitable, Callable
from functools import cache

from core.texts import say
from marketplace.ordering.queries import Standing
from menus_ussd.call import Call, End
from menus_ussd.journeys import more, order, track, wallet
from menus_ussd.questions import Menu, Option

DIGITS = {"repeat": "1", "order": "2", "track": "3", "wallet": "4", "more": "8"}

JOURNEYS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "repeat": order.repeat,
    "order": order.order,
    "track": track.track,
    "wallet": wallet.wallet,
    "more": more.more,
}


async def home(call: Call, standing: Standing) -> End:
    """What the caller can do; a live order comes first."""
    names: tuple[str, ...] = ("order", "track", "wallet", "more")
    if standing.has_live_order:
        names = ("track", "order", "wallet", "more")
    elif standing.has_ordered:
        names = ("repeat", *names)
    return await JOURNEYS[await call.choose("home", _menu(call.language, names))](call)


@cache
def _menu(language: str, names: tuple[str, ...]) -> Menu:
    return Menu(Option(say(language, f"ussd.home.{name}"), name, digit=DIGITS[name]) for name in names)
