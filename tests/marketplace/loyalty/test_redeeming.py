"""Points become francs, once, and lapse twelve months after they were earned (D11)."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.errors import GatewayError, InvalidAmount
from ledger import chart
from ledger.service import Leg, post
from marketplace.loyalty import redeeming
from marketplace.loyalty import service as loyalty
from marketplace.loyalty.errors import NotEnoughPoints
from marketplace.loyalty.redeeming import Redeemed
from marketplace.loyalty.tables import points_earned
from marketplace.people import service as people
from marketplace.people.errors import NoPin
from marketplace.people.tables import person
from tests.support.town import Town

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def registered(town: Town) -> None:
    person_id = await town.person()
    async with town.database.transaction() as tx:
        await people.set_pin(tx, person_id=person_id, pin="739164")


async def redeem(town: Town, points: int, key: str) -> Redeemed:
    person_id = await town.person()
    async with town.database.transaction() as tx:
        return await redeeming.redeem(tx, person_id=person_id, points=points, key=key)


async def held(town: Town) -> tuple[int, int]:
    """Points and francs."""
    person_id = await town.person()
    return await town.balance(chart.points(person_id)), await town.balance(chart.wallet(person_id))


async def earn(town: Town, points: int) -> UUID:
    """An order that earned `points` now: its own and some more."""
    order = await town.handed_over()
    async with town.database.transaction() as tx:
        usual = await tx.value(select(points_earned.c.points).where(points_earned.c.order_id == order.id))
        if usual == points:
            return order.id
        await tx.run(update(points_earned).where(points_earned.c.order_id == order.id).values(points=points))
        leg = Leg(chart.POINTS_ISSUED, chart.points(order.person_id), points - usual)
        await post(tx, key=f"extra:{order.id}", kind="test", legs=[leg])
    return order.id


async def test_points_become_francs_in_one_journal_once(town: Town) -> None:
    await town.handed_over()
    assert await redeem(town, 20, "k1") == Redeemed(20, 20)
    assert await redeem(town, 20, "k1") == Redeemed(20, 20)
    assert await held(town) == (10, 20)
    assert await town.balance(chart.LOYALTY) == 20
    await town.check()


async def test_a_guest_keeps_points_and_redeems_none(town: Town) -> None:
    await town.handed_over()
    async with town.database.transaction() as tx:
        await tx.run(update(person).values(pin_hash=None))
    with pytest.raises(NoPin):
        await redeem(town, 20, "k1")
    assert await held(town) == (30, 0)


async def test_nobody_redeems_more_than_there_are_or_nothing(town: Town) -> None:
    await town.handed_over()
    for points in (31, 1_000_000):
        with pytest.raises(NotEnoughPoints):
            await redeem(town, points, "k1")
    for points in (0, -5):
        with pytest.raises(InvalidAmount):
            await redeem(town, points, "k1")
    assert await held(town) == (30, 0)


async def test_two_at_once_spend_no_point_twice(town: Town) -> None:
    await town.handed_over()
    answers = await asyncio.gather(*(redeem(town, 20, f"k{n}") for n in range(3)), return_exceptions=True)
    assert sum(isinstance(answer, Redeemed) for answer in answers) == 1
    assert all(isinstance(answer, Redeemed | GatewayError) for answer in answers)
    assert await held(town) == (10, 20)


async def test_what_was_not_spent_lapses_after_twelve_months_and_what_is_younger_stays(town: Town) -> None:
    first = await earn(town, 100)
    await redeem(town, 40, "k1")
    town.clock.advance(days=200)
    await earn(town, 50)
    town.clock.advance(days=164)
    assert await redeeming.sweep(town.database) == 0
    town.clock.advance(days=1, hours=1)
    assert await redeeming.sweep(town.database) == 1
    assert (await held(town))[0] == 50, "60 of the first order were left"
    assert await redeeming.sweep(town.database) == 0
    async with town.database.reading() as tx:
        lapsed = select(points_earned.c.order_id).where(points_earned.c.lapsed_at.is_not(None))
        assert [row.order_id for row in await tx.all(lapsed)] == [first]
    await town.check()


async def test_the_oldest_points_are_spent_first(town: Town) -> None:
    await earn(town, 100)
    town.clock.advance(days=200)
    await earn(town, 50)
    await redeem(town, 120, "k1")
    town.clock.advance(days=166)
    await redeeming.sweep(town.database)
    assert (await held(town))[0] == 30, "all that is left was earned later"


async def test_two_sweepers_take_points_away_once(town: Town) -> None:
    await earn(town, 100)
    town.clock.advance(days=366)
    await asyncio.gather(*(redeeming.sweep(town.database) for _ in range(3)))
    assert (await held(town))[0] == 0
    await town.check()


@pytest.mark.parametrize(
    ("earned", "tier", "above"),
    [(30, "bronze", ("silver", 470)), (500, "silver", ("gold", 1500)), (2000, "gold", None)],
)
async def test_the_page_says_what_the_next_tier_takes(
    town: Town, earned: int, tier: str, above: tuple[str, int] | None
) -> None:
    await earn(town, earned)
    person_id = await town.person()
    async with town.database.reading() as tx:
        standing = await loyalty.standing(tx, person_id=person_id)
    assert (standing.points, standing.tier.name) == (earned, tier)
    assert standing.next_tier == (loyalty.NextTier(*above) if above else None)
