"""What two finance users make of a difference, and the journal that each resolution posts."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from core import four_eyes
from core.database import Tx
from core.errors import Conflict, NotFound
from core.four_eyes import Proposal
from ledger.chart import GOODWILL, OWNERS_CAPITAL, SUSPENSE_UNMATCHED, Account, provider_float
from ledger.service import Leg, post
from payments.reconciliation import items
from payments.reconciliation.comparing import Difference
from payments.reconciliation.tables import reconciliation_item

KIND = "reconciliation"  # of the proposals


class Resolution(StrEnum):
    """What a difference turned out to be."""

    CLEARED = "cleared"  # explained, and booked in another way: nothing to post
    CAPITAL = "capital"  # the owners put money there, or took it
    ADJUST = "adjust"  # the provider is right and nobody will make it good: our gain or loss


class NotOpen(Conflict):
    """The difference was resolved already, as `resolution` says."""

    text_key = "error.item_not_open"


async def propose(tx: Tx, *, item_id: UUID, resolution: Resolution, reason: str, by: UUID) -> Proposal:
    """Put a resolution before another finance user. Raises NotOpen, NotFound, AlreadyProposed, InvalidInput."""
    await _lock(tx, item_id)
    details = {"resolution": resolution}
    return await four_eyes.propose(tx, kind=KIND, subject=str(item_id), details=details, reason=reason, by=by)


async def carry_out(tx: Tx, approved: Proposal) -> None:
    """Resolve it, in the transaction that approves it. Raises NotOpen when it has settled itself meanwhile."""
    item = await _lock(tx, UUID(approved.subject))
    resolution = Resolution(approved.details["resolution"])
    await items.close(tx, item.id, resolution, approved.id)
    leg = _leg(item, resolution)
    if leg is not None:
        about = {"item": str(item.id), "exception": item.exception}
        await post(
            tx,
            key=f"reconciliation:{item.id}:{resolution}",
            kind=f"reconciliation_{resolution}",
            legs=[leg],
            metadata=about,
        )


async def _lock(tx: Tx, item_id: UUID) -> Row[Any]:
    """The item, locked. Raises NotFound, NotOpen."""
    item = await tx.first(select(reconciliation_item).where(reconciliation_item.c.id == item_id).with_for_update())
    if item is None:
        raise NotFound()
    if item.resolved_at is not None:
        raise NotOpen(resolution=item.resolution)
    return item


def _leg(item: Row[Any], resolution: Resolution) -> Leg | None:
    """Dr what holds the difference, Cr who bears it, for money that is there; the other way round for what is not."""
    signed_xaf = item.theirs_xaf - item.ours_xaf
    if resolution is Resolution.CLEARED or not signed_xaf:
        return None
    orphan = item.exception in (Difference.MISSING_HERE, Difference.DOUBLE_THERE)
    held: Account = SUSPENSE_UNMATCHED if orphan else provider_float(item.provider, item.carrier)
    borne: Account = OWNERS_CAPITAL if resolution is Resolution.CAPITAL else GOODWILL
    return Leg(held, borne, signed_xaf) if signed_xaf > 0 else Leg(borne, held, -signed_xaf)
