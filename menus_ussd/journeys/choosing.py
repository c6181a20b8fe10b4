"""Choosing a restaurant: from the list, which begins with those one knows; by three letters; or by a dialled number."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct, convert

from core.database import Tx
from core.gsm import fold, shorten
from core.money import format_xaf
from core.remembered import remembered
from marketplace.catalogue.queries import Dish, Restaurant
from marketplace.ordering import choosing
from marketplace.ordering.choosing import Known
from menus_ussd.call import Call
from menus_ussd.questions import Menu, Name, Option

# Of a restaurant's name beside a dish and its price.
NAME_WIDTH = 12


class Chosen(Struct, frozen=True):
    """What the conversation needs to remember of a restaurant, and of a dish that was found by its name."""

    id: UUID
    zone_id: int
    name: str
    dish: UUID | None = None


async def choose_restaurant(call: Call) -> Chosen:
    """One that takes orders. Who dialled a closed or an unknown one is told so, above the others."""
    chosen = await call.choose_or_type("order.restaurant", _offered, call.person_id)
    while "id" not in chosen:
        match chosen:
            case {"closed": name}:
                chosen = await call.choose_or_type("order.closed", _offered, call.person_id, restaurant=Name(name))
            case {"unknown": number}:
                chosen = await call.choose_or_type("order.unknown", _offered, call.person_id, number=number)
            case {"words": words}:
                chosen = await call.choose_or_type("order.found", _found, words, words=words)
    return convert(chosen, Chosen)


async def _offered(tx: Tx, person_id: UUID) -> Sequence[Option]:
    known = await choosing.known(tx, person_id=person_id)
    if known.restaurant_ids or known.zone_id:
        return [option_of(restaurant) for restaurant in await choosing.offered(tx, known=known)]
    return await _for_newcomers(tx)


@remembered
async def _for_newcomers(tx: Tx) -> Menu:
    return Menu(option_of(restaurant) for restaurant in await choosing.offered(tx, known=Known([], None)))


async def _found(tx: Tx, words: str) -> list[Option]:
    found = await choosing.search(tx, words=words)
    return [*map(option_of, found.restaurants), *(_dish(dish, restaurant) for dish, restaurant in found.dishes)]


def option_of(restaurant: Restaurant) -> Option:
    """A restaurant as a line of a menu."""
    return Option(Name(restaurant.name), _value(restaurant), suffix=Name(f", {restaurant.quarter_name}"))


def _dish(dish: Dish, restaurant: Restaurant) -> Option:
    where = shorten(fold(restaurant.name), NAME_WIDTH)
    value = {**_value(restaurant), "dish": str(dish.id)}
    return Option(Name(dish.name), value, suffix=f" {format_xaf(dish.price_xaf)} {where}")


def _value(restaurant: Restaurant) -> dict[str, object]:
    return {"id": str(restaurant.id), "zone_id": restaurant.zone_id, "name": restaurant.name}
