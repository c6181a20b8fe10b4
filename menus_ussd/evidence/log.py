"""Writes the events: kept in memory for a second, then copied to the database in one go.

A turn never waits for it and never fails by it. A killed process loses the last second; when the database is away the
newest events are kept, as many as there is room for, and the rest is counted in the log.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct, structs
from sqlalchemy import delete

from core.database import Database
from core.logs import logger
from core.texts import LOCALES
from menus_ussd.evidence.tables import ussd_event

FLUSH_SECONDS = 1.0
MOST_EVENTS = 20_000  # in memory
_SWEPT = 10_000  # rows forgotten in one statement

Outcome = Literal[
    "begun",  # a dial
    "answered",  # the answer fitted, and the conversation went on or ended
    "refused",  # it did not, and the page was shown again with the reason
    "turned",  # back, home, or another page of the same question
    "repeated",  # the request was known, and so was its answer
    "closed",  # an end outside of the conversation: dial again, too slow, trouble, maintenance
    "abort",  # the aggregator's word that the session is over
    "timeout",
]

log = logger(__name__)


class Event(Struct, frozen=True, kw_only=True):
    """One turn, or the end of a session. The fields are the table's columns."""

    at: datetime
    session_ref: str
    run_ref: str | None = None
    dialect: str
    network: str | None = None
    language: str | None = None
    journey: str | None = None
    answered: str | None = None
    shown: str
    asks: bool
    outcome: Outcome
    page: int = 1
    septets: int = 0
    ms: float = 0.0
    variants: list[str] = []
    version: str = ""


COLUMNS = tuple(field.name for field in structs.fields(Event))


class Evidence(Protocol):
    """Where events go."""

    def note(self, event: Event) -> None:
        """Keep it; returns at once and raises nothing."""

    async def close(self) -> None: ...


class Nowhere:
    """For engines whose callers are not real: tests, and the walker."""

    def note(self, event: Event) -> None:
        pass

    async def close(self) -> None:
        pass


class EventLog:
    """Events of this process on their way to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: list[Event] = []
        self._lost = 0
        self._flushing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, event: Event) -> None:
        if len(self._kept) >= MOST_EVENTS:
            self._lost += 1
            return
        self._kept.append(event)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        while self._kept and not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what is kept; what cannot be written is kept on."""
        if self._lost:
            log.warning("ussd_events_lost", events=self._lost)
            self._lost = 0
        events, self._kept = self._kept, []
        try:
            async with self._database.transaction() as tx:
                driver = await tx.driver()
                await driver.copy_records_to_table(
                    ussd_event.name, records=map(structs.astuple, events), columns=COLUMNS
                )
        except Exception as problem:  # whatever it is, callers go on calling
            log.warning("ussd_events_wait", events=len(events), problem=type(problem).__name__)
            room = MOST_EVENTS - len(self._kept)
            self._lost += max(0, len(events) - room)
            self._kept = [*events[-room:], *self._kept] if room > 0 else self._kept

    async def close(self) -> None:
        """Write the last ones, once those that are being written are done: broken off, they would be lost."""
        self._closing.set()
        if self._flushing is not None:
            await self._flushing
        if self._kept:
            await self.flush()


@cache
def version() -> str:
    """Names what callers talk to: it changes with the journeys and with the catalogues."""
    journeys = Path(__file__).parent.parent / "journeys"
    files = sorted([*journeys.rglob("*.py"), *LOCALES.rglob("*.po")])
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


async def forget(database: Database) -> int:
    """Remove what is older than it may become, some at a time; how many rows. For a sweep."""
    async with database.transaction() as tx:
        before = tx.now - timedelta(days=tx.settings.ussd_event_days)
        old = ussd_event.select().with_only_columns(ussd_event.c.id).where(ussd_event.c.at < before).limit(_SWEPT)
        rows = await tx.all(delete(ussd_event).where(ussd_event.c.id.in_(old)).returning(ussd_event.c.id))
    return len(rows)
