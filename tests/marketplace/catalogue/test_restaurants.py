"""The catalogue: what is listed in which order, and what a restaurant may change about itself."""

from datetime import timedelta
from uuid import uuid4

import pytest

from core.clock import ManualClock
from core.database import Database
from core.errors import InvalidInput, NotFound
from gateway.seed import seed
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue import service
from marketplace.catalogue.queries import Restaurant
from marketplace.places import queries as places

pytestmark = pytest.mark.anyio


@pytest.fixture
async def mama(database: Database) -> Restaurant:
    """Restaurant 45 of the demo data."""
    await seed(database)
    async with database.reading() as tx:
        return await catalogue.restaurant_by_number(tx, number=45)


async def test_a_restaurant_is_known_by_number_and_by_id(database: Database, mama: Restaurant) -> None:
    assert (mama.name, mama.quarter_name, mama.state) == ("Chez Mama", "Akwa", "open")
    async with database.reading() as tx:
        assert await catalogue.get_restaurant(tx, restaurant_id=mama.id) == mama
        with pytest.raises(NotFound):
            await catalogue.restaurant_by_number(tx, number=44)
        with pytest.raises(NotFound):
            await catalogue.get_restaurant(tx, restaurant_id=uuid4())


async def test_the_nearest_come_first_and_the_closed_last(database: Database, mama: Restaurant) -> None:
    async with database.transaction() as tx:
        bonaberi = (await places.search_quarters(tx, prefix="bonab"))[0].zone_id
        assert [entry.number for entry in await catalogue.restaurants(tx, near_zone=mama.zone_id)][:2] == [13, 45]
        assert [entry.number for entry in await catalogue.restaurants(tx, near_zone=bonaberi)][:2] == [14, 11]
        await service.set_state(tx, restaurant_id=mama.id, state="closed")
        assert (await catalogue.restaurants(tx, near_zone=mama.zone_id))[-1].number == 45
        assert (await catalogue.restaurants(tx))[-1].number == 45


@pytest.mark.parametrize(
    ("words", "numbers"), [("tantie", [10]), ("MAMAN NGO", [13]), ("délices", []), ("sep", [12]), ("%", [])]
)
async def test_restaurants_are_found_by_a_piece_of_their_name(
    database: Database, mama: Restaurant, words: str, numbers: list[int]
) -> None:
    async with database.reading() as tx:
        assert [entry.number for entry in await catalogue.restaurants(tx, search=words)] == numbers


async def test_busy_ends_by_itself_and_closed_does_not(
    database: Database, mama: Restaurant, clock: ManualClock
) -> None:
    async def state() -> str:
        async with database.reading() as tx:
            return (await catalogue.get_restaurant(tx, restaurant_id=mama.id)).state

    async with database.transaction() as tx:
        until = tx.now + timedelta(minutes=30)
        await service.set_state(tx, restaurant_id=mama.id, state="busy", until=until)
    clock.advance(minutes=29)
    assert await state() == "busy"
    clock.advance(minutes=1)
    assert await state() == "open"
    async with database.transaction() as tx:
        await service.set_state(tx, restaurant_id=mama.id, state="closed")
    clock.advance(days=30)
    assert await state() == "closed"
    with pytest.raises(InvalidInput):
        async with database.transaction() as tx:
            await service.set_state(tx, restaurant_id=mama.id, state="on holiday")


async def test_a_dish_that_is_out_is_not_offered_and_keeps_its_number(database: Database, mama: Restaurant) -> None:
    async with database.transaction() as tx:
        await service.set_available(tx, restaurant_id=mama.id, dish_number=12, available=False)
        offered = await catalogue.dishes(tx, restaurant_id=mama.id)
        assert [dish.number for dish in offered] == [*range(1, 12), 13, 14]
        everything = await catalogue.dishes(tx, restaurant_id=mama.id, available_only=False)
        assert [dish.number for dish in everything if not dish.available] == [12]
        await service.set_available(tx, restaurant_id=mama.id, dish_number=12, available=True)
        assert len(await catalogue.dishes(tx, restaurant_id=mama.id)) == 14
        with pytest.raises(NotFound):
            await service.set_available(tx, restaurant_id=mama.id, dish_number=15, available=False)


async def test_dishes_are_found_where_they_can_be_had_now(database: Database, mama: Restaurant) -> None:
    async with database.transaction() as tx:
        cheapest, *others = await catalogue.search_dishes(tx, words="NDOLE")
        assert (cheapest.restaurant_id, cheapest.price_xaf) == (mama.id, 1500)
        assert [dish.price_xaf for dish in others] == sorted(dish.price_xaf for dish in others)
        await service.set_state(tx, restaurant_id=mama.id, state="busy")
        assert mama.id not in {dish.restaurant_id for dish in await catalogue.search_dishes(tx, words="ndolè")}


async def test_any_of_its_phones_answers_for_a_restaurant(database: Database, mama: Restaurant) -> None:
    async with database.reading() as tx:
        phones = await catalogue.restaurant_phones(tx, restaurant_id=mama.id)
        assert phones == ["+237671000021", "+237671000045"]
        staff = await catalogue.restaurant_staff(tx, restaurant_id=mama.id)
        assert [await catalogue.restaurants_of(tx, person_id=person.id) for person in staff] == [[mama], [mama]]
        assert await catalogue.restaurants_of(tx, person_id=uuid4()) == []
        assert {person.language for person in staff} == {"fr"}


async def test_delivered_orders_are_counted_for_life(database: Database, mama: Restaurant) -> None:
    async with database.transaction() as tx:
        for _ in range(3):
            await service.count_delivered(tx, restaurant_id=mama.id)
        assert (await catalogue.get_restaurant(tx, restaurant_id=mama.id)).delivered_orders == 3
