"""Reads of restaurants and dishes: what every channel shows."""

from uuid import UUID

import msgspec
from sqlalchemy import exists, select

from core.database import Tx
from core.errors import NotFound
from core.gsm import plain
from core.remembered import remembered
from marketplace.catalogue.tables import favourite, restaurant_phone
from marketplace.people import service as people
from marketplace.people.tables import person


class Restaurant(msgspec.Struct, frozen=True):
    """`state` is open, busy or closed at this moment; `commission_bp` overrides the steps of D7."""

    id: UUID
    number: int
    name: str
    zone_id: int
    quarter_name: str
    state: str
    preparation_minutes: int
    delivered_orders: int
    commission_bp: int | None
    opens_minute: int  # of the day, in Douala: when meals can be ordered for
    closes_minute: int
    rating: float | None  # 1 to 5, once three people have said


class Dish(msgspec.Struct, frozen=True):
    """A dish with the number that stays its own."""

    id: UUID
    number: int
    name: str
    price_xaf: int
    available: bool
    restaurant_id: UUID


# $1 is the present instant: a state that has run out means open.
_RESTAURANT = """
    SELECT restaurant.id, number, restaurant.name, zone_id, quarter.name AS quarter_name,
        CASE WHEN state_until <= $1 THEN 'open' ELSE state END AS state,
        preparation_minutes, delivered_orders, commission_bp, opens_minute, closes_minute,
        CASE WHEN ratings >= 3 THEN round(stars::numeric / ratings, 1)::float8 END AS rating
    FROM restaurant JOIN quarter ON quarter.id = quarter_id
"""

_LIST = f"""
    WITH listed AS ({_RESTAURANT} WHERE $3::text IS NULL OR strpos(restaurant.plain, $3) > 0)
    SELECT listed.* FROM listed
    LEFT JOIN tariff_fee ON $2::int IS NOT NULL
        AND version = (SELECT max(version) FROM tariff WHERE valid_from <= $1)
        AND lower_zone_id = least(zone_id, $2) AND upper_zone_id = greatest(zone_id, $2)
    ORDER BY state = 'closed', zone_id <> $2, km, number
"""  # noqa: S608 - made of constants

_BY_NUMBER = f"{_RESTAURANT} WHERE number = $2"
_BY_ID = f"{_RESTAURANT} WHERE restaurant.id = $2"
_OF_PERSON = f"""
    {_RESTAURANT} JOIN restaurant_phone ON restaurant_phone.restaurant_id = restaurant.id
    WHERE person_id = $2 ORDER BY number
"""

_DISH = "SELECT dish.id, dish.number, dish.name, price_xaf, available, restaurant_id FROM dish"

_MENU = f"{_DISH} WHERE restaurant_id = $1 AND (available OR NOT $2) ORDER BY number"

_SEARCH_DISHES = f"""
    {_DISH} JOIN restaurant ON restaurant.id = restaurant_id
    WHERE available AND strpos(dish.plain, $2) > 0 AND (state = 'open' OR state_until <= $1)
    ORDER BY price_xaf, restaurant.number, dish.number
"""


async def restaurants(tx: Tx, *, near_zone: int | None = None, search: str | None = None) -> list[Restaurant]:
    """Restaurants whose name contains `search`: the closed ones last, nearest first, else by number."""
    words = plain(search) if search else None
    return [Restaurant(**row) for row in await (await tx.driver()).fetch(_LIST, tx.now, near_zone, words)]


async def restaurant_by_number(tx: Tx, *, number: int) -> Restaurant:
    """The restaurant of `*code*number#`. Raises NotFound."""
    return await _one(tx, _BY_NUMBER, number)


async def get_restaurant(tx: Tx, *, restaurant_id: UUID) -> Restaurant:
    """Raises NotFound."""
    return await _one(tx, _BY_ID, restaurant_id)


async def restaurants_of(tx: Tx, *, person_id: UUID) -> list[Restaurant]:
    """The restaurants that a person answers for, by number."""
    return [Restaurant(**row) for row in await (await tx.driver()).fetch(_OF_PERSON, tx.now, person_id)]


async def restaurant_staff(tx: Tx, *, restaurant_id: UUID) -> list[people.Person]:
    """Who answers for the restaurant, in calling order, with the language they read."""
    answering = select(person).join(restaurant_phone).where(restaurant_phone.c.restaurant_id == restaurant_id)
    return [people.from_row(tx, row) for row in await tx.all(answering.order_by(restaurant_phone.c.position))]


async def restaurant_phones(tx: Tx, *, restaurant_id: UUID) -> list[str]:
    """The restaurant's numbers (E.164) in calling order, at most three."""
    return [answering.phone for answering in await restaurant_staff(tx, restaurant_id=restaurant_id)]


async def dishes(tx: Tx, *, restaurant_id: UUID, available_only: bool = True) -> list[Dish]:
    """The menu in the order of its numbers."""
    return [Dish(**row) for row in await (await tx.driver()).fetch(_MENU, restaurant_id, available_only)]


async def is_favourite(tx: Tx, *, person_id: UUID, restaurant_id: UUID) -> bool:
    """Whether this person has said that they like it."""
    mine = (favourite.c.person_id == person_id) & (favourite.c.restaurant_id == restaurant_id)
    return bool(await tx.value(select(exists().where(mine))))


async def search_dishes(tx: Tx, *, words: str) -> list[Dish]:
    """Dishes to be had now whose name contains `words`, the cheapest first; accents and case do not matter."""
    return [Dish(**row) for row in await (await tx.driver()).fetch(_SEARCH_DISHES, tx.now, plain(words))]


async def _one(tx: Tx, statement: str, value: object) -> Restaurant:
    row = await (await tx.driver()).fetchrow(statement, tx.now, value)
    if row is None:
        raise NotFound()
    return Restaurant(**row)


# As of a few seconds ago: for menus and quotes, never for what is ordered.
known_restaurants = remembered(restaurants)
known_restaurant = remembered(get_restaurant)
known_dishes = remembered(dishes)
