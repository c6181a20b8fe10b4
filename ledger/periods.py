"""Closing the books for a day or a month: nothing more counts there, and its reports stay as they are.

    await close(database, period=read_period("2026-10"), actor=f"staff:{staff_id}")

A closing is in force at once. It is complete when every transaction that may have looked at the books before it has
ended, and only then do the period's reports stand still. Taking a closing back needs two people (D27).
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text

from core import four_eyes
from core.clock import DOUALA
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, Unavailable
from core.four_eyes import Proposal
from ledger.errors import PeriodClosed, PeriodReopened
from ledger.marks import all_ended, last_journal, newest
from ledger.rendering import Column, Row, Table
from ledger.service import call

REOPENING = "period_reopening"  # of the proposals; their subject is the period

# What began before midnight may still be written after it, and the processes' clocks may differ a little.
SETTLING = timedelta(minutes=5)
_LOOK_AGAIN_SECONDS = 0.05
_NAME = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)

_CLOSE = "SELECT verdict, open_from, closing FROM close_period($1, $2, $3, $4, $5)"
_COMPLETE = "SELECT complete_period($1, $2, $3, $4)"
_REOPEN = "SELECT reopen_period($1, $2, $3, $4, $5) AS done"
_LATEST = text("""
SELECT period FROM period_event WHERE event = 'closing' AND closed_until = (SELECT closed_until FROM books)
ORDER BY id DESC LIMIT 1
""")
_HISTORY = text("""
SELECT event, period, closed_until, journal_id, actor, approved_by, reason, at FROM period_event ORDER BY id
""")


class PeriodNotOver(Conflict):
    """The period, and the few minutes in which its last postings may still be written, are not over."""

    text_key = "error.period_not_over"


class PeriodGap(Conflict):
    """Something counts before the period and is not closed; `first` is the first such day."""

    text_key = "error.period_gap"


class PostingsUnderWay(Unavailable):
    """The period is closed, but a transaction that began before has not ended: close it again to complete it."""

    text_key = "error.postings_under_way"


class NotTheLastPeriod(Conflict):
    """Only the last closing can be taken back; `last` is the period it closed."""

    text_key = "error.not_the_last_period"


class Period(Struct, frozen=True):
    """A day or a month in Douala, from `begins_at` to before `ends_at`."""

    name: str
    begins_at: datetime
    ends_at: datetime


class Event(Struct, frozen=True):
    """What became of a period: 'closing' (in force), 'closed' (complete, up to `journal_id`) or 'reopened'."""

    event: str
    period: str
    closed_until: datetime
    journal_id: int | None
    actor: str
    approved_by: str | None
    reason: str | None
    at: datetime


def read_period(name: str) -> Period:
    """The period called `2026-10` or `2026-10-31`. Raises InvalidInput."""
    try:
        if not _NAME.fullmatch(name):
            raise ValueError
        month = len(name) == len("2026-10")
        first = date.fromisoformat(f"{name}-01" if month else name)
        after = (first + timedelta(days=31)).replace(day=1) if month else first + timedelta(days=1)
        begins_at, ends_at = _midnight(first), _midnight(after)
        begins_at.astimezone(UTC)  # the first of all days began in Douala before Python's calendar does
    except (ValueError, OverflowError):
        raise InvalidInput(field="period") from None
    return Period(name, begins_at, ends_at)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=DOUALA)


async def close(database: Database, *, period: Period, actor: str, patience_seconds: float = 30) -> int:
    """Close everything up to the end of `period`; the last journal that can count in it.

    Raises PeriodNotOver, PeriodGap, PeriodClosed when it was closed before, and PostingsUnderWay when transactions
    that were under way do not end in `patience_seconds`: the period is closed then, and closing it again completes it.
    PeriodReopened when somebody took the closing back while we waited.
    """
    if database.clock.now() < period.ends_at + SETTLING:
        raise PeriodNotOver()
    async with database.transaction() as tx:
        said = await call(tx, _CLOSE, period.name, period.begins_at, period.ends_at, actor, tx.now)
    if said["verdict"] == "closed":
        raise PeriodClosed()
    if said["verdict"] == "gap":
        raise PeriodGap(first=f"{said['open_from'].astimezone(DOUALA):%Y-%m-%d}")
    last = await _all_ended(database, patience_seconds)
    async with database.transaction() as tx:
        if not (await call(tx, _COMPLETE, said["closing"], last, actor, tx.now))[0]:
            raise PeriodReopened()
    return last


async def _all_ended(database: Database, patience_seconds: float) -> int:
    """Wait for every transaction that is under way; the last journal that any of them can have written."""
    deadline = time.monotonic() + patience_seconds
    async with database.reading() as tx:
        before = await newest(tx)
        while not await all_ended(tx, before=before):
            if time.monotonic() > deadline:
                raise PostingsUnderWay()
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return await last_journal(tx)  # they may have taken their numbers while we waited


async def closed_until(tx: Tx) -> datetime | None:
    """What counts before this instant is closed; None while nothing is."""
    return await tx.value(text("SELECT nullif(closed_until, '-infinity') FROM books"))  # type: ignore[no-any-return]


async def history(tx: Tx) -> list[Event]:
    """Every closing and reopening, the oldest first."""
    return [Event(**row._mapping) for row in await tx.all(_HISTORY)]


def history_table(events: Sequence[Event], *, names: Mapping[str, str]) -> Table:
    """The history for `rendering.render`. `names`: what actors are called."""
    return Table(
        name="periods",
        facts={},
        columns=(
            Column("period"),
            Column("happened", words=True),
            Column("at"),
            Column("by"),
            Column("approved_by"),
            Column("reason"),
            Column("journal", number=True),
        ),
        rows=[_row(event, names) for event in events],
    )


def _row(x: Event, names: Mapping[str, str]) -> Row:
    approved_by = x.approved_by and names.get(x.approved_by, x.approved_by)
    return (x.period, x.event, x.at, names.get(x.actor, x.actor), approved_by, x.reason, x.journal_id)


# ---- reopening takes two ---------------------------------------------------------------------------------


async def propose_reopening(tx: Tx, *, period: Period, reason: str, by: UUID) -> Proposal:
    """Put it before another finance user. Raises NotTheLastPeriod, AlreadyProposed, InvalidInput."""
    last = await tx.value(_LATEST)
    if last != period.name:
        raise NotTheLastPeriod(last=last or "-")
    return await four_eyes.propose(tx, kind=REOPENING, subject=period.name, details={}, reason=reason, by=by)


async def reopen(tx: Tx, approved: Proposal) -> None:
    """Take the last closing back, in the transaction that approves it. Raises NotTheLastPeriod."""
    people = (f"staff:{approved.proposed_by}", f"staff:{approved.decided_by}")
    done = await call(tx, _REOPEN, approved.subject, *people, approved.reason, tx.now)
    if not done["done"]:
        raise NotTheLastPeriod(last=await tx.value(_LATEST) or "-")
