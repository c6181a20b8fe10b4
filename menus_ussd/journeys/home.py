"""The first page. Its digits are for life: one digit dialled after the code means the same."""

from collections.abc import Awaitable, Callable
from functools import cache

from core.texts import say
from marketplace.ordering.queries import Standing
from menus_ussd.call import Call, End
from menus_ussd.journeys import group, more, order, promotions, track, wallet
from menus_ussd.journeys.staff import staff
from menus_ussd.questions import Menu, Option

DIGITS = {
    "repeat": "1",
    "order": "2",
    "track": "3",
    "wallet": "4",
    "promotions": "5",
    "group": "6",
    "more": "8",
    "staff": "9",
}

JOURNEYS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "repeat": order.repeat,
    "order": order.order,
    "track": track.track,
    "wallet": wallet.wallet,
    "promotions": promotions.promotions,
    "group": group.group,  # dialled, not shown
    "join": group.join,
    "more": more.more,
    "staff": staff,
}


async def home(call: Call, standing: Standing) -> End:
    """What the caller can do; a live order comes first."""
    name = await call.choose("home", _menu(call.language, _offered(standing)))
    call.enter(name)
    return await JOURNEYS[name](call)


def _offered(standing: Standing) -> tuple[str, ...]:
    first: tuple[str, ...] = ("order", "track")
    if standing.has_live_order:
        first = ("track", "order")
    elif standing.has_ordered:
        first = ("repeat", "order", "track")
    return (*first, "wallet", "promotions", "more", *(("staff",) if standing.is_staff else ()))


@cache
def _menu(language: str, names: tuple[str, ...]) -> Menu:
    return Menu(Option(say(language, f"ussd.home.{name}"), name, digit=DIGITS[name]) for name in names)
