"""The two proofs: at the counter and at the door. Right ones pay everyone once, wrong ones count and lock."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.errors import GatewayError
from ledger import chart
from marketplace.delivery import handover, service
from marketplace.delivery.errors import CodeLocked, CodeRefused, NoSuchJob, NotPickedUp, WhichJob
from marketplace.delivery.queries import code_ref, delivery_code
from marketplace.delivery.tables import code_miss, delivery
from marketplace.ordering.tables import customer_order
from marketplace.support.tables import support_case
from tests.support.market import CUSTOMER, DRIVERS, Market

pytestmark = pytest.mark.anyio


class Trip:
    """One delivery on its way, with its driver."""

    def __init__(self, market: Market, driver_id: UUID, order_id: UUID, delivery_id: UUID, number: int) -> None:
        self.market, self.driver_id, self.order_id, self.number = market, driver_id, order_id, number
        self.delivery_id = delivery_id

    async def row(self) -> Any:
        return (await self.market.rows(select(delivery).where(delivery.c.id == self.delivery_id)))[0]

    async def order_state(self) -> str:
        states = select(customer_order.c.state).where(customer_order.c.id == self.order_id)
        return str((await self.market.rows(states))[0].state)

    async def code(self) -> str:
        return self.market.database.keys.digits("delivery_code", code_ref(await self.row()), 4)

    async def pick_up(self, typed: str | None = None) -> Any:
        right = self.market.database.keys.digits("pickup_number", str(self.delivery_id), 2)
        async with self.market.database.transaction() as tx:
            return await handover.pick_up(
                tx, driver_id=self.driver_id, number=self.number, pickup_number=typed or right
            )

    async def hand_over(self, typed: str, *, number: int | None = None, driver_id: UUID | None = None) -> Any:
        async with self.market.database.transaction() as tx:
            return await handover.hand_over(tx, driver_id=driver_id or self.driver_id, number=number, code=typed)

    async def miss(self, times: int) -> None:
        wrong = f"{(int(await self.code()) + 1) % 10_000:04d}"
        for _ in range(times):
            with pytest.raises(CodeRefused):
                await self.hand_over(wrong)


async def start(market: Market, number: int = 4821) -> Trip:
    """An order that DRIVERS[0] has claimed."""
    order_id = await market.order(number=number, customer=CUSTOMER if number == 4821 else f"+23769000{number}")
    driver_id = await market.come_on(DRIVERS[0])
    delivery_id = await market.begin(order_id)
    await market.tick()
    async with market.database.transaction() as tx:
        await service.claim(tx, driver_id=driver_id, number=number)
    return Trip(market, driver_id, order_id, delivery_id, number)


@pytest.fixture
async def trip(market: Market) -> Trip:
    return await start(market)


async def test_the_code_exists_only_after_pickup_and_goes_to_the_customer_alone(trip: Trip) -> None:
    async def shown() -> str | None:
        async with trip.market.database.reading() as tx:
            return await delivery_code(tx, order_id=trip.order_id)

    assert await shown() is None
    with pytest.raises(NotPickedUp):
        await trip.hand_over("7305")
    job = await trip.pick_up()
    assert (job.place_label, await trip.order_state()) == ("Makepe, Carrefour Rhône-Poulenc", "PICKED_UP")
    code = await trip.code()
    assert code in (await trip.market.texts(CUSTOMER))[-1]
    assert all(code not in text for text in await trip.market.texts(DRIVERS[0]))
    assert code not in (await shown() or "")


async def test_a_repeated_pickup_keeps_the_one_code(trip: Trip) -> None:
    await trip.pick_up()
    code = await trip.code()
    await trip.pick_up()
    assert await trip.code() == code
    assert sum("4821" in text for text in await trip.market.texts(CUSTOMER)) == 1


async def test_a_wrong_pickup_number_counts_and_moves_nothing(trip: Trip) -> None:
    right = trip.market.database.keys.digits("pickup_number", str(trip.delivery_id), 2)
    wrong = f"{(int(right) + 1) % 100:02d}"
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(CodeRefused) as refusal:
            await trip.pick_up(wrong)
        assert refusal.value.params["left"] == left
    with pytest.raises(CodeLocked):
        await trip.pick_up()
    assert (await trip.row()).state == "ASSIGNED"


async def test_the_right_code_pays_everyone_in_the_same_transaction(trip: Trip) -> None:
    await trip.pick_up()
    job = await trip.hand_over(await trip.code())
    assert (job.number, job.pay_xaf) == (4821, 800)
    assert (await trip.order_state(), (await trip.row()).state) == ("DELIVERED", "HANDED_OVER")
    assert await trip.market.balance(chart.escrow(trip.order_id)) == 0
    assert await trip.market.balance(chart.driver_payable(trip.driver_id)) == 800
    assert await trip.market.balance(chart.COMMISSION) == 450


@pytest.mark.parametrize("number", [None, 4821])
async def test_the_same_code_again_gives_the_same_ok_and_no_second_effect(trip: Trip, number: int | None) -> None:
    await trip.pick_up()
    code = await trip.code()
    answers = await asyncio.gather(*(trip.hand_over(code, number=number) for _ in range(6)))
    assert len({(answer.number, answer.pay_xaf) for answer in answers}) == 1
    assert (await trip.hand_over(code, number=number)).number == 4821
    assert await trip.market.balance(chart.driver_payable(trip.driver_id)) == 800
    assert sum("4821" in text for text in await trip.market.texts(CUSTOMER)) == 2, "on the way, delivered"


async def test_misses_survive_the_refusal_and_lock_at_five(trip: Trip) -> None:
    await trip.pick_up()
    await trip.miss(5)
    assert len(await trip.market.rows(select(code_miss))) == 5
    with pytest.raises(CodeLocked):
        await trip.hand_over(await trip.code())
    assert await trip.order_state() == "PICKED_UP"
    assert [case.kind for case in await trip.market.rows(select(support_case))] == ["code_locked"]


async def test_a_driver_has_twenty_misses_a_day_over_all_deliveries(trip: Trip) -> None:
    market = trip.market
    for number in (4821, 5001, 5002, 5003):
        trip = trip if number == 4821 else await start(market, number)
        await trip.pick_up()
        await trip.miss(4)
        await trip.hand_over(await trip.code())
    last = await start(market, 5004)
    await last.pick_up()
    await last.miss(4)
    with pytest.raises(CodeLocked):
        await last.hand_over(await last.code())
    market.clock.advance(days=1)
    assert (await last.hand_over(await last.code())).number == 5004


async def test_only_the_assigned_driver_can_hand_over(trip: Trip) -> None:
    await trip.pick_up()
    thief = await trip.market.driver_id(DRIVERS[1])
    with pytest.raises(NoSuchJob):
        await trip.hand_over(await trip.code(), driver_id=thief)
    with pytest.raises(NoSuchJob):
        await trip.hand_over(await trip.code(), driver_id=thief, number=4821)
    assert await trip.market.rows(select(code_miss)) == []


async def test_a_bare_code_with_two_jobs_is_asked_back_and_not_a_miss(trip: Trip) -> None:
    await trip.pick_up()
    other = await start(trip.market, 5190)
    await other.pick_up()
    with pytest.raises(WhichJob) as question:
        await trip.hand_over(await trip.code())
    assert question.value.params == {"options": "4821, 5190"}
    assert (await other.hand_over(await other.code(), number=5190)).number == 5190
    assert (await trip.hand_over(await trip.code())).number == 4821, "one job left: the number may be missing"
    assert await trip.market.rows(select(code_miss)) == []


async def test_a_delivery_that_the_customer_confirmed_takes_the_late_code_kindly(trip: Trip) -> None:
    await trip.pick_up()
    code = await trip.code()
    async with trip.market.database.transaction() as tx:
        await service.received(tx, order_id=trip.order_id, actor="customer")
    assert (await trip.hand_over(code)).number == 4821


async def test_a_disputed_order_is_not_released_by_the_code(trip: Trip) -> None:
    await trip.pick_up()
    async with trip.market.database.transaction() as tx:
        await tx.run(customer_order.update().values(state="DISPUTED"))
    with pytest.raises(GatewayError):
        await trip.hand_over(await trip.code())
    assert (await trip.row()).state == "PICKED_UP"
    assert await trip.market.balance(chart.escrow(trip.order_id)) == 4000


async def test_arrivals_are_noted_and_change_no_money(trip: Trip) -> None:
    for state in ("AT_RESTAURANT", "AT_DOOR"):
        async with trip.market.database.transaction() as tx:
            await service.arrive(tx, driver_id=trip.driver_id, number=4821)
            await service.arrive(tx, driver_id=trip.driver_id, number=4821)
        assert (await trip.row()).state == state
        if state == "AT_RESTAURANT":
            await trip.pick_up()
    await trip.hand_over(await trip.code())
    assert await trip.order_state() == "DELIVERED"
