"""Offers go out in waves to the right drivers, at the right time, and exactly one driver wins."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Database, Tx
from core.errors import GatewayError
from core.ids import new_id
from marketplace.delivery import service, transitions
from marketplace.delivery.dispatch import Inputs, score, take_back
from marketplace.delivery.errors import NoSuchJob, OfferOver, OfferTaken, UnknownQuarter, WhichQuarter
from marketplace.delivery.tables import delivery, delivery_event, delivery_offer
from marketplace.people import service as people
from marketplace.people.tables import driver
from marketplace.support.tables import support_case
from tests.support.market import DRIVERS, RESTAURANT, Market

pytestmark = pytest.mark.anyio


async def claim(market: Market, driver_id: UUID, number: int = 4821) -> Any:
    async with market.database.transaction() as tx:
        return await service.claim(tx, driver_id=driver_id, number=number)


async def offered(market: Market) -> dict[UUID, int]:
    """Which drivers have a live offer, and of which wave."""
    live = select(delivery_offer).where(delivery_offer.c.state == "offered")
    return {row.driver_id: row.wave for row in await market.rows(live)}


async def test_the_best_driver_is_asked_first_and_reads_what_the_job_is(market: Market) -> None:
    best = await market.come_on(DRIVERS[0], rating=4.9)
    await market.come_on(DRIVERS[1], rating=4.2)
    await market.begin(await market.order())
    await market.tick()
    assert await offered(market) == {best: 1}
    assert await market.texts(DRIVERS[0]) == [
        "COURSE 4821 La Marmite de Tantie Rose BONAMOUSSADI > MAKEPE 3km 800F. Rep OUI 4821 (75s)"
    ]


async def test_dispatch_waits_until_the_food_is_nearly_ready(market: Market) -> None:
    best = await market.come_on(DRIVERS[0])
    await market.begin(await market.order(), prep_minutes=40)
    await market.tick(minutes=24)
    assert await offered(market) == {}
    await market.tick(minutes=1)
    assert await offered(market) == {best: 1}


async def test_waves_widen_from_the_best_to_three_to_the_neighbours_to_operations(market: Market) -> None:
    near = [await market.come_on(phone, "Kotto", rating=5 - n / 10) for n, phone in enumerate(DRIVERS[:4])]
    neighbour = await market.come_on(DRIVERS[4], "Makepe")
    far = await market.come_on(DRIVERS[5], "Bonabéri")
    await market.begin(await market.order())
    await market.tick()
    assert await offered(market) == {near[0]: 1}
    await market.tick(seconds=75)
    assert await offered(market) == dict.fromkeys(near[1:], 2)
    await market.tick(seconds=75)
    assert await offered(market) == {neighbour: 3}
    assert await market.rows(select(support_case)) == []
    await market.tick(seconds=75)
    asked = await offered(market)
    assert asked[far] == 4 and asked[near[0]] == 4, "the last wave asks everyone who is on, again"
    assert [case.kind for case in await market.rows(select(support_case))] == ["no_driver"]
    await market.tick(seconds=75)
    assert len(await market.rows(select(support_case))) == 1, "operations are told once"


async def test_the_inputs_of_a_score_are_kept_with_the_offer(market: Market) -> None:
    await market.come_on(DRIVERS[0], "Kotto")
    market.clock.advance(minutes=30)
    await market.begin(await market.order())
    await market.tick()
    (offer,) = await market.rows(select(delivery_offer))
    assert offer.inputs == {
        "same_zone": True,
        "km": 2,
        "rating": 4.9,
        "idle_minutes": 30,
        "acceptance": 1.0,
        "open_jobs": 0,
    }
    assert offer.score == score(Inputs(**offer.inputs))


async def test_someone_who_comes_on_is_asked_at_once(market: Market) -> None:
    await market.begin(await market.order())
    await market.tick()
    assert await offered(market) == {}
    late = await market.come_on(DRIVERS[0])
    await market.tick()
    assert list(await offered(market)) == [late]


async def test_two_ignored_offers_or_two_hours_of_silence_end_a_presence(market: Market) -> None:
    ignoring, silent = await market.come_on(DRIVERS[0]), await market.come_on(DRIVERS[1], "Nyalla")
    for number in (4821, 5190):
        await market.begin(await market.order(number=number, customer=f"+23769000{number}"))
        await market.tick()
        await market.tick(seconds=75)
    states = {row.id: row.state for row in await market.rows(select(driver.c.id, driver.c.state))}
    assert (states[ignoring], states[silent]) == ("off", "on")
    assert "OFF" in (await market.texts(DRIVERS[0]))[-1]
    await market.tick(minutes=120)
    await market.begin(await market.order(number=6001, customer="+237690006001"))
    await market.tick()
    assert await offered(market) == {}


async def test_a_driver_is_never_offered_a_number_they_already_hold(market: Market) -> None:
    busy = await market.come_on(DRIVERS[0])
    await market.begin(await market.order())
    await market.tick()
    await claim(market, busy)
    # Numbers are unique per restaurant: the second order of this number is another restaurant's.
    other = await market.order(number=5190, customer="+237690000009")
    twin = await market.begin(other)
    async with market.database.transaction() as tx:
        await tx.run(update(delivery).where(delivery.c.id == twin).values(number=4821))
    await market.tick()
    assert await offered(market) == {}


async def test_of_a_hundred_drivers_exactly_one_wins(market: Market) -> None:
    delivery_id = await market.begin(await market.order())
    await market.tick()
    drivers = [new_id() for _ in range(100)]
    async with market.database.transaction() as tx:
        for n, driver_id in enumerate(drivers):
            person = await people.recognise(tx, phone=f"+2376720001{n:02d}")
            await tx.run(insert(driver).values(id=driver_id, person_id=person.id))
        until = tx.now.replace(hour=tx.now.hour + 1)
        offer = {"delivery_id": delivery_id, "wave": 9, "state": "offered", "score": 0, "inputs": {}}
        rows = [
            {"id": new_id(), "driver_id": one, "offered_at": tx.now, "expires_at": until, **offer} for one in drivers
        ]
        await tx.run(insert(delivery_offer), rows)

    async def answer(driver_id: UUID) -> str:
        try:
            await claim(market, driver_id)
        except GatewayError as refusal:
            return refusal.code
        return "won"

    results = await asyncio.gather(*(answer(driver_id) for driver_id in drivers))
    assert sorted(results) == ["offer_taken"] * 99 + ["won"]
    assert await market.rows(select(func.count()).where(delivery_offer.c.state == "accepted")) == [(1,)]
    assert await claim(market, drivers[results.index("won")]), "the winner's repeat gets the same answer"


async def test_the_database_itself_refuses_a_second_winner(market: Market, database: Database) -> None:
    await market.come_on(DRIVERS[0])
    await market.come_on(DRIVERS[1])
    await market.begin(await market.order())
    await market.tick()
    await market.tick(seconds=75)
    with pytest.raises(IntegrityError, match="uq_delivery_offer_accepted"):
        async with database.transaction() as tx:
            await tx.run(update(delivery_offer).values(state="accepted"))


async def test_an_offer_ends_after_75_seconds(market: Market) -> None:
    late = await market.come_on(DRIVERS[0])
    await market.begin(await market.order())
    await market.tick()
    market.clock.advance(seconds=76)
    with pytest.raises(OfferOver):
        await claim(market, late)
    with pytest.raises(OfferOver):
        await claim(market, await market.driver_id(DRIVERS[1]))


async def test_the_restaurant_learns_who_comes_and_the_losers_that_it_is_taken(market: Market) -> None:
    drivers = [await market.come_on(phone) for phone in DRIVERS[:3]]
    await market.begin(await market.order())
    await market.tick()
    await market.tick(seconds=75)
    losers = set(drivers) & set(await offered(market))
    winner = losers.pop()
    await claim(market, winner)
    with pytest.raises(OfferTaken):
        await claim(market, losers.pop())
    (text,) = await market.texts(RESTAURANT)
    (row,) = await market.rows(select(delivery))
    assert row.state == "ASSIGNED" and row.driver_id == winner
    assert market.database.keys.digits("pickup_number", str(row.id), 2) in text


async def test_a_driver_who_never_comes_loses_the_job_and_does_not_get_it_back(market: Market) -> None:
    slow = await market.come_on(DRIVERS[0])
    await market.begin(await market.order())
    await market.tick()
    await claim(market, slow)
    other = await market.come_on(DRIVERS[1])
    await market.tick(minutes=45)
    assert list(await offered(market)) == [other]
    (row,) = await market.rows(select(delivery))
    assert (row.state, row.driver_id) == ("OFFERING", None)
    moves = [(event.from_state, event.to_state) for event in await market.rows(select(delivery_event))]
    assert moves == [("WAITING", "OFFERING"), ("OFFERING", "ASSIGNED"), ("ASSIGNED", "OFFERING")]


async def test_a_driver_in_trouble_gives_the_job_back(market: Market) -> None:
    unlucky = await market.come_on(DRIVERS[0])
    await market.begin(await market.order())
    await market.tick()
    await claim(market, unlucky)
    other = await market.come_on(DRIVERS[1])
    async with market.database.transaction() as tx:
        await service.problem(tx, driver_id=unlucky, number=4821, kind=2)
    await market.tick()
    assert list(await offered(market)) == [other]
    (case,) = await market.rows(select(support_case))
    assert (case.kind, case.details) == ("problem", {"what": "customer_absent", "state": "ASSIGNED"})


async def test_a_cancelled_order_calls_the_driver_off(market: Market) -> None:
    order_id = await market.order()
    coming = await market.come_on(DRIVERS[0])
    await market.begin(order_id)
    await market.tick()
    await claim(market, coming)
    async with market.database.transaction() as tx:
        await service.call_off(tx, order_id=order_id, actor="customer")
        await service.call_off(tx, order_id=order_id, actor="customer")
    assert "4821" in (await market.texts(DRIVERS[0]))[-1]
    await market.tick(hours=1)
    assert await offered(market) == {}


@pytest.mark.parametrize(
    ("typed", "quarter"),
    [("akwa", "Akwa"), ("AKWA NORD", "Akwa Nord"), ("bonaberi", "Bonabéri"), ("bonamou", "Bonamoussadi")],
)
async def test_a_quarter_is_found_as_people_write_it(market: Market, typed: str, quarter: str) -> None:
    async with market.database.transaction() as tx:
        found = await service.set_presence(tx, driver_id=await market.driver_id(DRIVERS[0]), on=True, quarter=typed)
    assert found and found.name == quarter


@pytest.mark.parametrize(("typed", "error"), [("bon", WhichQuarter), ("paris", UnknownQuarter), (None, UnknownQuarter)])
async def test_an_unclear_quarter_is_asked_again(market: Market, typed: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        async with market.database.transaction() as tx:
            await service.set_presence(tx, driver_id=await market.driver_id(DRIVERS[0]), on=True, quarter=typed)


async def test_on_alone_means_where_they_were_last(market: Market) -> None:
    driver_id = await market.come_on(DRIVERS[0], "Deido")
    async with market.database.transaction() as tx:
        await service.set_presence(tx, driver_id=driver_id, on=False)
        found = await service.set_presence(tx, driver_id=driver_id, on=True)
    assert found and found.name == "Deido"


async def test_coming_on_takes_its_locks_in_the_order_of_dispatch(market: Market) -> None:
    """Deliveries by id, then the driver: whoever holds the first of them can go on to all the others."""
    ids = sorted([await market.begin(await market.order()), await market.begin(await market.order(number=5190))])
    await market.tick()  # nobody is on, so both wait for somebody
    async with market.database.transaction() as tx:
        await tx.run(update(delivery).where(delivery.c.id == ids[0]).values(number=delivery.c.number))  # last on disk
    driver_id = await market.driver_id(DRIVERS[0])
    async with market.database.transaction() as tx:
        await transitions.lock(tx, ids[0])
        coming = asyncio.create_task(market.come_on(DRIVERS[0]))
        await asyncio.sleep(0.3)
        await tx.one(select(delivery).where(delivery.c.id == ids[1]).with_for_update(nowait=True))
        await tx.one(select(driver).where(driver.c.id == driver_id).with_for_update(nowait=True))
    await coming
    assert {row.due_at for row in await market.rows(select(delivery.c.due_at))} == {market.clock.now()}


async def _arrive(tx: Tx, driver_id: UUID) -> None:
    await service.arrive(tx, driver_id=driver_id, number=4821)


async def _problem(tx: Tx, driver_id: UUID) -> None:
    await service.problem(tx, driver_id=driver_id, number=4821, kind=2)


@pytest.mark.parametrize("say", [_arrive, _problem])
async def test_a_driver_who_speaks_while_the_job_is_taken_back_no_longer_has_it(
    market: Market, say: Callable[[Tx, UUID], Awaitable[None]]
) -> None:
    slow = await market.come_on(DRIVERS[0])
    delivery_id = await market.begin(await market.order())
    await market.tick()
    await claim(market, slow)

    async def speak() -> None:
        async with market.database.transaction() as tx:
            await say(tx, slow)

    async with market.database.transaction() as tx:
        row = await transitions.lock(tx, delivery_id)
        speaking = asyncio.create_task(speak())
        await asyncio.sleep(0.3)
        await take_back(tx, row, actor="dispatch")
    with pytest.raises(NoSuchJob):
        await speaking
    assert await market.rows(select(support_case)) == []
