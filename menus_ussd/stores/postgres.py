"""Sessions in an unlogged table of PostgreSQL, for several web processes without Redis: two statements a turn.

A turn holds its session by a lease in the row, not by a row lock: a lock would keep a transaction and its connection
for as long as the journey runs, which needs connections itself, and a hundred slow turns would empty the pool. The
lease costs nothing more, since claim and commit have a statement each anyway.

Leases and life times go by the database's clock, the only one that all processes share; nothing of the business does.
"""

import asyncio
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from core import logs
from core.database import Database
from core.drivers import AWAY
from menus_ussd import session as codec
from menus_ussd.session import Session
from menus_ussd.stores import LEASE_SECONDS, WAIT_STEP_SECONDS, LeaseLost
from menus_ussd.stores.tables import ussd_session  # noqa: F401 - what the statements below are about

log = logs.logger(__name__)

_NEWEST = """
    SELECT packed FROM ussd_session
    WHERE phone_index = {phone_index} AND packed IS NOT NULL AND expires_at > clock_timestamp()
    ORDER BY expires_at DESC LIMIT 1
"""
_PRIOR = _NEWEST.format(phone_index="$1")

# No row: somebody else has the lease. A session that is not there needs a row, too, for the lease to stand in.
_CLAIM = f"""
    WITH held AS (
        INSERT INTO ussd_session AS kept (id, phone_index, expires_at, lease, leased_until)
        VALUES ($1, $2, clock_timestamp() + $4, $3, clock_timestamp() + $4)
        ON CONFLICT (id) DO UPDATE SET lease = $3, leased_until = clock_timestamp() + $4
            WHERE kept.lease IS NULL OR kept.leased_until <= clock_timestamp()
        RETURNING CASE WHEN expires_at > clock_timestamp() THEN packed END AS packed
    )
    SELECT packed, CASE WHEN packed IS NULL THEN ({_NEWEST.format(phone_index="$2")}) END AS prior FROM held
"""  # noqa: S608 - made of constants

_COMMIT = """
    UPDATE ussd_session
    SET phone_index = $3, packed = $4, expires_at = clock_timestamp() + $5, lease = NULL, leased_until = NULL
    WHERE id = $1 AND lease = $2 AND leased_until > clock_timestamp()
"""

_RELEASE = """
    WITH unused AS (DELETE FROM ussd_session WHERE id = $1 AND lease = $2 AND packed IS NULL)
    UPDATE ussd_session SET lease = NULL, leased_until = NULL WHERE id = $1 AND lease = $2 AND packed IS NOT NULL
"""

_EXPIRE = """
    DELETE FROM ussd_session
    WHERE expires_at <= clock_timestamp() AND (lease IS NULL OR leased_until <= clock_timestamp())
"""

_ANY = "SELECT EXISTS (SELECT FROM ussd_session WHERE packed IS NOT NULL AND expires_at > clock_timestamp())"


class PostgresSessionStore:
    """The same behaviour as in process, shared by all web processes."""

    def __init__(self, database: Database, *, ttl_seconds: float, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._ttl = timedelta(seconds=ttl_seconds)
        self._lease = timedelta(seconds=lease_seconds)

    def claim(self, session_id: str, phone_index: bytes = b"") -> "PostgresClaim":
        return PostgresClaim(self, session_id, phone_index)

    @property
    def terms(self) -> tuple[timedelta, timedelta]:
        """How long a lease lasts, and how long a session is kept."""
        return self._lease, self._ttl

    async def ask(self, statement: str, *arguments: Any) -> Any:
        """The first row that a statement gives, on a connection that is lent for no longer."""
        async with self._database.reading() as tx:
            return await (await tx.driver()).fetchrow(statement, *arguments)

    async def tell(self, statement: str, *arguments: Any) -> int:
        """How many rows a statement changed."""
        async with self._database.reading() as tx:
            return _rows(await (await tx.driver()).execute(statement, *arguments))

    async def holds_any(self) -> bool:
        """Whether any caller may come back to a session in here."""
        return bool((await self.ask(_ANY))[0])

    async def close(self) -> None:
        """The connections are the database's."""


class PostgresClaim:
    """A held session of a PostgresSessionStore."""

    def __init__(self, store: PostgresSessionStore, session_id: str, phone_index: bytes) -> None:
        self.session: Session | None = None
        self._store = store
        self._id = session_id
        self._phone_index = phone_index
        self._token: UUID = uuid4()
        self._prior: Session | None = None
        self._committed = False

    async def __aenter__(self) -> Self:
        """Take the lease, after whoever holds it."""
        lease, _ = self._store.terms
        while True:
            if row := await self._store.ask(_CLAIM, self._id, self._phone_index, self._token, lease):
                break
            await asyncio.sleep(WAIT_STEP_SECONDS)
        self.session, self._prior = codec.readable(row[0]), codec.readable(row[1])
        return self

    async def prior(self) -> Session | None:
        if self.session is None:
            return self._prior
        row = await self._store.ask(_PRIOR, self._phone_index)
        return codec.readable(row[0]) if row else None

    async def commit(self, session: Session) -> None:
        _, ttl = self._store.terms
        packed = codec.encode(session)
        if not await self._store.tell(_COMMIT, self._id, self._token, session.phone_index, packed, ttl):
            raise LeaseLost()
        self._committed = True

    async def __aexit__(self, *_: object) -> None:
        """Let the next turn go on at once. If even that fails, it goes on when the lease has run out."""
        if self._committed:
            return
        try:
            await self._store.tell(_RELEASE, self._id, self._token)
        except (OSError, *AWAY) as problem:
            log.warning("ussd_lease_left", problem=type(problem).__name__)


async def expire(database: Database) -> int:
    """Forget the sessions that nobody can come back to; how many."""
    async with database.reading() as tx:
        return _rows(await (await tx.driver()).execute(_EXPIRE))


def _rows(status: str) -> int:
    """From the driver's `UPDATE 1`."""
    return int(status.rpartition(" ")[2])
