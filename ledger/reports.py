"""What finance reads: the trial balance as of any instant, and the statement of one account.

Reports count a journal at its effective date; statements follow the order of recording, in which running
balances were written and are never rewritten.
"""

from datetime import UTC, datetime

from msgspec import Struct
from sqlalchemy import text

from core.database import Tx
from core.errors import NotFound
from ledger.rendering import Column, Row, Table


class TrialBalanceLine(Struct, frozen=True):
    """One family of accounts; its net balance stands in one of the two columns."""

    code: str
    kind: str
    currency: str
    accounts: int
    debit: int
    credit: int


class TrialBalanceTotal(Struct, frozen=True):
    """Both columns of one currency; sound books have a `difference` of 0."""

    currency: str
    debit: int
    credit: int
    difference: int


class TrialBalance(Struct, frozen=True):
    """Every family of accounts at one instant."""

    as_of: datetime
    lines: list[TrialBalanceLine]
    totals: list[TrialBalanceTotal]


class StatementLine(Struct, frozen=True):
    """One posting seen from the account; `balance` is after it, on the account's normal side."""

    seq: int
    recorded_at: datetime
    effective_at: datetime
    journal_id: int
    journal_kind: str
    other_account: str
    debit: int
    credit: int
    balance: int


class Statement(Struct, frozen=True):
    """A page of an account's postings; `next` is the `after` of the following page, None at the end."""

    code: str
    kind: str
    currency: str
    opening: int
    lines: list[StatementLine]
    closing: int
    next: int | None


# Debit balances count as positive here, credit balances as negative.
_NET_NOW = "WITH net (account_id, amount) AS (SELECT id, balance * debit_sign FROM account_balance)"
_NET_AS_OF = """
WITH net (account_id, amount) AS (
    SELECT account_id, sum(debit - credit) FROM entry
    WHERE effective_at <= :as_of GROUP BY account_id
)"""
# A family is the code without its owner's id.
_BY_FAMILY = """
SELECT family, kind, currency,
       count(*) AS accounts, sum(net.amount)::bigint AS amount
FROM net JOIN account ON account.id = net.account_id
GROUP BY family, kind, currency
ORDER BY currency DESC, array_position(ARRAY['asset', 'liability', 'equity', 'income', 'expense'], kind), family
"""

_ACCOUNT = text("SELECT id, kind, currency, debit_sign FROM account WHERE code = :code")
_ENTRIES = text("""
SELECT seq, recorded_at, effective_at, journal_id, entry.kind AS journal_kind, other.code AS other_account,
       debit, credit, entry.balance
FROM numbered_entry AS entry JOIN account AS other ON other.id = other_account
WHERE account_id = :account AND seq > :after AND recorded_at >= :since AND recorded_at < :until
ORDER BY seq LIMIT :rows
""")
_LAST_BALANCE = text("""
SELECT balance FROM numbered_entry
WHERE account_id = :account AND recorded_at < :until ORDER BY seq DESC LIMIT 1
""")
_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


async def trial_balance(tx: Tx, *, as_of: datetime | None = None) -> TrialBalance:
    """The books as they stand, or as of the end of the instant `as_of`, by family and currency."""
    if as_of is None:
        rows = await tx.all(text(_NET_NOW + _BY_FAMILY))
    else:
        rows = await tx.all(text(_NET_AS_OF + _BY_FAMILY), {"as_of": as_of})
    lines = [
        TrialBalanceLine(row.family, row.kind, row.currency, row.accounts, max(row.amount, 0), max(-row.amount, 0))
        for row in rows
    ]
    currencies = dict.fromkeys(line.currency for line in lines)
    return TrialBalance(as_of or tx.now, lines, [_total(currency, lines) for currency in currencies])


def _total(currency: str, lines: list[TrialBalanceLine]) -> TrialBalanceTotal:
    debit = sum(line.debit for line in lines if line.currency == currency)
    credit = sum(line.credit for line in lines if line.currency == currency)
    return TrialBalanceTotal(currency, debit, credit, debit - credit)


async def account_statement(
    tx: Tx,
    *,
    code: str,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    after: int | None = None,
) -> Statement:
    """Postings of the account recorded from `since` to before `until`, oldest first, following `after`.

    Raises NotFound for an account that was never opened.
    """
    account = await tx.first(_ACCOUNT, {"code": code})
    if account is None:
        raise NotFound()
    period = {"account": account.id, "since": since or _ALWAYS[0], "until": until or _ALWAYS[1]}
    rows = await tx.all(_ENTRIES, {**period, "after": after or 0, "rows": limit + 1})
    lines = [StatementLine(**row._mapping) for row in rows[:limit]]
    if lines:
        opening = lines[0].balance - account.debit_sign * (lines[0].debit - lines[0].credit)
    else:
        opening = await tx.value(_LAST_BALANCE, period) or 0
    return Statement(
        code=code,
        kind=account.kind,
        currency=account.currency,
        opening=opening,
        lines=lines,
        closing=lines[-1].balance if lines else opening,
        next=lines[-1].seq if len(rows) > limit else None,
    )


_SIDES = (Column("debit", number=True, side=True), Column("credit", number=True, side=True))


def trial_balance_table(report: TrialBalance) -> Table:
    """The trial balance for `rendering.render`."""
    return Table(
        name="trial_balance",
        facts={"as_of": report.as_of},
        columns=(
            Column("account"),
            Column("kind", words=True),
            Column("currency"),
            Column("accounts", number=True),
            *_SIDES,
        ),
        rows=[(x.code, x.kind, x.currency, x.accounts, x.debit, x.credit) for x in report.lines],
        totals=[(None, None, x.currency, None, x.debit, x.credit) for x in report.totals],
    )


def statement_table(report: Statement) -> Table:
    """One page of a statement for `rendering.render`."""
    return Table(
        name="account_statement",
        facts={
            "account": report.code,
            "currency": report.currency,
            "opening": report.opening,
            "closing": report.closing,
        },
        columns=(
            Column("seq", number=True),
            Column("recorded_at"),
            Column("effective_at"),
            Column("journal", number=True),
            Column("event"),
            Column("other_account"),
            *_SIDES,
            Column("balance", number=True),
        ),
        rows=[_statement_row(line) for line in report.lines],
    )


def _statement_row(x: StatementLine) -> Row:
    event = (x.seq, x.recorded_at, x.effective_at, x.journal_id, x.journal_kind)
    return (*event, x.other_account, x.debit, x.credit, x.balance)
