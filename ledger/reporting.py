"""What a report is: a name, what it asks for, its columns, and a function that yields its rows.

    PROVIDER_FEES = Report(name="provider-fees", asks="period", columns=(…), rows=selected("SELECT …"))

Everything else, from the server's cursor to the formats of `ledger.rendering`, is the same for all of them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal
from zlib import crc32

from msgspec import Struct
from sqlalchemy import TextClause, text

from core.clock import DOUALA
from core.database import Database, Tx
from core.errors import InvalidInput
from ledger.rendering import FORMATS, Column, Facts, Row, Table, Writer

BEGINNING = datetime(1970, 1, 1, tzinfo=DOUALA)  # before every posting, and a midnight

# An inclusive end is the last instant before an exclusive one: PostgreSQL counts microseconds.
TICK = timedelta(microseconds=1)

_CHUNK_ROWS = 1000
_SNAPSHOT = (
    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"),
    text("SET LOCAL statement_timeout = '5min'"),
    text("SET LOCAL cursor_tuple_fraction = 1"),  # a plan for the whole result, not for its first tenth
)

Rows = AsyncIterator[Row]


class Asked(Struct, frozen=True):
    """What somebody wants to know: from `since` to before `until`, about one account or order."""

    since: datetime
    until: datetime
    subject: str = ""


async def no_facts(_tx: Tx, _asked: Asked) -> Facts:
    """Above the rows stands the time only."""
    return {}


class Report(Struct, frozen=True, kw_only=True):
    """One report. `name` is what people type; its title is the catalogue's `report.<key>`.

    It asks for a day, and then counts everything before that day's end, or for a period; some are about a `subject`.
    `also` are formats that only this one has.
    """

    name: str
    asks: Literal["day", "period"]
    columns: tuple[Column, ...]
    rows: Callable[[Tx, Asked], Rows]
    subject: Literal["account", "order"] | None = None
    facts: Callable[[Tx, Asked], Awaitable[Facts]] = no_facts
    also: Mapping[str, type[Writer]] = {}

    @property
    def key(self) -> str:
        """The name as catalogues and programs spell it."""
        return self.name.replace("-", "_")

    @property
    def formats(self) -> Mapping[str, type[Writer]]:
        """Everything it can be written as."""
        return {**FORMATS, **self.also}


# ---- columns that many have ------------------------------------------------------------------------------

CURRENCY = Column("currency")
KIND = Column("kind", words=True)


def money(key: str, *, total: bool = True, blank: bool = False) -> Column:
    """Amounts."""
    return Column(key, number=True, money=True, total=total, blank=blank)


def count(key: str, *, total: bool = True) -> Column:
    """How many."""
    return Column(key, number=True, total=total)


# ---- making one ------------------------------------------------------------------------------------------


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Tx]:
    """A transaction that only reads, and sees one instant however long it takes."""
    async with database.transaction() as tx:
        for setting in _SNAPSHOT:
            await tx.execute(setting)
        yield tx


async def write(
    tx: Tx, report: Report, asked: Asked, *, form: str, language: str
) -> AsyncGenerator[tuple[int, bytes], None]:
    """The report in one of its formats, piece by piece, each with the number of rows so far; `tx` is a `snapshot`.

    Raises InvalidInput where `asked` does not say what the report is about, ReportTooLong where the format ends, and
    what the report itself raises.
    """
    writer = report.formats[form](await head(tx, report, asked), language)
    rows = 0
    async for chunk in _chunks(report.rows(tx, asked)):
        rows += len(chunk)
        yield rows, writer.rows(chunk)
    for piece in await asyncio.to_thread(lambda: writer.end()):
        yield rows, piece


async def whole(tx: Tx, report: Report, asked: Asked) -> Table:
    """The report with all its rows in memory."""
    table = await head(tx, report, asked)
    rows = [row async for row in report.rows(tx, asked)]
    return Table(table.name, table.facts, table.columns, rows, made_at=table.made_at)


async def head(tx: Tx, report: Report, asked: Asked) -> Table:
    """The report without its rows. Raises InvalidInput."""
    if report.subject and not asked.subject:
        raise InvalidInput(field=report.subject)
    last = asked.until - TICK
    since: Facts = {"since": asked.since} if asked.since > BEGINNING else {}
    about: Facts = {"as_of": last} if report.asks == "day" else since | {"until": last}
    return Table(report.key, about | await report.facts(tx, asked), report.columns, made_at=last)


async def _chunks(rows: Rows) -> AsyncIterator[Sequence[Row]]:
    chunk: list[Row] = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) >= _CHUNK_ROWS:
            yield chunk
            chunk = []
    yield chunk


# ---- where rows come from --------------------------------------------------------------------------------


async def stream(tx: Tx, query: TextClause, parameters: Mapping[str, object]) -> AsyncIterator[tuple[Any, ...]]:
    """The rows of `query`, fetched from the server by and by."""
    # A name of the query's own: the driver remembers which columns a statement gives by the statement's text.
    cursor = f"report_{crc32(query.text.encode()):08x}"
    await tx.execute(text(f"DECLARE {cursor} NO SCROLL CURSOR FOR {query.text}"), parameters)
    while chunk := await tx.all(text(f"FETCH {_CHUNK_ROWS} FROM {cursor}")):
        for row in chunk:
            yield tuple(row)
    await tx.execute(text(f"CLOSE {cursor}"))


def selected(sql: str, **fixed: object) -> Callable[[Tx, Asked], Rows]:
    """The rows of one statement. It may name :since, :until and :subject, and whatever is `fixed`."""
    query = text(sql)

    def rows(tx: Tx, asked: Asked) -> Rows:
        known = {"since": asked.since, "until": asked.until, "subject": asked.subject, **fixed}
        return stream(tx, query, {name: value for name, value in known.items() if f":{name}" in sql})

    return rows
