"""PostgreSQL: the pools of a process, and transactions that are opened in one visible place.

    async with database.transaction() as tx:
        order = await ordering.place(tx, ...)

Everything a write does (state, postings, events, jobs) happens on one `tx`, and nothing inside it talks to
the network.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Self

import asyncpg
import msgspec
from sqlalchemy import CursorResult, Executable, MetaData, Row, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from core.clock import Clock, SystemClock
from core.crypto import Keyring
from core.drivers import Drivers
from core.errors import GatewayError
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

# A lone statement outside a transaction (a cart being saved) may be lost with the server's last half second; what
# a transaction commits is durable.
_SESSION = {"lock_timeout": "5s", "statement_timeout": "15s", "synchronous_commit": "off"}

# Executed first in every transaction: SQLAlchemy's asyncpg dialect sends BEGIN only with its own first
# statement, so a raw call made before it would commit by itself.
_OPEN = text("SET LOCAL synchronous_commit = on")

_QUEUE_UP = text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")


class Tx:
    """An open transaction (or, as `Reading`, a connection without one) and what use cases need beside SQL."""

    def __init__(self, connection: AsyncConnection, database: "Database") -> None:
        self.connection = connection
        self.database = database
        self.settings: Settings = database.settings
        self.keys: Keyring = database.keys
        self.now: datetime = database.clock.now()

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return await self.connection.execute(statement, parameters)

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
        async with _keeping(self.connection.begin_nested()):
            yield

    async def queue_up(self, what: str) -> None:
        """Wait for every other transaction that queued up for `what`, and hold up those that come after."""
        await self.execute(_QUEUE_UP, {"what": what})

    async def driver(self) -> asyncpg.Connection:
        """The asyncpg connection of this same transaction, for the posting path and hot reads."""
        return (await self.connection.get_raw_connection()).driver_connection


class Reading(Tx):
    """Without a transaction, each statement for itself. Takes a connection only when it is first asked something.

    `driver` is lent by a pool of its own: from SQLAlchemy's it would cost several times the statement itself.
    """

    def __init__(self, database: "Database") -> None:
        super().__init__(database.autocommit.connect(), database)
        self._driver: asyncpg.Connection | None = None

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        if self.connection.sync_connection is None:
            await self.connection.start()
        return await self.connection.execute(statement, parameters)

    async def driver(self) -> asyncpg.Connection:
        if self._driver is None:
            self._driver = await self.database.drivers.take()
        return self._driver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._driver is not None:
            self.database.drivers.give_back(self._driver)
        if self.connection.sync_connection is not None:
            await self.connection.close()


class Database:
    """The pools, with the settings, keys and clock that transactions hand on: at most twice `connections`."""

    def __init__(
        self, url: str, *, settings: Settings, keys: Keyring, clock: Clock | None = None, connections: int = 10
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.clock: Clock = clock or SystemClock()
        self.url = url
        self.engine = create_async_engine(
            driver_url(url),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=10,
            connect_args={"server_settings": _SESSION},
            hide_parameters=True,  # an error's text is logged, and parameters hold what people typed
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
        )
        self.autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.drivers = Drivers(url, most=connections, session=_SESSION)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A READ COMMITTED transaction: commits at the end of the block, rolls back on any exception.

        Only a GatewayError that `keeps_writes` commits what was written before it, and is raised afterwards.
        """
        async with self.engine.connect() as connection, _keeping(connection.begin()):
            await connection.execute(_OPEN)
            yield Tx(connection, self)

    def reading(self) -> Reading:
        """A connection without the round trips of a transaction: for reads, and for drafts of one statement."""
        return Reading(self)

    async def close(self) -> None:
        await self.drivers.close()
        await self.engine.dispose()


@asynccontextmanager
async def _keeping(scope: AbstractAsyncContextManager[Any]) -> AsyncIterator[None]:
    """`scope`, which ends well also when a GatewayError that `keeps_writes` leaves it; that is raised afterwards."""
    refusal: GatewayError | None = None
    async with scope:
        try:
            yield
        except GatewayError as error:
            if not error.keeps_writes:
                raise
            refusal = error
    if refusal is not None:
        raise refusal


def driver_url(url: str) -> str:
    """`postgresql://…` (or `postgres://…`) as SQLAlchemy's asyncpg dialect wants it."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
