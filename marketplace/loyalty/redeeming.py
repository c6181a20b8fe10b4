"""What becomes of points: francs in the wallet, or nothing twelve months after they were earned (D11)."""

from uuid import UUID

import msgspec
from sqlalchemy import func, select, update

from core.database import Database, Tx
from core.errors import InvalidAmount
from core.logs import logger
from ledger import chart
from ledger.errors import InsufficientFunds
from ledger.service import Leg, balance, post
from marketplace.loyalty.errors import NotEnoughPoints
from marketplace.loyalty.service import YEAR
from marketplace.loyalty.tables import points_earned
from marketplace.people import guests

SWEEP_BATCH = 100

log = logger(__name__)


class Redeemed(msgspec.Struct, frozen=True):
    """Points that became `amount_xaf` of wallet money."""

    points: int
    amount_xaf: int


async def redeem(tx: Tx, *, person_id: UUID, points: int, key: str) -> Redeemed:
    """Turn `points` into wallet money. The same `key` gives the same journal, and no second one.

    Posts a journal: call it last. Raises NotEnoughPoints, InvalidAmount, KeyReused, and NoPin for a guest.
    """
    if points <= 0:
        raise InvalidAmount()
    await guests.require_registered(tx, person_id=person_id)
    amount_xaf = points * tx.settings.point_worth_xaf
    legs = [
        Leg(chart.points(person_id), chart.POINTS_ISSUED, points),
        Leg(chart.LOYALTY, chart.wallet(person_id), amount_xaf),
    ]
    await _one_at_a_time(tx, person_id)
    try:
        await post(tx, key=f"points:redeem:{person_id}:{key}", kind="points_redeemed", legs=legs)
    except InsufficientFunds:  # of the two accounts that have a floor, only the points are taken from
        raise NotEnoughPoints() from None
    return Redeemed(points, amount_xaf)


async def sweep(database: Database) -> int:
    """Let points lapse that were earned twelve months ago; how many people had such points."""
    old = points_earned.c.earned_at <= database.clock.now() - YEAR, points_earned.c.lapsed_at.is_(None)
    async with database.reading() as tx:
        due = await tx.all(select(points_earned.c.person_id).where(*old).distinct().limit(SWEEP_BATCH))
    for row in due:
        try:
            async with database.transaction() as tx:
                await lapse(tx, person_id=row.person_id)
        except Exception:  # one person's trouble must not stop the others; it comes round again
            log.exception("points_lapse", person=str(row.person_id))
    return len(due)


async def lapse(tx: Tx, *, person_id: UUID) -> int:
    """Take away what is left of this person's points of more than twelve months ago; how many.

    What was spent were the oldest: all that is left beyond the points of the last twelve months is older than that.
    Posts a journal: call it last.
    """
    await _one_at_a_time(tx, person_id)
    mine, since = points_earned.c.person_id == person_id, tx.now - YEAR
    old = mine, points_earned.c.earned_at <= since, points_earned.c.lapsed_at.is_(None)
    ended = update(points_earned).where(*old).values(lapsed_at=tx.now).returning(points_earned.c.order_id)
    orders = sorted(row.order_id for row in await tx.all(ended))
    # The balance first: what is earned between the two reads then counts as recent.
    held = await balance(tx, chart.points(person_id))
    recent = await tx.value(select(func.sum(points_earned.c.points)).where(mine, points_earned.c.earned_at > since))
    lost = max(0, held - int(recent or 0))
    if orders and lost:
        leg = Leg(chart.points(person_id), chart.POINTS_ISSUED, lost)
        await post(tx, key=f"points:lapse:{orders[0]}", kind="points_lapsed", legs=[leg])
    return lost if orders else 0


async def _one_at_a_time(tx: Tx, person_id: UUID) -> None:
    """Or what is being spent would lapse as well."""
    await tx.queue_up(f"points:{person_id}")
