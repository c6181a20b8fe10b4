"""Which restaurant: those one likes and orders from come first, then those nearby; or what three letters find."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from core.database import Tx
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.queries import Dish, Restaurant

# Longer ago, and nobody remembers what it was like.
HABIT = timedelta(days=180)
MOST_KNOWN = 5
MOST_FOUND = 12


class Known(msgspec.Struct, frozen=True):
    """Restaurants that a person knows, the dearest first, and the zone they last had a meal brought to."""

    restaurant_ids: list[UUID]
    zone_id: int | None


class Found(msgspec.Struct, frozen=True):
    """What a search found: restaurants, and dishes with where they are cooked."""

    restaurants: list[Restaurant]
    dishes: list[tuple[Dish, Restaurant]]


_KNOWN = """
WITH ordered AS (
    SELECT restaurant_id, count(*) AS times, max(placed_at) AS last_at
    FROM customer_order WHERE person_id = $1 AND placed_at > $2 GROUP BY restaurant_id
), liked AS (
    SELECT restaurant_id, since FROM favourite WHERE person_id = $1
)
SELECT array(
    SELECT restaurant_id FROM ordered FULL JOIN liked USING (restaurant_id)
    ORDER BY since IS NULL, times DESC NULLS LAST, last_at DESC LIMIT $3
) AS restaurant_ids, coalesce(
    (SELECT zone_id FROM customer_order JOIN quarter ON quarter.id = quarter_id
     WHERE person_id = $1 ORDER BY placed_at DESC LIMIT 1),
    (SELECT zone_id FROM saved_place JOIN quarter ON quarter.id = quarter_id
     WHERE person_id = $1 ORDER BY slot LIMIT 1)
) AS zone_id
"""


async def known(tx: Tx, *, person_id: UUID) -> Known:
    """What is known of a person's taste and whereabouts: favourites, then what they order most; one statement."""
    row = await (await tx.driver()).fetchrow(_KNOWN, person_id, tx.now - HABIT, MOST_KNOWN)
    assert row is not None, "a SELECT without FROM has one row"
    return Known(row["restaurant_ids"], row["zone_id"])


async def offered(tx: Tx, *, known: Known) -> list[Restaurant]:
    """The open restaurants in the order this person wants to read them; as of a few seconds ago."""
    found = await catalogue.known_restaurants(tx, near_zone=known.zone_id)
    rank = {restaurant_id: place for place, restaurant_id in enumerate(known.restaurant_ids)}
    return sorted(_open(found), key=lambda restaurant: rank.get(restaurant.id, MOST_KNOWN))


async def search(tx: Tx, *, words: str) -> Found:
    """Open restaurants and their dishes whose name contains `words`; accents and case do not matter."""
    everywhere = {restaurant.id: restaurant for restaurant in await catalogue.known_restaurants(tx)}
    restaurants = _open(await catalogue.restaurants(tx, search=words))
    dishes = await catalogue.search_dishes(tx, words=words)
    cooked = [(dish, everywhere[dish.restaurant_id]) for dish in dishes if dish.restaurant_id in everywhere]
    return Found(restaurants[:MOST_FOUND], cooked[:MOST_FOUND])


def _open(restaurants: Sequence[Restaurant]) -> list[Restaurant]:
    return [restaurant for restaurant in restaurants if restaurant.state == "open"]
