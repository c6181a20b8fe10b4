"""How long an attempt must wait for others: operators refuse, and people fear, the same request twice."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select

from core.database import Tx
from payments.attempts import Case
from payments.states import Kind, State
from payments.tables import attempt

# A payout waits for another one of the same amount to the same phone, and looks again this much later.
_PAUSE = timedelta(seconds=60)
# Another worker decides about the same phone and amount just now.
_MOMENT = timedelta(seconds=1)

_FREE = """
    SELECT id, pg_try_advisory_xact_lock(hashtextextended(encode(phone_index, 'hex'), amount_xaf)) AS free
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS asked (id, phone_index, amount_xaf)
"""
_LAST_PROMPTS = """
    SELECT id, (
        SELECT max(sent_at) FROM attempt
        WHERE phone_index = asked.phone_index AND amount_xaf = asked.amount_xaf AND kind = 'collect'
        AND id <> asked.id AND state <> 'DEAD' AND sent_at > $4
    ) AS last
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS asked (id, phone_index, amount_xaf)
"""


async def prompts_held_until(tx: Tx, cases: Sequence[Case]) -> dict[UUID, datetime]:
    """Of these collections, each of another phone or amount, those that wait for another prompt, and until when."""
    if not cases:
        return {}
    taken = await _taken(tx, cases)
    gap = timedelta(seconds=tx.settings.prompt_gap_seconds)
    rows = await (await tx.driver()).fetch(_LAST_PROMPTS, *_asked(tx, cases), tx.now - gap)
    after_another = {row["id"]: row["last"] + gap for row in rows if row["last"]}
    return after_another | dict.fromkeys(taken, tx.now + _MOMENT)


async def held_until(tx: Tx, case: Case) -> datetime | None:
    """When to look again because something else goes first; None when the payout may go out now."""
    if await _taken(tx, [case]):
        return tx.now + _MOMENT
    if case.payment.kind is not Kind.PAYOUT:
        return None
    phone_index = tx.keys.blind_index(case.payment.phone)
    alike = attempt.c.phone_index == phone_index, attempt.c.amount_xaf == case.payment.amount_xaf
    others = *alike, attempt.c.kind == case.payment.kind, attempt.c.id != case.attempt.id
    undecided = and_(attempt.c.state == State.REVIEW, attempt.c.settled_at.is_(None))
    under_way = or_(attempt.c.state.in_((State.SENT, State.PENDING, State.UNKNOWN)), undecided)
    first = await tx.value(select(attempt.c.id).where(*others, under_way).limit(1))
    return tx.now + _PAUSE if first else None


async def _taken(tx: Tx, cases: Sequence[Case]) -> set[UUID]:
    """Those for whose phone and amount another transaction decides just now; the others are this one's to decide.

    Of two attempts for one phone and amount one has a lock, so that both cannot find the way free. Nobody waits for
    it: whoever claims many attempts holds many such locks, and two who wait could do so for each other.
    """
    rows = await (await tx.driver()).fetch(_FREE, *_asked(tx, cases))
    return {row["id"] for row in rows if not row["free"]}


def _asked(tx: Tx, cases: Sequence[Case]) -> tuple[list[UUID], list[bytes], list[int]]:
    ids = [case.attempt.id for case in cases]
    phones = [tx.keys.blind_index(case.payment.phone) for case in cases]
    return ids, phones, [case.payment.amount_xaf for case in cases]
