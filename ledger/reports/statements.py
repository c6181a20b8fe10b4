"""The statement of one account: its entries in the order of recording, in which running balances are written once.

An entry is known by its number, from 1 without a gap, so that a page is a range of numbers and costs the same wherever
it lies. Hot accounts number nothing while they post: their pages are counted on from the last mark before them. The
newest entries of a hot account may change places while their transactions end, for a second or so.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import DateTime, TextClause, bindparam, text
from sqlalchemy import Row as SqlRow

from core.database import Tx
from core.errors import NotFound
from ledger.rendering import Column, Facts
from ledger.reporting import Asked, Report, Rows, money, stream


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
    """A page of an account's postings, the oldest first.

    `next` is the `after` of the following page and `previous` the `before` of the one ahead of it; None at the ends.
    """

    code: str
    kind: str
    currency: str
    opening: int
    lines: list[StatementLine]
    closing: int
    previous: int | None
    next: int | None


# Where there is no bound there is nothing to search for: each step of it would read a page from somewhere in the past.
_ACCOUNT = text("""
SELECT id, kind, currency, debit_sign, hot,
       coalesce(entries_before(id, :since), 0) AS skipped,
       coalesce(entries_before(id, :until),
                CASE WHEN hot THEN entries_up_to(id, (SELECT max(journal_id) FROM posting)) ELSE version END) AS last
FROM account WHERE code = :code
""").bindparams(bindparam("since", type_=DateTime(timezone=True)), bindparam("until", type_=DateTime(timezone=True)))
_COLUMNS = "seq, recorded_at, effective_at, journal_id, entry.kind AS journal_kind, other.code AS other_account"
_COLD = text(f"""
SELECT {_COLUMNS}, debit, credit, entry.balance
FROM entry JOIN account AS other ON other.id = other_account
WHERE account_id = :account AND seq > :after AND seq <= :last ORDER BY seq
""")  # noqa: S608 - our own columns
# Of each side no more than are needed can be among the first.
_HOT = text(f"""
WITH mark (journal_id, seq, balance) AS MATERIALIZED (
    SELECT coalesce(before.journal_id, 0), coalesce(before.seq, 0), coalesce(before.balance, 0)
    FROM (VALUES (1)) AS always LEFT JOIN LATERAL (
        SELECT journal_id, seq, balance FROM balance_mark WHERE account_id = :account AND seq <= :after
        ORDER BY seq DESC LIMIT 1) AS before ON true
), side AS (
    (SELECT journal_id, leg, kind, effective_at, recorded_at, amount AS debit, 0::bigint AS credit,
            credit_account AS other_account
     FROM posting WHERE debit_account = :account AND debit_seq IS NULL AND journal_id > (SELECT journal_id FROM mark)
     ORDER BY journal_id, leg LIMIT :last - (SELECT seq FROM mark))
    UNION ALL
    (SELECT journal_id, leg, kind, effective_at, recorded_at, 0, amount, debit_account
     FROM posting WHERE credit_account = :account AND credit_seq IS NULL AND journal_id > (SELECT journal_id FROM mark)
     ORDER BY journal_id, leg LIMIT :last - (SELECT seq FROM mark))
), entry AS (
    SELECT side.*, mark.seq + row_number() OVER so_far AS seq,
           (mark.balance + sum(:sign * (debit - credit)) OVER so_far)::bigint AS balance
    FROM side CROSS JOIN mark WINDOW so_far AS (ORDER BY side.journal_id, leg)
)
SELECT {_COLUMNS}, debit, credit, entry.balance
FROM entry JOIN account AS other ON other.id = other_account
WHERE seq > :after AND seq <= :last ORDER BY seq
""")  # noqa: S608 - our own columns


async def account_statement(
    tx: Tx,
    *,
    code: str,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    after: int | None = None,
    before: int | None = None,
    newest: bool = False,
) -> Statement:
    """A page of what was recorded from `since` to before `until`.

    `limit` entries following number `after`, or those ahead of number `before`; without either the first ones, or, with
    `newest`, the last. Raises NotFound for an account that was never opened.
    """
    account = await _account(tx, code, since, until)
    first, last = account.skipped, account.last
    if newest or before is not None:
        last = last if before is None else max(first, min(last, before - 1))
        first = max(first, last - limit)
    else:
        first = max(first, min(last, after or 0))
        last = min(last, first + limit)
    lines = await _lines(tx, account, first, last)
    opening = _before(account, lines[0]) if lines else await _balance_at(tx, account, first)
    return Statement(
        code=code,
        kind=account.kind,
        currency=account.currency,
        opening=opening,
        lines=lines,
        closing=lines[-1].balance if lines else opening,
        previous=first + 1 if first > account.skipped else None,
        next=last if last < account.last else None,
    )


async def _account(tx: Tx, code: str, since: datetime | None, until: datetime | None) -> SqlRow[Any]:
    """The account, and the numbers between which its entries of the period lie; None: from the first, to the last."""
    account = await tx.first(_ACCOUNT, {"code": code, "since": since, "until": until})
    if account is None:
        raise NotFound()
    return account


async def _lines(tx: Tx, account: SqlRow[Any], after: int, last: int) -> list[StatementLine]:
    if after >= last:
        return []
    rows = await tx.all(*_entries(account, after, last))
    return [StatementLine(**row._mapping) for row in rows]


def _entries(account: SqlRow[Any], after: int, last: int) -> tuple[TextClause, dict[str, int]]:
    """The query for the entries that follow number `after`, up to `last`, with its parameters."""
    span = {"account": account.id, "after": after, "last": last}
    return (_HOT, span | {"sign": account.debit_sign}) if account.hot else (_COLD, span)


async def _balance_at(tx: Tx, account: SqlRow[Any], seq: int) -> int:
    """The balance after entry number `seq`; 0 before the first."""
    lines = await _lines(tx, account, seq - 1, seq) if seq else []
    return lines[0].balance if lines else 0


def _before(account: SqlRow[Any], line: StatementLine) -> int:
    """The balance ahead of this entry."""
    return line.balance - int(account.debit_sign) * (line.debit - line.credit)


# ---- the whole of it -------------------------------------------------------------------------------------


async def _facts(tx: Tx, asked: Asked) -> Facts:
    account = await _account(tx, asked.subject, asked.since, asked.until)
    return {
        "account": asked.subject,
        "currency": account.currency,
        "opening": await _balance_at(tx, account, account.skipped),
        "closing": await _balance_at(tx, account, account.last),
    }


async def _rows(tx: Tx, asked: Asked) -> Rows:
    account = await _account(tx, asked.subject, asked.since, asked.until)
    async for row in stream(tx, *_entries(account, account.skipped, account.last)):
        yield row


ACCOUNT_STATEMENT = Report(
    name="account-statement",
    asks="period",
    subject="account",
    columns=(
        Column("seq", number=True),
        Column("recorded_at"),
        Column("effective_at"),
        Column("journal", number=True),
        Column("event"),
        Column("other_account"),
        money("debit", blank=True),
        money("credit", blank=True),
        money("balance", total=False),
    ),
    facts=_facts,
    rows=_rows,
)
