"""SQLAlchemy connections that stay open, each with the driver connection under it.

Checking a connection out of SQLAlchemy's pool and in again costs more than a short transaction's own statements. These
are in autocommit as far as SQLAlchemy knows; whoever takes one sends BEGIN and COMMIT through the driver.
"""

import asyncio

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# As long as asyncpg waits for a server.
_WAIT_SECONDS = 10


class Line:
    """One connection, from both sides."""

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        self.connection = connection
        self.driver = driver

    async def begin(self) -> None:
        """Open a transaction. Raises one of `drivers.AWAY` when the server is not there."""
        await self.driver.execute("BEGIN")


class Lines:
    """At most `most` of them, made when they are needed and kept."""

    def __init__(self, engine: AsyncEngine, *, most: int) -> None:
        self._engine = engine
        self._idle: list[Line] = []  # the last used is lent first: its statements are prepared and its caches warm
        self._places = asyncio.Semaphore(most)

    async def take(self) -> Line:
        """A connection; `give_back` or `throw_away` must follow. Raises TimeoutError when none comes free."""
        if self._places.locked():
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._places.acquire()
        else:
            await self._places.acquire()
        try:
            while self._idle:
                line = self._idle.pop()
                if not line.driver.is_closed():
                    return line
                await line.connection.invalidate()
                await line.connection.close()
            return await self.make()
        except BaseException:
            self._places.release()
            raise

    async def make(self) -> Line:
        """A new one, in the place of one that was thrown away."""
        connection = await self._engine.connect()
        return Line(connection, (await connection.get_raw_connection()).driver_connection)

    def give_back(self, line: Line) -> None:
        """What SQLAlchemy takes for a transaction was never one to the server, so ending it sends nothing."""
        sync = line.connection.sync_connection
        if sync is not None and sync.in_transaction():
            sync.rollback()
        self._idle.append(line)
        self._places.release()

    async def throw_away(self, line: Line) -> None:
        """Close a connection in an unknown state, for good."""
        try:
            line.driver.terminate()
            await line.connection.invalidate()
            await line.connection.close()
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().connection.close()
