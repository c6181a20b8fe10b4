"""What a journal is, what is refused before the database sees it, and how it goes to the posting functions."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from core.effects import KeyReused
from core.errors import GatewayError, NotFound
from ledger.chart import Account
from ledger.errors import (
    AccountMismatch,
    AlreadyReversed,
    BalanceTooHigh,
    CurrencyMismatch,
    EmptyJournal,
    FutureDate,
    HoldClosed,
    HoldExceeded,
    HoldExpired,
    InsufficientFunds,
    InvalidLegAmount,
    LedgerBusy,
    PeriodClosed,
    SameAccount,
    TooManyLegs,
)

# Far above any real journal, and far enough below a bigint that no sum of them overflows.
MAX_AMOUNT = 10**15
MAX_LEGS = 1000
# In one call of the posting functions: well under a second of the database's time.
MAX_LEGS_TOGETHER = 5000


# What the posting functions and the locks under them raise (migrations/sql/0008_*.sql).
_ERRORS: dict[str, type[GatewayError]] = {
    "LE001": EmptyJournal,
    "LE002": KeyReused,
    "LE003": AccountMismatch,
    "LE004": CurrencyMismatch,
    "LE006": PeriodClosed,
    "LE007": HoldClosed,
    "LE008": HoldExpired,
    "LE009": HoldExceeded,
    "LE010": NotFound,
    "55P03": LedgerBusy,  # lock_not_available
    "40P01": LedgerBusy,  # deadlock_detected
}
_CONSTRAINTS: dict[str | None, type[GatewayError]] = {
    "ck_account_floor": InsufficientFunds,
    "ck_account_ceiling": BalanceTooHigh,
    "uq_posting_reverses": AlreadyReversed,
}
# What `post_journals` says of each journal when it judges; 0 is posted, 1 posted before.
VERDICTS: dict[int, type[GatewayError]] = {
    2: KeyReused,
    3: InsufficientFunds,
    4: BalanceTooHigh,
    5: PeriodClosed,
}


class Leg(Struct, frozen=True):
    """`amount` minor units of one currency from the credited to the debited account."""

    debit: Account
    credit: Account
    amount: int


class Journal(Struct, frozen=True, kw_only=True):
    """One event in the books: all legs or none.

    `key` is permanent. Legs apply in their order. `effective_at` is when the journal counts in reports, by default
    now. `actor` is who caused it, where that was a person of ours. `metadata` is for people and never holds personal
    data. `reverses` is the journal that this one takes back.
    """

    key: str
    kind: str
    legs: Sequence[Leg]
    effective_at: datetime | None = None
    actor: str | None = None
    metadata: dict[str, str] | None = None
    reverses: int | None = None


class Posted(Struct, frozen=True):
    """A journal in the books; `replayed` when this key had already posted it."""

    journal_id: int
    replayed: bool


def check(journal: Journal, *, now: datetime, future_days: int) -> None:
    """Refuse here what the database would refuse too, with a name for what is wrong. Raises an InvalidPosting."""
    if not journal.legs:
        raise EmptyJournal()
    if len(journal.legs) > MAX_LEGS:
        raise TooManyLegs()
    if journal.effective_at is not None and journal.effective_at > now + timedelta(days=future_days):
        raise FutureDate()
    for leg in journal.legs:
        _check_leg(leg)


def _check_leg(leg: Leg) -> None:
    if type(leg.amount) is not int or not 0 < leg.amount <= MAX_AMOUNT:
        raise InvalidLegAmount()
    if leg.debit.code == leg.credit.code:
        raise SameAccount()
    if leg.debit.currency != leg.credit.currency:
        raise CurrencyMismatch()


class Accounts:
    """The accounts of some journals as the posting functions take them: in the order of their codes."""

    def __init__(self, journals: Sequence[Journal]) -> None:
        """Raises AccountMismatch when one code stands for different accounts."""
        named: dict[str, Account] = {}
        for journal in journals:
            for leg in journal.legs:
                for account in (leg.debit, leg.credit):
                    first = named.setdefault(account.code, account)
                    if first is not account and first != account:
                        raise AccountMismatch()
        codes = sorted(named)
        accounts = [named[code] for code in codes]
        self._place = {code: number for number, code in enumerate(codes, start=1)}  # PostgreSQL counts from 1
        self.columns = (
            codes,
            [account.kind for account in accounts],
            [account.currency for account in accounts],
            [account.floor for account in accounts],
            [account.ceiling for account in accounts],
            [account.hot for account in accounts],
        )

    def sides(self, legs: Sequence[Leg]) -> tuple[list[int], list[int], list[int]]:
        """The places of debited and of credited accounts, and the amounts."""
        place = self._place
        return (
            [place[leg.debit.code] for leg in legs],
            [place[leg.credit.code] for leg in legs],
            [leg.amount for leg in legs],
        )


def places(count: int, *, first: int = 1) -> str:
    """`$1, $2, …`"""
    return ", ".join(f"${number}" for number in range(first, first + count))


def single(journal: Journal, *, now: datetime, moving_on: bool = False) -> tuple[Any, ...]:
    """The arguments of `post_leg`, for a journal of one leg."""
    (leg,) = journal.legs
    first, second, change = _in_order(leg)
    details = _details(journal)
    return (
        journal.key,
        _fingerprint(journal, details),
        journal.kind,
        journal.effective_at or now,
        now,
        journal.actor,
        journal.reverses,
        details if journal.metadata else None,
        moving_on,
        first.currency,
        change,
        *(first.code, first.kind, first.floor, first.ceiling, first.hot),
        *(second.code, second.kind, second.floor, second.ceiling, second.hot),
    )


def _in_order(leg: Leg) -> tuple[Account, Account, int]:
    """Both accounts in the order of their codes, and what the first is debited with."""
    if leg.debit.code < leg.credit.code:
        return leg.debit, leg.credit, leg.amount
    return leg.credit, leg.debit, -leg.amount


def many(journals: Sequence[Journal], *, now: datetime) -> tuple[Any, ...]:
    """The arguments of `post_journals` after `judging` and `moving_on`: one row a leg. Raises AccountMismatch."""
    accounts = Accounts(journals)
    legs = [leg for journal in journals for leg in journal.legs]
    rows = [row for number, journal in enumerate(journals, start=1) for row in _rows(number, journal, now)]
    number, key, fingerprint, kind, effective_at, actor, reverses, details = map(list, zip(*rows, strict=True))
    return (
        *(key, fingerprint, kind, effective_at, now, actor, reverses, details),
        *accounts.columns,
        number,
        *accounts.sides(legs),
    )


def _rows(number: int, journal: Journal, now: datetime) -> list[tuple[Any, ...]]:
    """A row a leg, of which the first tells what belongs to the journal."""
    at, details = journal.effective_at or now, _details(journal)
    own = (journal.key, _fingerprint(journal, details))
    rest = (journal.actor, journal.reverses, details if journal.metadata else None)
    first = (number, *own, journal.kind, at, *rest)
    further = (number, None, None, journal.kind, at, None, None, None)
    return [first, *(further for _ in journal.legs[1:])]


def _details(journal: Journal) -> str:
    return msgspec.json.encode(journal.metadata, order="sorted").decode() if journal.metadata else "{}"


def _fingerprint(journal: Journal, details: str) -> bytes:
    """What makes two requests the same. A default effective date is left out: a repeat comes later."""
    content: tuple[object, ...] = (
        journal.kind,
        [(leg.debit.code, leg.credit.code, leg.amount) for leg in journal.legs],
        journal.effective_at and journal.effective_at.astimezone(UTC),
        details,
    )
    if journal.actor or journal.reverses:  # left out otherwise, so that older journals keep their fingerprint
        content += (journal.actor, journal.reverses)
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def same_request(first: Journal, second: Journal) -> bool:
    """Whether two journals of one key ask for the same."""
    return _fingerprint(first, _details(first)) == _fingerprint(second, _details(second))


def fact(problem: asyncpg.PostgresError) -> GatewayError | None:
    """The business fact behind a database error, or None when it is a fault."""
    error = _ERRORS.get(problem.sqlstate) or _CONSTRAINTS.get(getattr(problem, "constraint_name", None))
    return error() if error else None
