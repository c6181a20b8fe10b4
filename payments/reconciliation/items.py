"""Differences on paper: each written down once, with the journal that must not wait for people.

What the provider moved without us goes to suspense:unmatched at once, so that the float tells the truth; a fee of
another size is booked as its difference. Everything else waits: the next look may find that it has settled itself.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.ids import new_id
from core.jobs import enqueue
from core.logs import logger
from ledger.chart import PROVIDER_FEES, PROVIDER_ROUNDING, SUSPENSE_UNMATCHED, Account, provider_float
from ledger.service import Leg, post, reverse
from payments import attempts
from payments.reconciliation.comparing import Difference, Found
from payments.reconciliation.tables import payout_freeze, reconciliation_item
from payments.tables import attempt

# Moved at the provider without an attempt of its own.
ORPHANS = (Difference.MISSING_HERE, Difference.DOUBLE_THERE)
_KNOWN_BY = ("provider", "exception", "subject")
_JOURNAL = text("SELECT id FROM journal WHERE key = :key")
# How an item ends without people.
_BOOKED, _AGREED, _MATCHED, _REPLACED = "booked", "agreed", "matched", "replaced"

log = logger(__name__)


async def note(tx: Tx, provider: str, day: date, found: Found) -> None:
    """Write a difference down unless it is known; one that had gone by itself is open again. Posts: call it last."""
    key = f"reconciliation:{provider}:{found.difference}:{found.subject}"
    legs = _legs(provider, found)
    row = {"id": new_id(), "provider": provider, "day": day, "exception": found.difference, "subject": found.subject}
    about = {"attempt_id": found.attempt_id, "provider_ref": found.provider_ref, "carrier": found.carrier}
    amounts = {"ours_xaf": found.ours_xaf, "theirs_xaf": found.theirs_xaf, "journal_key": key if legs else None}
    fresh = insert(reconciliation_item).values(**row, **about, **amounts, found_at=tx.now)
    again = {**amounts, "found_at": tx.now, "resolution": None, "resolved_at": None}
    had_gone = reconciliation_item.c.resolution == _AGREED
    noted = fresh.on_conflict_do_update(index_elements=_KNOWN_BY, set_=again, where=had_gone)
    item_id = await tx.value(noted.returning(reconciliation_item.c.id))
    if item_id is None:
        return
    log.warning("payments.reconciliation", provider=provider, exception=found.difference, subject=found.subject)
    await _act(tx, provider, item_id, found)
    if legs:
        await post(tx, key=key, kind=f"reconciliation_{found.difference}", legs=legs, metadata={"item": str(item_id)})


async def settle(tx: Tx, item: Row[Any]) -> None:
    """End an item that is no difference any more, unless people just did. Posts a journal: call it last."""
    is_open = reconciliation_item.c.id == item.id, reconciliation_item.c.resolved_at.is_(None)
    if await tx.first(select(reconciliation_item.c.id).where(*is_open).with_for_update()) is None:
        return
    if item.exception not in ORPHANS:
        await close(tx, item.id, _AGREED)
        return
    await close(tx, item.id, _MATCHED)  # an attempt has found its movement, and has booked it
    journal_id = await tx.value(_JOURNAL, {"key": item.journal_key})
    if journal_id is not None:
        await reverse(tx, journal_id=journal_id, key=f"{item.journal_key}:back", kind="reconciliation_matched")


async def close(tx: Tx, item_id: UUID, resolution: str, proposal_id: UUID | None = None) -> None:
    """Give an item its end; a carrier that stood still because of it moves again."""
    ended = {"resolution": resolution, "resolved_at": tx.now, "proposal_id": proposal_id}
    await tx.run(update(reconciliation_item).where(reconciliation_item.c.id == item_id).values(**ended))
    await tx.run(delete(payout_freeze).where(payout_freeze.c.item_id == item_id))


async def open_items(tx: Tx, *, provider: str | None = None) -> Sequence[Row[Any]]:
    """What is not resolved, the oldest first."""
    items = reconciliation_item.c
    waiting = select(reconciliation_item).where(items.resolved_at.is_(None)).order_by(items.found_at, items.id)
    return await tx.all(waiting if provider is None else waiting.where(items.provider == provider))


async def no_longer(
    tx: Tx, provider: str, day: date, found: Collection[Found], *, listed: Collection[str], floats_read: bool
) -> list[Row[Any]]:
    """Open items of a day that a new look did not find; balances are looked at anew whatever their day.

    `listed`: the references in the provider's list of that day. What has moved and is merely missing in a later list
    has moved all the same.
    """
    seen = {(one.difference, one.subject) for one in found}
    short = {one.carrier for one in found if one.difference is Difference.FLOAT_DIFFERS}
    gone = []
    for item in await open_items(tx, provider=provider):
        if item.exception == Difference.FLOAT_DIFFERS:
            over = floats_read and item.carrier not in short
        else:
            shown = item.exception not in ORPHANS or item.provider_ref in listed
            over = item.day == day and shown and (item.exception, item.subject) not in seen
        gone += [item] if over else []
    return gone


async def _act(tx: Tx, provider: str, item_id: UUID, found: Found) -> None:
    """What follows from a difference at once, beside its journal."""
    if found.difference is Difference.FEE_DIFFERS:
        await close(tx, item_id, _BOOKED)
    elif found.difference is Difference.STATE_DIFFERS and found.attempt_id:
        due = update(attempt).where(attempt.c.id == found.attempt_id).values(next_check_at=tx.now, reads=0)
        await tx.run(due)
        await enqueue(tx, attempts.JOB, found.attempt_id)
    elif found.difference is Difference.FLOAT_DIFFERS:
        await _replace_older(tx, provider, item_id, found.carrier)
        if found.theirs_xaf < found.ours_xaf:
            stop = {"provider": provider, "carrier": found.carrier, "item_id": item_id, "since": tx.now}
            await tx.run(insert(payout_freeze).values(**stop).on_conflict_do_nothing())


async def _replace_older(tx: Tx, provider: str, item_id: UUID, carrier: str) -> None:
    """A balance that differs for days is one difference: people who resolved each day's would book it several times."""
    items = reconciliation_item.c
    same = items.provider == provider, items.carrier == carrier, items.exception == Difference.FLOAT_DIFFERS
    older = select(items.id).where(*same, items.resolved_at.is_(None), items.id != item_id)
    for row in await tx.all(older):
        await close(tx, row.id, _REPLACED)


def _legs(provider: str, found: Found) -> list[Leg]:
    held = provider_float(provider, found.carrier)
    if found.difference in ORPHANS:
        legs = _moved(held, SUSPENSE_UNMATCHED, found.theirs_xaf)
        return legs + ([Leg(PROVIDER_FEES, held, found.fee_xaf)] if found.fee_xaf else [])
    if found.difference is Difference.FEE_DIFFERS:
        return _moved(held, PROVIDER_ROUNDING, found.theirs_xaf - found.ours_xaf)
    return []


def _moved(held: Account, other: Account, signed_xaf: int) -> list[Leg]:
    """Into the float from `other`, or out of it."""
    if not signed_xaf:
        return []
    return [Leg(held, other, signed_xaf) if signed_xaf > 0 else Leg(other, held, -signed_xaf)]
