"""How long an attempt must wait for others: operators refuse, and people fear, the same request twice."""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select

from core.database import Tx
from payments.attempts import Case
from payments.states import Kind, State
from payments.tables import attempt

# A payout waits for another one of the same amount to the same phone, and looks again this much later.
_PAUSE = timedelta(seconds=60)
# Another worker decides about the same phone and amount just now.
_MOMENT = timedelta(seconds=1)

_FREE = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, $2))"
_LAST_PROMPT = """
    SELECT max(sent_at) FROM attempt
    WHERE phone_index = $1 AND amount_xaf = $2 AND kind = 'collect' AND id <> $3 AND state <> 'DEAD' AND sent_at > $4
"""


async def held_until(tx: Tx, case: Case) -> datetime | None:
    """When to look again because something else goes first; None when the attempt may go out now.

    Of two attempts for one phone and amount one has a lock, so that both cannot find the way free. Nobody waits for
    it: whoever claims many attempts holds many such locks, and two who wait could do so for each other.
    """
    phone_index, amount_xaf = tx.keys.blind_index(case.payment.phone), case.payment.amount_xaf
    if not await (await tx.driver()).fetchval(_FREE, phone_index.hex(), amount_xaf):
        return tx.now + _MOMENT
    if case.payment.kind is Kind.COLLECT:
        return await _after_the_last_prompt(tx, case, phone_index)
    alike = attempt.c.phone_index == phone_index, attempt.c.amount_xaf == amount_xaf
    others = *alike, attempt.c.kind == case.payment.kind, attempt.c.id != case.attempt.id
    if case.payment.kind is Kind.PAYOUT:
        undecided = and_(attempt.c.state == State.REVIEW, attempt.c.settled_at.is_(None))
        under_way = or_(attempt.c.state.in_((State.SENT, State.PENDING, State.UNKNOWN)), undecided)
        first = await tx.value(select(attempt.c.id).where(*others, under_way).limit(1))
        return tx.now + _PAUSE if first else None
    return None


async def _after_the_last_prompt(tx: Tx, case: Case, phone_index: bytes) -> datetime | None:
    gap = timedelta(seconds=tx.settings.prompt_gap_seconds)
    asked = phone_index, case.payment.amount_xaf, case.attempt.id, tx.now - gap
    last: datetime | None = await (await tx.driver()).fetchval(_LAST_PROMPT, *asked)
    return last + gap if last else None
