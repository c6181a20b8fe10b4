"""Posting journals inside a caller's transaction, and reading balances.

    await post(tx, key=f"fund:{order_id}", kind="order_funded", legs=[Leg(wallet(payer), escrow(order_id), 3800)])

The business row is locked first and the posting comes last: then every transaction takes its locks in one order.
Journals that stand alone go through `ledger.grouped` instead.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from sqlalchemy import text

from core.database import Tx
from core.effects import KeyReused
from core.errors import NotFound
from ledger.chart import Account
from ledger.errors import NotReversible, TooManyLegs
from ledger.journals import MAX_LEGS_TOGETHER, Journal, Leg, Posted, check, fact, many, places, single

__all__ = ("Journal", "Leg", "Posted", "balance", "post", "post_many", "reverse")

_POST_LEG = f"SELECT posted_id, replayed FROM post_leg({places(21)})"  # noqa: S608 - placeholders only
_POST = f"SELECT journal_ids, verdicts FROM post_journals(false, {places(19)})"  # noqa: S608 - placeholders only
_BALANCE = "SELECT balance FROM account_balance WHERE code = $1"


async def post(
    tx: Tx,
    *,
    key: str,
    kind: str,
    legs: Sequence[Leg],
    effective_at: datetime | None = None,
    actor: str | None = None,
    metadata: dict[str, str] | None = None,
    moving_on: bool = False,
) -> Posted:
    """Write one journal and open the accounts it names for the first time; see `Journal` for the fields.

    The same `key` with the same content gives the first journal for ever. Each leg must leave both accounts between
    their floor and their ceiling. Into a closed period nothing is booked: with `moving_on` the journal counts from the
    beginning of the open one and says in its metadata when it belonged. One round trip.

    Raises InsufficientFunds, BalanceTooHigh, KeyReused (another content under this key), PeriodClosed, LedgerBusy,
    or an InvalidPosting; the transaction is then spent, and nothing in it can be kept.
    """
    journal = Journal(key=key, kind=kind, legs=legs, effective_at=effective_at, actor=actor, metadata=metadata)
    return await _post(tx, journal, moving_on=moving_on)


async def _post(tx: Tx, journal: Journal, *, moving_on: bool = False) -> Posted:
    check_in(tx, journal)
    if len(journal.legs) == 1:
        row = await call(tx, _POST_LEG, *single(journal, now=tx.now, moving_on=moving_on))
        return Posted(row[0], row[1])
    return (await _post_all(tx, [journal], moving_on=moving_on))[0]


async def _post_all(tx: Tx, journals: Sequence[Journal], *, moving_on: bool = False) -> list[Posted]:
    row = await call(tx, _POST, moving_on, *many(journals, now=tx.now))
    return [Posted(id, bool(verdict)) for id, verdict in zip(row[0], row[1], strict=True)]


async def post_many(tx: Tx, journals: Sequence[Journal]) -> list[Posted]:
    """Write several journals with different keys in one call, all or none, in their order.

    Raises as `post` does, and TooManyLegs for more than MAX_LEGS_TOGETHER of them all.
    """
    if sum(len(journal.legs) for journal in journals) > MAX_LEGS_TOGETHER:
        raise TooManyLegs()
    if len({journal.key for journal in journals}) < len(journals):
        raise KeyReused()
    for journal in journals:
        check_in(tx, journal)
    return await _post_all(tx, journals) if journals else []


def check_in(tx: Tx, journal: Journal) -> None:
    """`check`, with the clock and the settings of the transaction."""
    check(journal, now=tx.now, future_days=tx.settings.ledger_future_days)


async def call(tx: Tx, statement: str, *arguments: object) -> asyncpg.Record:
    """One of the ledger's functions, in this transaction; its row. Raises the business fact behind what it raises."""
    connection = await tx.driver()
    try:
        return await connection.fetchrow(statement, *arguments)
    except asyncpg.PostgresError as problem:
        known = fact(problem)
        if known is None:
            raise
        raise known from None  # the driver's text would carry account and balance into logs


_LEGS = text("""
SELECT reverses, debited.code AS debit, debited.kind AS debit_kind, debited.min_balance AS debit_floor,
       debited.max_balance AS debit_ceiling, credited.code AS credit, credited.kind AS credit_kind,
       credited.min_balance AS credit_floor, credited.max_balance AS credit_ceiling, debited.currency, amount
FROM posting
JOIN account AS debited ON debited.id = debit_account
JOIN account AS credited ON credited.id = credit_account
WHERE journal_id = :journal ORDER BY leg DESC
""")


async def reverse(
    tx: Tx,
    *,
    journal_id: int,
    key: str,
    kind: str,
    actor: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Posted:
    """Take a journal back: its legs the other way round, last first. A journal can be reversed once.

    Raises NotFound, NotReversible for a journal that is itself a reversal, AlreadyReversed, and as `post` does.
    """
    rows = await tx.all(_LEGS, {"journal": journal_id})
    if not rows:
        raise NotFound()
    if rows[-1].reverses is not None:
        raise NotReversible()
    legs = [
        Leg(
            debit=Account(x.credit, x.credit_kind, x.currency, x.credit_floor, x.credit_ceiling),
            credit=Account(x.debit, x.debit_kind, x.currency, x.debit_floor, x.debit_ceiling),
            amount=x.amount,
        )
        for x in rows
    ]
    journal = Journal(key=key, kind=kind, legs=legs, actor=actor, metadata=metadata, reverses=journal_id)
    return await _post(tx, journal)


async def balance(tx: Tx, account: Account | str) -> int:
    """The balance in minor units on the account's normal side; 0 for one that was never used."""
    code = account if isinstance(account, str) else account.code
    connection = await tx.driver()
    return int(await connection.fetchval(_BALANCE, code) or 0)
