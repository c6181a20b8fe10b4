"""Maintenance: while it is on, callers are told to come back later, and what they had begun waits for them.

The worker goes on, and so do the payment providers' callbacks. A setting (`closed`) or the newest row of a table
turns it on; every row says who did it and why, and stays.
"""

import asyncio
from datetime import datetime
from time import monotonic
from weakref import WeakKeyDictionary

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Table, Text, insert, select
from sqlalchemy.exc import SQLAlchemyError

from core import drivers
from core.clock import DOUALA, business_day
from core.database import Database, Tx, metadata
from core.errors import GatewayError, InvalidInput
from core.logs import logger

# A database that is worked on may not answer: nobody waits longer to learn whether we are open.
PATIENCE_SECONDS = 1.0
LATER_SECONDS = 300  # when to come back, where nobody knows
REASON_LENGTH = 200

maintenance_switch = Table(
    "maintenance_switch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("until", DateTime(timezone=True)),  # what callers are told; it ends when somebody ends it
    Column("reason", Text, nullable=False),
    Column("thrown_by", Text, nullable=False),
    Column("thrown_at", DateTime(timezone=True), nullable=False),
)

log = logger(__name__)


class Maintenance(Struct, frozen=True):
    """What the switch says."""

    is_on: bool
    until: datetime | None = None
    reason: str = ""
    thrown_by: str = ""
    thrown_at: datetime | None = None


class UnderMaintenance(GatewayError):
    """Come back in `retry_after_seconds`."""

    status = 503
    text_key = "error.maintenance"
    retryable = True


OPEN = Maintenance(is_on=False)
CLOSED = Maintenance(is_on=True)


async def throw(tx: Tx, *, on: bool, until: datetime | None = None, reason: str, by: str) -> Maintenance:
    """Turn maintenance on or off. Raises InvalidInput for a reason that is empty or too long, an end that is past."""
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_LENGTH:
        raise InvalidInput(field="reason")
    if until is not None and (not on or until <= tx.now):
        raise InvalidInput(field="until")
    thrown = Maintenance(on, until, reason, by, tx.now)
    row = {"is_on": on, "until": until, "reason": reason, "thrown_by": by, "thrown_at": tx.now}
    await tx.run(insert(maintenance_switch).values(row))
    return thrown


async def history(tx: Tx, *, limit: int = 20) -> list[Maintenance]:
    """Who threw the switch, newest first; the first is what holds."""
    columns = [maintenance_switch.c[name] for name in Maintenance.__struct_fields__]
    newest = select(*columns).order_by(maintenance_switch.c.id.desc()).limit(limit)
    return [Maintenance(**row._mapping) for row in await tx.all(newest)]


async def current(database: Database) -> Maintenance:
    """What holds now, as this process has known it for at most a second."""
    return CLOSED if database.settings.closed else await _knowledge_of(database).current()


class _Knowledge:
    """What a process knows of the switch. One asks for all; what cannot be asked is as it was."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = OPEN
        self._good_until = 0.0

    async def current(self) -> Maintenance:
        if monotonic() >= self._good_until:
            self._good_until = monotonic() + self._database.settings.maintenance_age_seconds
            try:
                async with asyncio.timeout(PATIENCE_SECONDS), self._database.reading() as tx:
                    self._known = next(iter(await history(tx, limit=1)), OPEN)
            except (OSError, SQLAlchemyError, *drivers.AWAY) as problem:
                log.warning("maintenance_unknown", problem=type(problem).__name__)
        return self._known


_of_database: "WeakKeyDictionary[Database, _Knowledge]" = WeakKeyDictionary()


def _knowledge_of(database: Database) -> _Knowledge:
    found = _of_database.get(database)
    if found is None:
        found = _of_database[database] = _Knowledge(database)
    return found


class Sorry(Struct, frozen=True):
    """What callers are told: a text key and its parameters."""

    key: str
    params: dict[str, str] = {}


def sorry(state: Maintenance, now: datetime, *, key: str = "error.maintenance") -> Sorry:
    """`key`, or `<key>_until` with the `time` of Douala at which to come back if that is known and ahead."""
    if state.until is None or state.until <= now:
        return Sorry(key)
    there = state.until.astimezone(DOUALA)
    shape = "%H:%M" if business_day(now) == there.date() else "%d/%m %H:%M"
    return Sorry(f"{key}_until", {"time": there.strftime(shape)})


def retry_after_seconds(state: Maintenance, now: datetime) -> int:
    """When a program should ask again."""
    return max(1, int((state.until - now).total_seconds())) if state.until and state.until > now else LATER_SECONDS
