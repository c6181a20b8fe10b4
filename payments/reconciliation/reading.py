"""What a provider says of a day: its own list, or, where it keeps none, what it says of each of our attempts.

One attempt that cannot be read holds nothing else up: it is read on by itself, as after a callback, for a week.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, func, or_, select, update

from core.clock import DOUALA, business_day
from core.database import Database
from core.logs import logger
from payments.attempts import spoken
from payments.pace import Pace
from payments.providers.protocol import HistoryLine, Provider, Record
from payments.states import Kind
from payments.tables import attempt

# Times that an attempt is asked for until it is left to others.
_ROUNDS = 3

log = logger(__name__)


class Listed(msgspec.Struct, frozen=True):
    """Lines to compare. Of the attempts `unread` nothing is known now: they are not missing there."""

    lines: list[HistoryLine]
    unread: frozenset[UUID] = frozenset()


async def listed(database: Database, provider: Provider, day: date) -> Listed | None:
    """The provider's list of the days around `day`, or what it says of each attempt where it keeps no list.

    None when nothing could be read.
    """
    name = provider.capabilities.name
    if not provider.capabilities.history:
        return await _one_by_one(database, provider, day)
    since = await _begun(database, name, day) - timedelta(days=1)
    lines = await provider.history(since=since, until=day + timedelta(days=1))
    return None if lines is None else Listed(lines)


async def _one_by_one(database: Database, provider: Provider, day: date) -> Listed | None:
    async with database.reading() as tx:
        of_day = attempt.c.provider == provider.capabilities.name, attempt.c.provider_ref.is_not(None)
        rows = await tx.all(select(attempt).where(*of_day, or_(*_within(day))))
    lines, left, pace = [], list(rows), Pace(provider.capabilities.reads_per_second)
    for _ in range(_ROUNDS):
        asked, left = left, []
        for row in asked:
            await pace.turn()
            record = await provider.read(row.provider_ref, spoken(Kind(row.kind), row.returns))
            if record is None:
                left.append(row)
            else:
                lines.append(_line(row, record))
    if left and not lines:
        return None
    await _read_on(database, [row.id for row in left])
    return Listed(lines, frozenset(row.id for row in left))


async def _read_on(database: Database, unread: Sequence[UUID]) -> None:
    """Leave these to those who read attempts anyway: on the schedule of one that has just been sent."""
    for attempt_id in unread:
        log.warning("payments.reconciliation_unread_attempt", attempt=str(attempt_id))
        async with database.transaction() as tx:
            over = attempt.c.id == attempt_id, attempt.c.next_check_at.is_(None)
            await tx.run(update(attempt).where(*over).values(next_check_at=tx.now, reads=0))


async def _begun(database: Database, name: str, day: date) -> date:
    """When the oldest of what was booked on `day` went out: a list may have it there, long before we learned of it."""
    booked, _ = _within(day)
    oldest = select(func.min(attempt.c.sent_at)).where(attempt.c.provider == name, booked)
    async with database.reading() as tx:
        sent_at: datetime | None = await tx.value(oldest)
    return business_day(sent_at) if sent_at is not None else day


def _within(day: date) -> tuple[Any, ...]:
    """What ended or went out on `day` of Douala."""
    begin = datetime.combine(day, time(), DOUALA)
    end = begin + timedelta(days=1)
    return tuple(column.between(begin, end) for column in (attempt.c.settled_at, attempt.c.sent_at))


def _line(row: Row[Any], record: Record) -> HistoryLine:
    """What a provider without a list says of one attempt, as its list would."""
    return HistoryLine(
        ref=record.ref,
        our_id=str(row.id),
        at=row.settled_at or row.sent_at,
        word=record.word,
        collects=row.kind == Kind.COLLECT,
        amount=record.amount if record.amount is not None else Decimal(row.received_xaf or 0),
        fee=None,
        phone=record.phone,
        carrier=record.carrier,
    )
