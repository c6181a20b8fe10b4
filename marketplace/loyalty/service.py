"""Points: earned when an order is delivered, more of them in the higher tiers (D11)."""

from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select

from core.database import Tx
from ledger import chart
from ledger.service import Leg, balance
from marketplace.loyalty.tables import points_earned

# Tiers look back this far.
YEAR = timedelta(days=365)


class Tier(msgspec.Struct, frozen=True):
    """A customer's tier: `percent` of the usual points, `earned` points in the last 12 months."""

    name: str
    percent: int
    earned: int


class NextTier(msgspec.Struct, frozen=True):
    """The tier above, and how many points in 12 months are `missing` for it."""

    name: str
    missing: int


class Standing(msgspec.Struct, frozen=True):
    """A customer's points and tier, and what is above it; None at the top."""

    points: int
    tier: Tier
    next_tier: NextTier | None


async def points(tx: Tx, *, person_id: UUID) -> int:
    """How many points the customer has to spend."""
    return await balance(tx, chart.points(person_id))


async def tier(tx: Tx, *, person_id: UUID) -> Tier:
    """The tier that the points of the last 12 months give."""
    recent = points_earned.c.person_id == person_id, points_earned.c.earned_at > tx.now - YEAR
    earned = int(await tx.value(select(func.sum(points_earned.c.points)).where(*recent)) or 0)
    name, percent = next((name, percent) for name, least, percent in tx.settings.tiers if earned >= least)
    return Tier(name, percent, earned)


async def standing(tx: Tx, *, person_id: UUID) -> Standing:
    """Points, tier and the way to the next one: what the points page shows."""
    reached = await tier(tx, person_id=person_id)
    above = [(name, least) for name, least, _ in tx.settings.tiers if least > reached.earned]
    ahead = min(above, key=lambda one: one[1], default=None)
    return Standing(
        points=await points(tx, person_id=person_id),
        tier=reached,
        next_tier=NextTier(ahead[0], ahead[1] - reached.earned) if ahead else None,
    )


async def earn(tx: Tx, *, order_id: UUID, person_id: UUID, items_xaf: int) -> int:
    """Note what a delivered order earns: one point per full 100 XAF of items, times the tier, rounded down.

    Posts nothing: `legs` are for the journal that ends the transaction.
    """
    percent = (await tier(tx, person_id=person_id)).percent
    earned = items_xaf // tx.settings.point_per_xaf * percent // 100
    if earned:
        row = {"order_id": order_id, "person_id": person_id, "points": earned, "earned_at": tx.now}
        await tx.run(insert(points_earned).values(row))
    return earned


def legs(*, person_id: UUID, earned: int) -> list[Leg]:
    """The points that `earn` counted, as legs of the order's own journal."""
    return [Leg(chart.POINTS_ISSUED, chart.points(person_id), earned)] if earned else []
