"""PostgreSQL: the pools of a process, and transactions that are opened in one visible place.

    async with database.transaction() as tx:
        order = await ordering.place(tx, ...)

Everything a write does (state, postings, events, jobs) happens on one `tx`, and nothing inside it talks to
the network.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

import asyncpg
import msgspec
from sqlalchemy import CursorResult, Executable, MetaData, Row, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from core.clock import Clock, SystemClock
from core.crypto import Keyring
from core.drivers import AWAY, Drivers
from core.errors import GatewayError
from core.lines import Line, Lines
from core.settings import Settings

# Every table of the product; alembic compares it with the migrations.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# PostgreSQL up to 17 takes a plan that goes against an `enable_…` setting for an enormous one, and would compile each
# call of the posting functions to machine code: a third of a second instead of a fifth of a millisecond.
_SESSION = {"lock_timeout": "5s", "statement_timeout": "15s", "synchronous_commit": "on", "jit": "off"}
# A lone statement on a bare driver connection (a cart being saved) may be lost with the server's last half second.
_HASTY = {"synchronous_commit": "off"}

_QUEUE_UP = text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")


class RolledBack(RuntimeError):
    """PostgreSQL had given the transaction up before its end: nothing of it was written."""


class Tx:
    """An open transaction (or, as `Reading`, a connection without one) and what use cases need beside SQL."""

    def __init__(self, database: "Database", line: Line | None = None) -> None:
        self._line = line
        self.database = database
        self.settings: Settings = database.settings
        self.keys: Keyring = database.keys
        self.now: datetime = database.clock.now()

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return await (await self._sql()).execute(statement, parameters)

    async def run(self, statement: Executable, parameters: Any = None) -> int:
        """Execute a write; the number of rows it touched."""
        return (await self.execute(statement, parameters)).rowcount

    async def all(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        return (await self.execute(statement, parameters)).all()

    async def first(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        """The first row, or None."""
        return (await self.execute(statement, parameters)).first()

    async def one(self, statement: Executable, parameters: Any = None) -> Row[Any]:
        """The only row; raises SQLAlchemy's NoResultFound otherwise."""
        return (await self.execute(statement, parameters)).one()

    async def value(self, statement: Executable, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A part of this transaction that an exception undoes alone, for a caller that goes on after a refusal.

        As in `Database.transaction`, a GatewayError that `keeps_writes` undoes nothing.
        """
        driver = await self.driver()
        await driver.execute("SAVEPOINT attempt")  # an inner one of the same name hides it until it is released
        try:
            yield
        except BaseException as error:
            keeps = isinstance(error, GatewayError) and error.keeps_writes
            await driver.execute("RELEASE attempt" if keeps else "ROLLBACK TO attempt; RELEASE attempt")
            raise
        await driver.execute("RELEASE attempt")

    async def queue_up(self, what: str) -> None:
        """Wait for every other transaction that queued up for `what`, and hold up those that come after."""
        await self.execute(_QUEUE_UP, {"what": what})

    async def driver(self) -> asyncpg.Connection:
        """The asyncpg connection of this same transaction, for the posting path and hot reads."""
        assert self._line is not None
        return self._line.driver

    async def _sql(self) -> AsyncConnection:
        assert self._line is not None
        return self._line.connection


class Reading(Tx):
    """Without a transaction, each statement for itself. Takes a connection only when it is first asked something.

    `driver` is lent by a pool of its own, so that one who reads may open a transaction and nobody waits in a circle.
    """

    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self._driver: asyncpg.Connection | None = None

    async def _sql(self) -> AsyncConnection:
        if self._line is None:
            self._line = await self.database.lines.take()
        return self._line.connection

    async def driver(self) -> asyncpg.Connection:
        if self._driver is None:
            self._driver = await self.database.drivers.take()
        return self._driver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._driver is not None:
            self.database.drivers.give_back(self._driver)
        if self._line is not None:
            self.database.lines.give_back(self._line)


class Database:
    """The pools, with the settings, keys and clock that transactions hand on: at most twice `connections`."""

    def __init__(
        self, url: str, *, settings: Settings, keys: Keyring, clock: Clock | None = None, connections: int = 10
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.clock: Clock = clock or SystemClock()
        self.url = url
        # As whom we act: without the right to write into the ledger (docs/decisions/0011).
        self.identity = {"role": settings.database_role} if settings.database_role else {}
        session = {**_SESSION, **self.identity}
        self.engine = create_async_engine(
            driver_url(url),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"server_settings": session},
            hide_parameters=True,  # an error's text is logged, and parameters hold what people typed
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
        )
        self.lines = Lines(self.engine, most=connections)
        self.drivers = Drivers(url, most=connections, session={**session, **_HASTY})

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A READ COMMITTED transaction: commits at the end of the block, rolls back on any exception.

        Only a GatewayError that `keeps_writes` commits what was written before it, and is raised afterwards.
        """
        line = await self._begin()
        try:
            yield Tx(self, line)
        except BaseException as error:
            if isinstance(error, GatewayError) and error.keeps_writes:
                await self._commit(line)
            else:
                await self._roll_back(line)
            raise
        await self._commit(line)

    async def _begin(self) -> Line:
        """A connection with an open transaction; one that was lost while it idled is replaced.

        Through the driver and before anything else can be sent: SQLAlchemy's asyncpg dialect would send BEGIN only with
        its own first statement, and a raw call made before it would commit by itself.
        """
        line = await self.lines.take()
        try:
            await line.begin()
        except AWAY:
            await self.lines.throw_away(line)
            line = await self.lines.take()
            await self._send(line, "BEGIN")
        except BaseException:
            await self.lines.throw_away(line)
            raise
        return line

    async def _commit(self, line: Line) -> None:
        """Raises RolledBack when a statement had failed and somebody went on regardless."""
        done = await self._send(line, "COMMIT")
        self.lines.give_back(line)
        if done != "COMMIT":
            raise RolledBack()

    async def _roll_back(self, line: Line) -> None:
        """Whatever went wrong before is what the caller hears of; a lost connection rolls back by itself."""
        try:
            await self._send(line, "ROLLBACK")
        except AWAY:
            return
        self.lines.give_back(line)

    async def _send(self, line: Line, command: str) -> str:
        """A command whose answer decides about the connection: without it nobody knows what is open on it."""
        try:
            return str(await line.driver.execute(command))
        except BaseException:
            await self.lines.throw_away(line)
            raise

    def reading(self) -> Reading:
        """A connection without the round trips of a transaction: for reads, and for drafts of one statement."""
        return Reading(self)

    async def close(self) -> None:
        await self.drivers.close()
        await self.lines.close()
        await self.engine.dispose()


def driver_url(url: str) -> str:
    """`postgresql://…` (or `postgres://…`) as SQLAlchemy's asyncpg dialect wants it."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
