"""The dial table: what is dialled after the code, as answers by question id.

    *code*1#           repeat the last order       *code*45#         restaurant 45
    *code*3*4821#      track order 4821            *code*45*12*2#    dish 12 of restaurant 45, twice
    *code*6*4821#      add dishes to group 4821

One digit is the function of the same digit at home; two digits and more are a restaurant's number, which can
be printed on a wall. What fits no row is walked as typed answers.
"""

from collections.abc import Sequence
from typing import Any

from core.database import Tx
from core.errors import NotFound
from marketplace.catalogue import queries as catalogue
from marketplace.ordering import queries as ordering
from menus_ussd.engine import Caller
from menus_ussd.journeys.choosing import option_of
from menus_ussd.journeys.home import DIGITS

MOST_DIALLED = 20  # of one dish; more is a mistyped digit

FUNCTIONS = {digit: name for name, digit in DIGITS.items()}


async def presets(tx: Tx, caller: Caller, parts: Sequence[str]) -> dict[str, Any] | None:
    """The answers that `parts` stand for, or None to walk them as typed."""
    match list(parts):
        case [digit] if digit in FUNCTIONS:
            return {"home": FUNCTIONS[digit]}
        case ["3", number]:
            return {"home": "track", **await _order(tx, caller, number)}
        case ["6", number] if len(number) == 4 and _number(number):
            return {"home": "join", "group.number": int(number)}
        case [number, *rest] if len(number) >= 2 and _number(number) and len(rest) <= 2:
            return await _restaurant(tx, int(number), rest)
    return None


async def _order(tx: Tx, caller: Caller, number: str) -> dict[str, Any]:
    """Which of the caller's orders is meant; asked only of those who have several."""
    live = await ordering.tracked_orders(tx, person_id=caller.person_id)
    return next(({"track.which": str(order.id)} for order in live if str(order.number) == number), {})


async def _restaurant(tx: Tx, number: int, rest: Sequence[str]) -> dict[str, Any] | None:
    """A restaurant's number, perhaps with a dish and how many of it; as far as the numbers are known."""
    try:
        restaurant = await catalogue.restaurant_by_number(tx, number=number)
    except NotFound:
        return {"home": "order", "order.restaurant": {"unknown": number}}
    if restaurant.state != "open":
        return {"home": "order", "order.restaurant": {"closed": restaurant.name}}
    answers: dict[str, Any] = {"home": "order", "order.restaurant": option_of(restaurant).value}
    if rest and _number(rest[0]):
        quantity = min(_number(rest[1]) or 1, MOST_DIALLED) if len(rest) > 1 else 1
        dishes = await catalogue.dishes(tx, restaurant_id=restaurant.id)
        chosen = [str(dish.id) for dish in dishes if dish.number == int(rest[0])]
        if chosen:
            answers["order.dishes"] = [[chosen[0], quantity]]
    return answers


def _number(dialled: str) -> int | None:
    """A number as keypads make them, of at most six digits; None for anything else."""
    return int(dialled) if dialled.isascii() and dialled.isdigit() and len(dialled) <= 6 else None
