"""Ratings: one to five stars for a meal and its ride, by whom they were delivered to, once.

The sums stand with the restaurant and the driver, so that whoever shows or weighs them reads no ratings.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.errors import InvalidInput
from marketplace.catalogue.tables import restaurant
from marketplace.delivery.tables import delivery
from marketplace.ordering.tables import customer_order
from marketplace.people.tables import driver
from marketplace.ratings.errors import AlreadyRated, NothingToRate
from marketplace.ratings.tables import order_rating

RATABLE = ("DELIVERED", "CLOSED")
MOST_STARS = 5
# A driver counts as having had this many full ratings before the first: one bad evening is not the end of them.
DRIVER_HEAD_START = 5


class Ratable(msgspec.Struct, frozen=True):
    """A delivered order that waits for its stars."""

    order_id: UUID
    number: int
    restaurant_name: str
    has_driver: bool
    placed_at: datetime


async def ratable(tx: Tx, *, person_id: UUID) -> list[Ratable]:
    """The person's delivered and unrated orders of the last days, newest first."""
    return [_ratable(row) for row in await tx.all(_orders(tx, person_id))]


async def ask(tx: Tx, *, person_id: UUID, order_id: UUID) -> Ratable | None:
    """Note that a page asks for these stars by itself, and what it shows; None when one has asked before."""
    noted = insert(order_rating).values(order_id=order_id, asked_at=tx.now).on_conflict_do_nothing()
    if not await tx.run(noted):
        return None
    found = await tx.first(_orders(tx, person_id).where(customer_order.c.id == order_id))
    return None if found is None else _ratable(found)


async def rate(
    tx: Tx, *, person_id: UUID, order_id: UUID | None = None, stars: int, driver_stars: int | None = None
) -> Ratable:
    """Give `stars` to the meal and `driver_stars` to the ride; without an order to the newest unrated one.

    Raises NothingToRate, AlreadyRated, InvalidInput.
    """
    if any(given is not None and not 1 <= given <= MOST_STARS for given in (stars, driver_stars)):
        raise InvalidInput(field="stars")
    found = await _meant(tx, person_id, order_id)
    if not found.has_driver:
        driver_stars = None
    await _keep(tx, found.order_id, stars, driver_stars)
    await _count(tx, found.order_id, stars, driver_stars)
    return found


async def _meant(tx: Tx, person_id: UUID, order_id: UUID | None) -> Ratable:
    """The order that the stars are for."""
    wanted = _orders(tx, person_id)
    if order_id is not None:
        wanted = wanted.where(customer_order.c.id == order_id)
    found = await tx.first(wanted.limit(1))
    if found is None:
        rated = order_rating.c.order_id == order_id, order_rating.c.rated_at.is_not(None)
        of_mine = customer_order.c.id == order_rating.c.order_id, customer_order.c.person_id == person_id
        raise AlreadyRated() if await tx.first(select(order_rating).where(*rated, *of_mine)) else NothingToRate()
    return _ratable(found)


async def _keep(tx: Tx, order_id: UUID, stars: int, driver_stars: int | None) -> None:
    """The row, once; who comes second learns it even when both came at the same moment."""
    values = {"restaurant_stars": stars, "driver_stars": driver_stars, "rated_at": tx.now}
    kept = insert(order_rating).values(order_id=order_id, **values)
    unrated = order_rating.c.rated_at.is_(None)
    if not await tx.run(kept.on_conflict_do_update(index_elements=["order_id"], set_=values, where=unrated)):
        raise AlreadyRated()


async def _count(tx: Tx, order_id: UUID, stars: int, driver_stars: int | None) -> None:
    """Add to the sums: the restaurant's, then the driver's."""
    cook = select(customer_order.c.restaurant_id).where(customer_order.c.id == order_id).scalar_subquery()
    one_more = {"stars": restaurant.c.stars + stars, "ratings": restaurant.c.ratings + 1}
    await tx.run(update(restaurant).where(restaurant.c.id == cook).values(one_more))
    if driver_stars is None:
        return
    rider = select(delivery.c.driver_id).where(delivery.c.order_id == order_id).scalar_subquery()
    total, count = driver.c.stars + driver_stars, driver.c.ratings + 1
    average = (total + MOST_STARS * DRIVER_HEAD_START) / (count + float(DRIVER_HEAD_START))
    values = {"stars": total, "ratings": count, "rating": average}
    await tx.run(update(driver).where(driver.c.id == rider).values(values))


def _orders(tx: Tx, person_id: UUID) -> Select[Any]:
    """What this person was brought in the last days and has not rated, newest first."""
    mine = customer_order.c.person_id == person_id, customer_order.c.state.in_(RATABLE)
    recent = customer_order.c.placed_at > tx.now - timedelta(days=tx.settings.rating_days)
    columns = (
        customer_order.c.id.label("order_id"),
        customer_order.c.number,
        customer_order.c.placed_at,
        restaurant.c.name.label("restaurant_name"),
        delivery.c.driver_id.is_not(None).label("has_driver"),
    )
    return (
        select(*columns)
        .join(restaurant, restaurant.c.id == customer_order.c.restaurant_id)
        .outerjoin(delivery, delivery.c.order_id == customer_order.c.id)
        .outerjoin(order_rating, order_rating.c.order_id == customer_order.c.id)
        .where(*mine, recent, order_rating.c.rated_at.is_(None))
        .order_by(customer_order.c.placed_at.desc())
    )


def _ratable(row: Row[Any]) -> Ratable:
    return Ratable(row.order_id, row.number, row.restaurant_name, bool(row.has_driver), row.placed_at)
