"""Attempts in the database: preparing one, locking one with its payment, moving one along the table of steps."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, func, insert, select

from core import drivers
from core.database import Tx
from core.ids import new_reference
from core.jobs import enqueue
from ledger.chart import Account
from payments.outcomes import Payment
from payments.states import STEPS, Failure, Kind, PaymentState, State
from payments.tables import attempt, payment

JOB = "payments.advance"


class Attempt(msgspec.Struct, frozen=True):
    """One try at one provider; see payments.tables for the fields."""

    id: UUID
    state: State
    provider: str
    carrier: str
    provider_ref: str | None
    returns: UUID | None
    created_at: datetime
    sent_at: datetime | None
    deadline: datetime | None
    next_check_at: datetime | None
    reads: int
    absences: int
    released_at: datetime | None
    in_transit: bool
    settled_at: datetime | None
    evidence: str | None


class Case(msgspec.Struct, frozen=True):
    """An attempt with its payment, both rows locked by the transaction that loaded them."""

    payment: Payment
    account: Account
    attempt: Attempt

    @property
    def spoken(self) -> Kind:
        """The kind as the provider knows it."""
        return spoken(self.payment.kind, self.attempt.returns)


def spoken(kind: Kind, returns: UUID | None) -> Kind:
    """What an attempt is called at its provider: a refund that is not native is a payout there."""
    return Kind.PAYOUT if kind is Kind.REFUND and returns is None else kind


# Each attempt passes here several times: to compose these anew would take longer than to run them.
_ATTEMPT = ", ".join(f"attempt.{name} AS attempt_{name}" for name in Attempt.__struct_fields__)
_CASE = f"SELECT payment.*, {_ATTEMPT} FROM payment JOIN attempt ON payment.id = payment_id"  # noqa: S608
_LOCK = f"{_CASE} WHERE attempt.id = $1 FOR UPDATE"
_TAKE = f"{_CASE} WHERE attempt.id = ANY ($1) AND next_check_at <= $2 FOR UPDATE SKIP LOCKED"
_CLOSE = "UPDATE payment SET state = $2, failure = $3, closed_at = $4 WHERE id = $1"


async def prepare(
    tx: Tx,
    owed: Payment,
    *,
    provider: str,
    at: datetime,
    deadline: datetime | None,
    session_ref: str | None = None,
    returns: UUID | None = None,
) -> UUID:
    """Write the next attempt of a payment, to be sent at `at`, with its job when that is now."""
    attempt_id = new_reference()
    await tx.run(
        insert(attempt).values(
            id=attempt_id,
            payment_id=owed.id,
            kind=owed.kind,
            provider=provider,
            carrier=owed.carrier,
            phone_index=tx.keys.blind_index(owed.phone),
            amount_xaf=owed.amount_xaf,
            state=State.PREPARED,
            returns=returns,
            session_ref=session_ref,
            postponed=False,
            created_at=tx.now,
            deadline=deadline,
            next_check_at=at,
            reads=0,
            in_transit=False,
        )
    )
    if at <= tx.now:
        await enqueue(tx, JOB, attempt_id)
    return attempt_id


async def lock(tx: Tx, attempt_id: UUID) -> Case | None:
    """The attempt and its payment, locked in the house's order (the payment first); None for an unknown id."""
    row = await (await tx.driver()).fetchrow(_LOCK, attempt_id, record_class=drivers.Row)
    return None if row is None else _case(tx, row)


async def take(tx: Tx, attempt_ids: Sequence[UUID]) -> list[Case]:
    """Those of these attempts that are due and that nobody else is just working on, locked."""
    rows = await (await tx.driver()).fetch(_TAKE, list(attempt_ids), tx.now, record_class=drivers.Row)
    return [_case(tx, row) for row in rows]


def _case(tx: Tx, row: Row[Any]) -> Case:
    fields = {name: getattr(row, f"attempt_{name}") for name in Attempt.__struct_fields__}
    fields["state"] = State(fields["state"])
    tried = Attempt(**fields)
    return Case(
        payment=read_payment(tx, row, provider=tried.provider),
        account=msgspec.convert(row.account, Account),
        attempt=tried,
    )


def read_payment(tx: Tx, row: Row[Any], *, provider: str) -> Payment:
    """A payment's row as callers see it, its phone decrypted."""
    return Payment(
        id=row.id,
        kind=Kind(row.kind),
        purpose=row.purpose,
        reference=row.reference,
        state=PaymentState(row.state),
        amount_xaf=row.amount_xaf,
        phone=tx.keys.decrypt(row.phone),
        carrier=row.carrier,
        provider=provider,
        failure=Failure(row.failure) if row.failure else None,
    )


async def returned_by(tx: Tx, refund: Payment) -> Payment:
    """The collection whose money `refund` sends back."""
    collection = select(payment.c.returns).where(payment.c.id == refund.id).scalar_subquery()
    row = await tx.one(select(payment).where(payment.c.id == collection))
    return read_payment(tx, row, provider=refund.provider)


async def reference(tx: Tx, attempt_id: UUID | None) -> str | None:
    """The provider's reference of an attempt."""
    if attempt_id is None:
        return None
    ref: str | None = await tx.value(select(attempt.c.provider_ref).where(attempt.c.id == attempt_id))
    return ref


async def tries(tx: Tx, payment_id: UUID) -> dict[str, int]:
    """How often each provider was tried for a payment."""
    counted = select(attempt.c.provider, func.count().label("tries")).where(attempt.c.payment_id == payment_id)
    return {row.provider: row.tries for row in await tx.all(counted.group_by(attempt.c.provider))}


async def move(tx: Tx, case: Case, to: State, **changes: Any) -> Case | None:
    """Take one step of the table: the case as it then stands, or None when the attempt may not go there.

    An attempt whose money is booked goes nowhere.
    """
    may = case.attempt.settled_at is None and to in STEPS[case.attempt.state]
    return await note(tx, case, state=to, **changes) if may else None


async def note(tx: Tx, case: Case, **changes: Any) -> Case:
    """Write fields of an attempt: the case as it then stands."""
    await (await tx.driver()).execute(_noting(tuple(changes)), case.attempt.id, *changes.values())
    seen = {name: value for name, value in changes.items() if name in Attempt.__struct_fields__}
    return msgspec.structs.replace(case, attempt=msgspec.structs.replace(case.attempt, **seen))


@cache
def _noting(names: tuple[str, ...]) -> str:
    """The statement that writes these columns of the attempt $1."""
    columns = ", ".join(f"{attempt.c[name].name} = ${place}" for place, name in enumerate(names, start=2))
    return f"UPDATE attempt SET {columns} WHERE id = $1"  # noqa: S608 - names of columns


async def close(tx: Tx, owed: Payment, to: PaymentState, failure: Failure | None = None) -> Payment:
    """Give a payment its outcome; the payment as it now stands."""
    await (await tx.driver()).execute(_CLOSE, owed.id, to, failure, tx.now)
    return msgspec.structs.replace(owed, state=to, failure=failure)


def collect_deadline(tx: Tx) -> datetime:
    """When a collection that starts now is no longer waited for."""
    return tx.now + timedelta(seconds=tx.settings.collect_deadline_seconds)
