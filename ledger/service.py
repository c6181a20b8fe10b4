"""Posting journals and reading balances.

    await post(tx, key=f"fund:{order_id}", kind="order_funded", legs=[Leg(wallet(payer), escrow(order_id), 3800)])

The business row is locked first and the posting comes last: then every transaction takes its locks in one order.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec
from msgspec import Struct

from core.database import Tx
from core.effects import KeyReused
from core.errors import GatewayError
from ledger.chart import Account
from ledger.errors import (
    AccountMismatch,
    CurrencyMismatch,
    EmptyJournal,
    InsufficientFunds,
    InvalidLegAmount,
    LedgerBusy,
    SameAccount,
)

# Far above any real journal, and far enough below a bigint that no sum of them overflows.
MAX_AMOUNT = 10**15

_POST = "SELECT posted_id, replayed FROM post_journal($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_BALANCE = "SELECT balance FROM account WHERE code = $1"

# What the posting function and the locks under it raise (migration 0002).
_ERRORS: dict[str, type[GatewayError]] = {
    "LE001": EmptyJournal,
    "LE002": KeyReused,
    "LE003": AccountMismatch,
    "LE004": CurrencyMismatch,
    "55P03": LedgerBusy,  # lock_not_available
    "40P01": LedgerBusy,  # deadlock_detected
}


class Leg(Struct, frozen=True):
    """`amount` minor units of one currency from the credited to the debited account."""

    debit: Account
    credit: Account
    amount: int


class Posted(Struct, frozen=True):
    """A journal in the books; `replayed` when this key had already posted it."""

    journal_id: int
    replayed: bool


async def post(
    tx: Tx,
    *,
    key: str,
    kind: str,
    legs: Sequence[Leg],
    effective_at: datetime | None = None,
    metadata: dict[str, str] | None = None,
) -> Posted:
    """Write one journal, all legs or none, and open the accounts it names for the first time.

    The same `key` with the same content gives the first journal for ever. Legs apply in their order, and each
    must leave both accounts at or above their floor. `effective_at` is when it counts in reports, by default
    now; `metadata` is for people and never holds personal data. One round trip.

    Raises InsufficientFunds, KeyReused (another content under this key), LedgerBusy, or an InvalidPosting; the
    transaction is then spent, and nothing in it can be kept.
    """
    accounts = _accounts(legs)
    place = {code: number for number, code in enumerate(accounts, start=1)}  # PostgreSQL counts from 1
    details = msgspec.json.encode(metadata or {}, order="sorted").decode()
    connection = await tx.driver()
    try:
        row = await connection.fetchrow(
            _POST,
            key,
            _fingerprint(kind, legs, effective_at, details),
            kind,
            effective_at or tx.now,
            tx.now,
            details,
            list(accounts),
            [account.kind for account in accounts.values()],
            [account.currency for account in accounts.values()],
            [account.floor for account in accounts.values()],
            [place[leg.debit.code] for leg in legs],
            [place[leg.credit.code] for leg in legs],
            [leg.amount for leg in legs],
        )
    except asyncpg.PostgresError as problem:
        fact = _fact(problem)
        if fact is None:
            raise
        raise fact from None  # the driver's text would carry account and balance into logs
    return Posted(journal_id=row["posted_id"], replayed=row["replayed"])


async def balance(tx: Tx, account: Account | str) -> int:
    """The balance in minor units on the account's normal side; 0 for one that was never used."""
    code = account if isinstance(account, str) else account.code
    connection = await tx.driver()
    return int(await connection.fetchval(_BALANCE, code) or 0)


def _accounts(legs: Sequence[Leg]) -> dict[str, Account]:
    """Every account of `legs` by its code. Raises an InvalidPosting."""
    if not legs:
        raise EmptyJournal()
    accounts: dict[str, Account] = {}
    for leg in legs:
        _check(leg)
        for account in (leg.debit, leg.credit):
            if accounts.setdefault(account.code, account) != account:
                raise AccountMismatch()
    return accounts


def _check(leg: Leg) -> None:
    """Refuse here what the database would refuse too, with a name for what is wrong."""
    if type(leg.amount) is not int or not 0 < leg.amount <= MAX_AMOUNT:
        raise InvalidLegAmount()
    if leg.debit.code == leg.credit.code:
        raise SameAccount()
    if leg.debit.currency != leg.credit.currency:
        raise CurrencyMismatch()


def _fingerprint(kind: str, legs: Sequence[Leg], effective_at: datetime | None, details: str) -> bytes:
    """What makes two requests the same. A default effective date is left out: a repeat comes later."""
    content = (
        kind,
        [(leg.debit.code, leg.credit.code, leg.amount) for leg in legs],
        effective_at and effective_at.astimezone(UTC),
        details,
    )
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def _fact(problem: asyncpg.PostgresError) -> GatewayError | None:
    """The business fact behind a database error, or None when it is a fault."""
    if problem.sqlstate == "23514" and problem.constraint_name == "ck_account_floor":
        return InsufficientFunds()
    error = _ERRORS.get(problem.sqlstate)
    return error() if error else None
