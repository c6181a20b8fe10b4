"""A meal for later: which hours are offered, when the restaurant learns of it, and that cancelling it is free."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import DOUALA, ManualClock
from core.errors import GatewayError
from ledger import chart
from marketplace.catalogue import queries as catalogue
from marketplace.ordering import carts, scheduling, service
from marketplace.ordering.carts import Cart
from marketplace.ordering.errors import TimeNotOffered
from marketplace.ordering.pricing import Extras
from tests.support.town import CUSTOMER, KITCHEN, Town

pytestmark = pytest.mark.anyio

# Eight minutes to answer, twenty to cook, ten and three for each of 3 km to ride.
LEAD = timedelta(minutes=8 + 20 + 10 + 9)


@pytest.fixture
def clock() -> ManualClock:
    """Ten in the morning, in Douala."""
    return ManualClock(datetime(2026, 11, 21, 9, 0, tzinfo=UTC))


async def for_(town: Town, at: datetime, **changes: Any) -> Cart:
    return await town.cart(extras=Extras(deliver_at=at), **changes)


def today(hour: int, minute: int = 0, *, day: int = 21) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=DOUALA)


async def test_each_half_hour_that_leaves_time_enough_is_offered_while_the_kitchen_is_open(town: Town) -> None:
    await town.set_kitchen(opens_minute=9 * 60, closes_minute=14 * 60)
    cart = await town.cart()
    async with town.database.reading() as tx:
        offered = await carts.hours(tx, cart_id=cart.cart_id)
    now, tomorrow = offered.values()
    assert [hour.astimezone(DOUALA).strftime("%H:%M") for hour in now] == ["11:00", *_half_hours(11, 14)[1:]]
    assert tomorrow[0] == today(10, day=22) and tomorrow[-1] == today(14, day=22)


def _half_hours(first: int, last: int) -> list[str]:
    return [f"{minutes // 60}:{minutes % 60:02}" for minutes in range(first * 60, last * 60 + 1, 30)]


async def test_a_kitchen_that_is_open_until_midnight_takes_the_last_hour_that_it_offers(town: Town) -> None:
    await town.set_kitchen(opens_minute=0, closes_minute=24 * 60)
    cart = await town.cart()
    async with town.database.reading() as tx:
        offered = await carts.hours(tx, cart_id=cart.cart_id)
    for hours in offered.values():
        later = await for_(town, hours[-1], cart_id=cart.cart_id)
        assert later.quote and later.extras.deliver_at == hours[-1]


@pytest.mark.parametrize(
    "at", [today(10, 30), today(12, 10), today(23), today(7, day=22), today(12, day=23), today(12, day=20)]
)
async def test_another_hour_is_refused(town: Town, at: datetime) -> None:
    with pytest.raises(TimeNotOffered):
        await for_(town, at)


@pytest.mark.parametrize("pay_with", ["mobile_money", "wallet"])
async def test_it_is_paid_now_and_offered_in_time(town: Town, pay_with: str) -> None:
    await town.give(chart.wallet(await town.person()), 3800)
    order = await town.paid(cart=await for_(town, today(12, 30, day=22)), pay_with=pay_with)
    assert await town.state(order.id) == "PAID" and await town.texts(KITCHEN) == []
    told = f"CMD {order.number} payée (3800F): Chez Mama la prépare pour le 22/11 12:30. Annuler sans frais avant: "
    assert (await town.texts(CUSTOMER))[-1] == f"{told}*237*1*3#"
    begins = today(12, 30, day=22) - LEAD
    await town.wait(seconds=(begins - town.clock.now()).total_seconds() - 1)
    assert await town.state(order.id) == "PAID"
    await town.check()
    await town.wait(seconds=1)
    assert await town.state(order.id) == "OFFERED" and len(await town.texts(KITCHEN)) == 1
    async with town.database.transaction() as tx:
        await service.accept(tx, order_id=order.id, minutes=20, by_person=await town.person(KITCHEN))
    await town.check()
    assert await town.state(order.id) == "ACCEPTED"


async def test_a_restaurant_that_does_not_answer_then_gives_everything_back(town: Town) -> None:
    order = await town.paid(cart=await for_(town, today(12)))
    await town.wait(minutes=120)
    for minutes in (3, 2, 3):
        await town.wait(minutes=minutes)
    assert await town.state(order.id) == "NO_ANSWER"
    assert await town.balance(chart.wallet(order.person_id)) == 3800
    await town.check()


@pytest.mark.parametrize("state", ["closed", "busy"])
async def test_a_kitchen_that_rests_when_it_comes_is_not_opened_by_missing_it(town: Town, state: str) -> None:
    order = await town.paid(cart=await for_(town, today(12)))
    until = today(20) if state == "busy" else None
    await town.set_kitchen(state=state, state_until=until)
    await town.wait(minutes=120)
    for minutes in (3, 2, 3):
        await town.wait(minutes=minutes)
    assert await town.state(order.id) == "NO_ANSWER"
    town.clock.advance(hours=2)
    async with town.database.reading() as tx:
        assert (await catalogue.get_restaurant(tx, restaurant_id=town.restaurant_id)).state == state
    told = f"CMD {order.number} annulée faute de réponse. Vous ne prenez pas de commandes en ce moment. "
    assert (await town.texts(KITCHEN))[-1] == f"{told}Pour reprendre: OUVERT"


@pytest.mark.parametrize("pay_with", ["mobile_money", "wallet"])
async def test_it_is_cancelled_for_free_and_the_restaurant_never_knew(town: Town, pay_with: str) -> None:
    customer = chart.wallet(await town.person())
    if pay_with == "wallet":
        await town.give(customer, 3800)
    order = await town.paid(cart=await for_(town, today(20)), pay_with=pay_with)
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)
    assert await town.balance(customer) == 3800
    assert await town.texts(KITCHEN) == []
    await town.wait(hours=30)
    assert await town.state(order.id) == "CANCELLED"
    await town.check()


async def test_who_reads_the_page_for_too_long_is_told(town: Town) -> None:
    cart = await for_(town, today(11))
    town.clock.advance(minutes=20)
    with pytest.raises(GatewayError) as refusal:
        await town.place(cart)
    assert refusal.value.code == "time_not_offered"
    async with town.database.reading() as tx:
        assert await carts.open_cart(tx, person_id=await town.person()) is None


async def test_what_is_paid_late_is_offered_at_once(town: Town) -> None:
    order = await town.place(await for_(town, today(11)))
    await town.engine.sweep()
    town.clock.advance(minutes=14)
    await town.decide("SUCCESSFUL")
    assert await town.state(order.id) == "OFFERED"


def test_an_hour_is_told_in_the_citys_time() -> None:
    assert scheduling.told(datetime(2026, 11, 21, 11, 30, tzinfo=UTC)) == "21/11 12:30"
