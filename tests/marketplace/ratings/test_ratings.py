"""Stars for a meal and its ride: by whom it was delivered to, once, and felt by dispatch."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select

from core.errors import GatewayError, InvalidInput
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.tables import restaurant
from marketplace.people.tables import driver
from marketplace.ratings import service as ratings
from marketplace.ratings.errors import AlreadyRated, NothingToRate
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def rate(town: Town, phone: str = CUSTOMER, **given: object) -> ratings.Ratable:
    person_id = await town.person(phone)
    async with town.database.transaction() as tx:
        return await ratings.rate(tx, person_id=person_id, **given)  # type: ignore[arg-type]


async def ask(town: Town, order_id: UUID) -> ratings.Ratable | None:
    person_id = await town.person()
    async with town.database.transaction() as tx:
        return await ratings.ask(tx, person_id=person_id, order_id=order_id)


async def sums(town: Town) -> tuple[int, int, int, int, float]:
    """Stars and ratings of the restaurant, of the driver, and what dispatch goes by."""
    async with town.database.reading() as tx:
        cook = await tx.one(select(restaurant.c.stars, restaurant.c.ratings))
        rider = await tx.one(select(driver.c.stars, driver.c.ratings, driver.c.rating))
    return (*cook, *rider)


async def test_stars_count_once_for_the_meal_and_the_ride(town: Town) -> None:
    order = await town.handed_over()
    rated = await rate(town, stars=4, driver_stars=2)
    assert (rated.order_id, rated.restaurant_name, rated.has_driver) == (order.id, "Chez Mama", True)
    assert await sums(town) == (4, 1, 2, 1, 4.5)
    with pytest.raises(AlreadyRated):
        await rate(town, order_id=order.id, stars=1)
    with pytest.raises(NothingToRate):
        await rate(town, stars=1)
    assert await sums(town) == (4, 1, 2, 1, 4.5)


async def test_the_ride_may_go_unrated(town: Town) -> None:
    await town.handed_over()
    await rate(town, stars=3)
    assert await sums(town) == (3, 1, 0, 0, 5.0)


async def test_a_hundred_taps_are_one_rating(town: Town) -> None:
    order = await town.handed_over()
    answers = await asyncio.gather(
        *(rate(town, order_id=order.id, stars=1, driver_stars=1) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(answer, ratings.Ratable) for answer in answers) == 1
    assert all(isinstance(answer, ratings.Ratable | GatewayError) for answer in answers)
    assert (await sums(town))[:4] == (1, 1, 1, 1)


async def test_only_who_was_delivered_to_may_rate(town: Town) -> None:
    on_its_way = await town.picked_up()
    with pytest.raises(NothingToRate):
        await rate(town, order_id=on_its_way.id, stars=1)
    with pytest.raises(NothingToRate):
        await rate(town, FRIEND, order_id=on_its_way.id, stars=1)
    await town.wait(minutes=30)
    await town.wait(hours=24)
    with pytest.raises(NothingToRate):
        await rate(town, FRIEND, order_id=on_its_way.id, stars=1)
    assert (await rate(town, order_id=on_its_way.id, stars=5)).number == on_its_way.number


async def test_an_old_meal_is_not_rated(town: Town) -> None:
    await town.handed_over()
    town.clock.advance(days=14)
    with pytest.raises(NothingToRate):
        await rate(town, stars=5)


async def test_only_one_to_five_are_stars(town: Town) -> None:
    await town.handed_over()
    for stars, driver_stars in ((0, None), (6, None), (5, 6), (5, 0)):
        with pytest.raises(InvalidInput):
            await rate(town, stars=stars, driver_stars=driver_stars)


async def test_a_page_asks_by_itself_once_and_the_order_can_still_be_rated(town: Town) -> None:
    order = await town.handed_over()
    first = await ask(town, order.id)
    assert first is not None and first.order_id == order.id
    assert await ask(town, order.id) is None
    await rate(town, stars=5)
    assert (await sums(town))[:2] == (5, 1)


async def test_a_restaurant_shows_its_average_once_three_have_said(town: Town) -> None:
    shown = []
    for stars in (5, 4, 4):
        await town.handed_over()
        await rate(town, stars=stars)
        async with town.database.reading() as tx:
            shown.append((await catalogue.get_restaurant(tx, restaurant_id=town.restaurant_id)).rating)
    assert shown == [None, None, 4.3]
