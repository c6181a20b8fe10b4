"""Trial balance, balance sheet and income statement: what each family of accounts comes to.

A journal counts at its effective date. Whole days come from `turnover`; the parts of a day at both ends, and what was
posted since the last mark, are added from the postings themselves. So the age of the books does not matter.
"""

from datetime import date, datetime, timedelta

from msgspec import Struct
from sqlalchemy import text

from core.clock import business_day, day_start
from core.database import Tx
from ledger.rendering import Column
from ledger.reporting import BEGINNING, CURRENCY, KIND, TICK, Asked, Report, Rows, money


class Moved(Struct, frozen=True):
    """What a family of accounts turned over in one currency."""

    family: str
    kind: str
    currency: str
    debit: int
    credit: int

    @property
    def net(self) -> int:
        """Debits less credits."""
        return self.debit - self.credit


class _Whole(Struct, frozen=True):
    """The whole days inside a period, and the instants where they begin and end."""

    first_day: date
    end_day: date
    begins_at: datetime
    ends_at: datetime


# The four parts never overlap. A journal is in `turnover` up to `marked_to`, which this same statement reads.
_MOVED = text("""
WITH part (family, currency, debit, credit) AS (
    SELECT family, currency, debit, credit FROM turnover WHERE day >= :first_day AND day < :end_day
    UNION ALL
    SELECT family, account.currency, debit, credit FROM entries_since_marks() JOIN account ON account.id = account_id
    WHERE effective_at >= :since AND effective_at < :until
    UNION ALL
    SELECT family, account.currency, debit, credit FROM entry JOIN account ON account.id = account_id
    WHERE journal_id <= (SELECT marked_to FROM books) AND effective_at >= :since AND effective_at < :begins_at
    UNION ALL
    SELECT family, account.currency, debit, credit FROM entry JOIN account ON account.id = account_id
    WHERE journal_id <= (SELECT marked_to FROM books) AND effective_at >= :ends_at AND effective_at < :until
)
SELECT family, kind, currency, sum(debit)::bigint AS debit, sum(credit)::bigint AS credit
FROM part JOIN account_family USING (family)
GROUP BY family, kind, currency
ORDER BY currency DESC, array_position(ARRAY['asset', 'liability', 'equity', 'income', 'expense'], kind),
         family COLLATE "C"
""")


async def moved(tx: Tx, since: datetime, until: datetime) -> list[Moved]:
    """What each family turned over from `since` to before `until`, in the order of the chart."""
    whole = _whole_days(since, until)
    days = {"first_day": whole.first_day, "end_day": whole.end_day}
    edges = {"since": since, "begins_at": whole.begins_at, "ends_at": whole.ends_at, "until": until}
    return [Moved(**row._mapping) for row in await tx.all(_MOVED, days | edges)]


def _whole_days(since: datetime, until: datetime) -> _Whole:
    first = day_start(since) if day_start(since) == since else day_start(since) + timedelta(days=1)
    last = max(first, day_start(until))
    return _Whole(business_day(first), business_day(last), min(first, until), min(last, until))


# ---- trial balance ---------------------------------------------------------------------------------------


async def _trial_balance(tx: Tx, asked: Asked) -> Rows:
    """Every family with its net balance in one of the two columns; they sum to the same."""
    for one in await moved(tx, asked.since, asked.until):
        yield one.family, one.kind, one.currency, max(one.net, 0), max(-one.net, 0)


TRIAL_BALANCE = Report(
    name="trial-balance",
    asks="day",
    columns=(Column("account"), KIND, CURRENCY, money("debit", blank=True), money("credit", blank=True)),
    rows=_trial_balance,
)

# ---- balance sheet ---------------------------------------------------------------------------------------


async def _balance_sheet(tx: Tx, asked: Asked) -> Rows:
    """What we have, and who has a claim to it; the result so far is the owners'."""
    results: dict[str, int] = {}
    for one in await moved(tx, asked.since, asked.until):
        if one.kind in ("income", "expense"):
            results[one.currency] = results.get(one.currency, 0) - one.net
        elif one.kind == "asset":
            yield one.family, one.kind, one.currency, one.net, 0
        else:
            yield one.family, one.kind, one.currency, 0, -one.net
    for currency, result in results.items():
        yield "result", "equity", currency, 0, result


BALANCE_SHEET = Report(
    name="balance-sheet",
    asks="day",
    columns=(Column("account"), KIND, CURRENCY, money("assets", blank=True), money("claims", blank=True)),
    rows=_balance_sheet,
)

# ---- income statement ------------------------------------------------------------------------------------


async def _income_statement(tx: Tx, asked: Asked) -> Rows:
    """What came in as ours and what it cost, expenses below zero; the total is the result."""
    for one in await moved(tx, asked.since, asked.until):
        if one.kind in ("income", "expense"):
            yield one.family, one.kind, one.currency, -one.net


INCOME_STATEMENT = Report(
    name="income-statement",
    asks="period",
    columns=(Column("account"), KIND, CURRENCY, money("amount")),
    rows=_income_statement,
)


async def trial_balance(tx: Tx, *, as_of: datetime | None = None) -> list[Moved]:
    """The books as they stand, or with what counts up to and with `as_of`, by family and currency."""
    return await moved(tx, BEGINNING, (as_of or tx.now) + TICK)
