"""Bare asyncpg connections for the reads of a USSD turn.

asyncpg's own pool resets a connection in a task of its own at every release, which costs as much as a short read.
These are only lent for statements that stand alone and leave nothing to reset.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

# As long as SQLAlchemy's pool is waited for, and as asyncpg waits for a server.
_WAIT_SECONDS = 10

# What says that the server is gone, or going. The internal error: its farewell came just when we began to speak.
AWAY = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)

_LOCKED = (asyncpg.LockNotAvailableError.sqlstate, asyncpg.DeadlockDetectedError.sqlstate)


def waited_in_vain(problem: BaseException) -> bool:
    """Whether others held what was needed too long, or in a circle: the same may succeed a moment later.

    Told by the driver, or by SQLAlchemy around it, which has no class of its own for that.
    """
    return getattr(getattr(problem, "orig", problem), "sqlstate", None) in _LOCKED


class Row(asyncpg.Record):  # type: ignore[misc]
    """A row whose columns are attributes, as SQLAlchemy's are: `fetchrow(..., record_class=Row)`."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Drivers:
    """At most `most` connections, made when they are needed and kept."""

    def __init__(self, url: str, *, most: int, session: Mapping[str, str]) -> None:
        self._url = url
        self._session = dict(session)
        self._idle: list[Any] = []  # the last used is lent first: its statements are prepared and its caches warm
        self._places = asyncio.Semaphore(most)

    async def take(self) -> asyncpg.Connection:
        """A connection; `give_back` must follow. Raises TimeoutError when none comes free."""
        if self._places.locked():
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._places.acquire()
        else:
            await self._places.acquire()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self.connect()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, connection: asyncpg.Connection) -> None:
        """A statement that was cancelled may still be running: the next one on its connection waits for its end."""
        self._idle.append(connection)
        self._places.release()

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().close()

    async def connect(self, **session: str) -> asyncpg.Connection:
        """A connection of the caller's own, beside the pool, with `session` settings on top of the pool's."""
        settings = {**self._session, **session}
        connection = await asyncpg.connect(self._url, timeout=_WAIT_SECONDS, server_settings=settings)
        for kind in ("json", "jsonb"):  # both ways as on SQLAlchemy's connections: text in, values out
            await connection.set_type_codec(kind, schema="pg_catalog", encoder=str, decoder=msgspec.json.decode)
        return connection
