"""Callbacks: kept raw and encrypted, believed only so far as to look at the attempt they name (design: payments 5)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.ids import new_id
from core.jobs import enqueue
from payments import attempts
from payments.providers import registry
from payments.providers.protocol import Callback, Ring, Unbelieved
from payments.states import LIVE
from payments.tables import attempt, provider_event

# A success is told more than once: what rings this soon after it was booked has nothing new. Later it may be that
# the provider took it back, and only a read can tell.
_SETTLING = timedelta(seconds=60)


async def ring(tx: Tx, *, provider: str, callback: Callback) -> str:
    """Store a callback and, when it names an attempt of ours, have that read now.

    The verdict: "rung", "final" (nothing left to learn), "unknown" (no attempt of ours), "replayed",
    "forged" or "unreadable". Only "rung" has an effect, and that effect is a read. The very same callback is
    stored once, but rings each time: its provider repeats it because the first one may have been lost.
    """
    try:
        heard = registry.hear(provider)(callback, tx.settings, tx.now)
    except Unbelieved as doubt:
        return await _store(tx, provider, callback, doubt.verdict)
    row = await tx.first(_named(provider, heard).with_for_update())
    if row is None:
        return await _store(tx, provider, callback, "unknown", ref=heard.ref)
    if row.settled_at is not None and tx.now < row.settled_at + _SETTLING:
        return await _store(tx, provider, callback, "final", attempt_id=row.id, ref=heard.ref)
    await _store(tx, provider, callback, "rung", attempt_id=row.id, ref=heard.ref)
    await tx.run(update(attempt).where(attempt.c.id == row.id).values(next_check_at=tx.now, reads=_reads(row)))
    await enqueue(tx, attempts.JOB, row.id)
    return "rung"


def _reads(row: Row[Any]) -> int:
    """The reads to count from: a ring comes on top of a live attempt's schedule, and gives any other one anew."""
    return max(0, row.reads - 1) if row.state in LIVE else 0


def _named(provider: str, heard: Ring) -> Select[Any]:
    """The attempt that a callback names by the provider's reference, else by our id; not one that never went out."""
    columns = attempt.c.id, attempt.c.state, attempt.c.reads, attempt.c.settled_at
    sent = select(*columns).where(attempt.c.provider == provider, attempt.c.sent_at.is_not(None))
    by_ref, by_id = attempt.c.provider_ref == (heard.ref or ""), attempt.c.id == _uuid(heard.our_id)
    return sent.where(or_(by_ref, by_id)).order_by(by_ref.desc().nulls_last()).limit(1)


def _uuid(raw: str | None) -> UUID | None:
    try:
        return UUID(raw) if raw else None
    except ValueError:
        return None


async def _store(
    tx: Tx, provider: str, callback: Callback, verdict: str, *, attempt_id: UUID | None = None, ref: str | None = None
) -> str:
    """Keep the callback as it came; "replayed" when the very same one is already here.

    One that named nothing when it came first is kept once more when it names an attempt: its reference is then found
    by a look-up, and what was thought of it before stays on record.
    """
    raw = f"{callback.query}\n{callback.body.decode(errors='replace')}"
    event = {
        "id": new_id(),
        "provider": provider,
        "hash": tx.keys.fingerprint("callback", raw),
        "raw": tx.keys.encrypt(raw),
        "attempt_id": attempt_id,
        "provider_ref": ref,
        "verdict": verdict,
        "received_at": tx.now,
    }
    stored = await tx.run(insert(provider_event).values(event).on_conflict_do_nothing())
    if not stored and attempt_id is not None and await _was_unconnected(tx, event):
        connected = {**event, "hash": tx.keys.fingerprint("connected callback", raw)}
        stored = await tx.run(insert(provider_event).values(connected).on_conflict_do_nothing())
    return verdict if stored else "replayed"


async def _was_unconnected(tx: Tx, event: Mapping[str, Any]) -> bool:
    columns = provider_event.c
    first = select(columns.attempt_id).where(*(columns[name] == event[name] for name in ("provider", "hash")))
    return await tx.value(first) is None
