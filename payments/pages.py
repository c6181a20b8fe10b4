"""Many attempts in one statement, for the three steps of a collection that change nothing but its row.

Every attempt takes these steps: one at a time they are most of what a worker and its database do.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from core.database import Tx
from payments.attempts import Case
from payments.providers.protocol import Answer
from payments.schedule import next_read
from payments.states import State

_SENT = "UPDATE attempt SET state = $2, sent_at = $3, next_check_at = $4 WHERE id = ANY ($1)"
_READ = """
    UPDATE attempt SET reads = reads + 1, next_check_at = planned.at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS planned (id, at) WHERE attempt.id = planned.id
"""
# Nobody is waited for: who has one of them knows more already. A callback may have rung for it to be read at once.
_ACCEPTED = """
    WITH free AS MATERIALIZED (
        SELECT attempt.id, ref, told.evidence, at
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS told (id, ref, evidence, at)
        JOIN attempt USING (id) JOIN payment ON payment.id = payment_id
        WHERE attempt.state = $5 AND provider_ref IS NULL FOR UPDATE OF attempt, payment SKIP LOCKED
    )
    UPDATE attempt
    SET state = $6, provider_ref = ref, evidence = free.evidence, next_check_at = least(next_check_at, at)
    FROM free WHERE attempt.id = free.id RETURNING attempt.id
"""


async def sent(tx: Tx, prepared: Collection[UUID], lease: timedelta) -> None:
    """These go out as soon as this commits. Their rows are locked, and PREPARED."""
    if prepared:
        await (await tx.driver()).execute(_SENT, list(prepared), State.SENT, tx.now, tx.now + lease)


async def read(tx: Tx, cases: Sequence[Case]) -> None:
    """These are looked at as soon as this commits, and again as planned or at a deadline. Their rows are locked."""
    if cases:
        ids = [case.attempt.id for case in cases]
        await (await tx.driver()).execute(_READ, ids, [_again(case, tx.now) for case in cases])


def _again(case: Case, now: datetime) -> datetime:
    planned, deadline = next_read(case.attempt.reads + 1, now), case.attempt.deadline
    return planned if deadline is None or deadline <= now else min(planned, deadline)


async def accepted(tx: Tx, answers: Mapping[UUID, Answer]) -> set[UUID]:
    """Write that providers have these attempts: those for which nothing else was known, and whom nobody had locked."""
    refs = [answer.ref for answer in answers.values()]
    evidence = [f"ACCEPTED {answer.detail}" for answer in answers.values()]
    reads = [next_read(0, tx.now) for _ in answers]
    told = list(answers), refs, evidence, reads
    rows = await (await tx.driver()).fetch(_ACCEPTED, *told, State.SENT, State.PENDING)
    return {row["id"] for row in rows}
