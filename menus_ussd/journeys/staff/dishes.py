"""A restaurant's dishes by their numbers: which can be had today, and what they cost."""

from uuid import UUID

from msgspec import Struct

from core.database import Tx
from core.errors import InvalidAmount
from core.money import format_xaf, parse_xaf
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue import service
from menus_ussd.call import Call, End
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.pages import MORE
from menus_ussd.questions import Name, Option


class Picked(Struct, frozen=True):
    """A dish as it was shown."""

    number: int
    name: str
    price_xaf: int
    available: bool


async def availability(call: Call, restaurant_id: UUID) -> End:
    """Take dishes off the menu of the day or put them back, one after another until the caller hangs up."""
    off = " " + call.say("ussd.staff.option.dish_off")
    dish = await call.choose("staff.dishes", _dishes, restaurant_id, off, of=Picked)
    while True:
        await call.once(
            "staff.dish_set",
            service.set_available,
            restaurant_id=restaurant_id,
            dish_number=dish.number,
            available=not dish.available,
        )
        state = call.say(f"ussd.staff.dish.{'off' if dish.available else 'on'}")
        told = {"number": dish.number, "state": state}
        dish = await call.choose("staff.dishes_next", _dishes, restaurant_id, off, of=Picked, **told)


async def prices(call: Call, restaurant_id: UUID) -> End:
    """A new price for a dish. It moves money of all who order it, so it asks for the PIN."""
    call.enter("staff.prices")
    dish = await call.choose("staff.price_of", _prices, restaurant_id, of=Picked)
    facts = {"dish": Name(dish.name), "old": format_xaf(dish.price_xaf)}
    price_xaf = await call.ask("staff.price", _price, **facts)
    yes = [Option(call.say("ussd.option.yes"), True)]
    await call.confirm("staff.price_confirm", yes, new=format_xaf(price_xaf), **facts)
    await enter_pin(call)
    await call.once(
        "staff.price_set",
        service.set_price,
        restaurant_id=restaurant_id,
        dish_number=dish.number,
        price_xaf=price_xaf,
    )
    return End("ussd.staff.price_now", {"dish": Name(dish.name), "new": format_xaf(price_xaf)})


async def _dishes(tx: Tx, restaurant_id: UUID, off: str) -> list[Option]:
    found = await catalogue.dishes(tx, restaurant_id=restaurant_id, available_only=False)
    return [_line(dish, "" if dish.available else off) for dish in found]


async def _prices(tx: Tx, restaurant_id: UUID) -> list[Option]:
    found = await catalogue.dishes(tx, restaurant_id=restaurant_id, available_only=False)
    return [_line(dish, f" {format_xaf(dish.price_xaf)}") for dish in found]


def _line(dish: catalogue.Dish, suffix: str) -> Option:
    """By the dish's own number, the one on the wall; only `98` means something else on every page."""
    picked = {"number": dish.number, "name": dish.name, "price_xaf": dish.price_xaf, "available": dish.available}
    key = str(dish.number)
    return Option(Name(dish.name), picked, suffix=suffix, digit=f"0{key}" if key == MORE else key)


def _price(typed: str) -> int:
    """A price that a dish may have. Raises InvalidAmount."""
    price_xaf = parse_xaf(typed)
    if not service.LOWEST_PRICE_XAF <= price_xaf <= service.HIGHEST_PRICE_XAF:
        raise InvalidAmount()
    return price_xaf
