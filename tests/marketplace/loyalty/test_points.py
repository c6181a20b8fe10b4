"""Points: one per full 100 francs of items, more in the higher tiers, counted over twelve months (D11)."""

import pytest
from sqlalchemy import insert

from core.ids import new_id
from marketplace.loyalty import service as loyalty
from marketplace.loyalty.tables import points_earned
from tests.support.town import Town

pytestmark = pytest.mark.anyio


async def earned_before(town: Town, points: int) -> None:
    """Points of an older order."""
    order = await town.place()
    await town.decide("FAILED")
    async with town.database.transaction() as tx:
        row = {"order_id": order.id, "person_id": order.person_id, "points": points, "earned_at": tx.now}
        await tx.run(insert(points_earned).values(row))


async def tier(town: Town) -> str:
    person_id = await town.person()
    async with town.database.reading() as tx:
        return (await loyalty.tier(tx, person_id=person_id)).name


@pytest.mark.parametrize(
    ("before", "name", "earns"),
    [(499, "bronze", 30), (500, "silver", 37), (1999, "silver", 37), (2000, "gold", 45)],
)
async def test_the_tier_multiplies_and_rounds_down(town: Town, before: int, name: str, earns: int) -> None:
    await earned_before(town, before)
    assert await tier(town) == name
    order = await town.handed_over()
    async with town.database.reading() as tx:
        assert await loyalty.points(tx, person_id=order.person_id) == earns
    await town.check()


async def test_a_tier_is_of_the_last_twelve_months(town: Town) -> None:
    await earned_before(town, 2000)
    town.clock.advance(days=364)
    assert await tier(town) == "gold"
    town.clock.advance(days=1)
    assert await tier(town) == "bronze"


@pytest.mark.parametrize(("price_xaf", "points"), [(48, 0), (50, 1), (99, 1), (100, 2)])
async def test_only_full_hundreds_count(town: Town, price_xaf: int, points: int) -> None:
    await town.set_dish(12, price_xaf=price_xaf)
    await town.set_dish(13, price_xaf=1)
    await town.handed_over()
    async with town.database.reading() as tx:
        assert await loyalty.points(tx, person_id=await town.person()) == points


async def test_nobody_has_points_before_the_first_order(town: Town) -> None:
    async with town.database.reading() as tx:
        assert await loyalty.points(tx, person_id=new_id()) == 0
        assert await loyalty.tier(tx, person_id=new_id()) == loyalty.Tier("bronze", 100, 0)
