"""The second door to the books: journals that stand alone share one call and one commit.

    poster = GroupedPosting(database)
    posted = await poster.post(Journal(key=..., kind="transfer", legs=[Leg(mine, yours, 500)]))

Whatever arrived during the last flush is the next batch; there is no timer. Each caller gets a verdict of its own, and
only after the commit. What belongs to a business row goes through `ledger.service` in that row's transaction.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from msgspec import Struct

from core.database import Database
from core.drivers import AWAY
from core.errors import GatewayError
from core.logs import logger
from ledger.errors import AccountMismatch, LedgerBusy, PostingUnknown
from ledger.journals import VERDICTS, Journal, Posted, check, fact, many, places

_POST = f"SELECT journal_ids, verdicts FROM post_journals({places(19)})"  # noqa: S608 - placeholders only
# A second flush is put together and written while the first one commits. More only queue up behind each other.
_LANES = 2
_MOST = 500
_REST_SECONDS = 0.2  # before a lost connection is made anew

log = logger(__name__)


class _Waiting(Struct, eq=False):
    journal: Journal
    verdict: asyncio.Future[Posted]

    def answer(self, outcome: Posted | Exception) -> None:
        """Tell the caller, if they still wait; what they asked for is written all the same."""
        if self.verdict.done():
            return
        if isinstance(outcome, Posted):
            self.verdict.set_result(outcome)
        else:
            self.verdict.set_exception(outcome)


class GroupedPosting:
    """One per process. `close` writes what still waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._busy = 0  # lanes that are writing
        self._closing = False
        self._lanes: list[asyncio.Task[None]] = []

    async def post(self, journal: Journal) -> Posted:
        """Write one journal; see `ledger.service.post`. A caller that stops waiting takes nothing back.

        Raises LedgerBusy when too many wait already or an account stays locked (nothing was written), PostingUnknown
        when the database was lost while it answered, and otherwise as `ledger.service.post` does.
        """
        settings = self._database.settings
        check(journal, now=self._database.clock.now(), future_days=settings.ledger_future_days)
        if self._closing or len(self._queue) >= settings.ledger_queue:
            raise LedgerBusy()
        if not self._lanes:
            self._lanes = [asyncio.create_task(self._work()) for _ in range(_LANES)]
        waiting = _Waiting(journal, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        return await waiting.verdict

    async def close(self) -> None:
        """Take nothing new, and return when everything that waits has its verdict."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._lanes)

    # -- the lanes

    async def _work(self) -> None:
        connection: Any = None
        while await self._something_waits():
            batch = self._take()
            self._busy += 1
            try:
                if connection is None or connection.is_closed():
                    connection = await self._database.drivers.connect(synchronous_commit="on")
                await self._flush(connection, batch)
            except (*AWAY, OSError, TimeoutError):
                log.warning("ledger.lost_connection", journals=len(batch))
                self._answer_all(batch, PostingUnknown())
                await asyncio.sleep(_REST_SECONDS)
            except Exception as problem:
                log.exception("ledger.flush", journals=len(batch))
                self._answer_all(batch, problem)
            finally:
                self._busy -= 1
        if connection is not None:
            with suppress(*AWAY, OSError):
                await connection.close()

    async def _something_waits(self) -> bool:
        """True when there is a batch to take; False when there will never be one again."""
        while not self._queue:
            if self._closing:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    def _take(self) -> list[_Waiting]:
        """The next batch: half of what waits when another lane is free for the rest. One journal per key."""
        free = _LANES - self._busy
        wanted = min(_MOST, -(-len(self._queue) // free))
        batch: dict[str, _Waiting] = {}
        repeats: list[_Waiting] = []
        while self._queue and len(batch) < wanted:
            waiting = self._queue.popleft()
            if batch.setdefault(waiting.journal.key, waiting) is not waiting:
                repeats.append(waiting)
        self._queue.extendleft(reversed(repeats))
        return list(batch.values())

    async def _flush(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """Write the batch as if all were well; when it is not, have each journal judged."""
        try:
            await self._write(connection, batch, judging=False)
        except (asyncpg.PostgresError, AccountMismatch) as problem:
            if isinstance(problem, AWAY):
                raise
            if len(batch) == 1:
                self._answer_all(batch, _reason(problem))
            elif fact(problem) is None if isinstance(problem, asyncpg.PostgresError) else True:
                await self._each(connection, batch)
            else:
                await self._judge(connection, batch)

    async def _judge(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """Write those that can be posted, in their order; one caller's refusal never fails another's journal."""
        try:
            await self._write(connection, batch, judging=True)
        except asyncpg.PostgresError as problem:
            if isinstance(problem, AWAY):
                raise
            await self._each(connection, batch)

    async def _each(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """One after the other: an account that somebody keeps locked holds up only those who need it."""
        for waiting in batch:
            try:
                await self._write(connection, [waiting], judging=False)
            except asyncpg.PostgresError as problem:
                if isinstance(problem, AWAY):
                    raise
                waiting.answer(_reason(problem))

    async def _write(self, connection: Any, batch: Sequence[_Waiting], *, judging: bool) -> None:
        now = self._database.clock.now()
        row = await connection.fetchrow(_POST, judging, *many([waiting.journal for waiting in batch], now=now))
        for waiting, id, verdict in zip(batch, row[0], row[1], strict=True):
            refusal = VERDICTS.get(verdict)
            waiting.answer(refusal() if refusal else Posted(id, verdict == 1))

    def _answer_all(self, batch: Sequence[_Waiting], outcome: Exception) -> None:
        for waiting in batch:
            waiting.answer(outcome)


def _reason(problem: asyncpg.PostgresError | GatewayError) -> Exception:
    """What the caller is told: the business fact, where there is one."""
    if isinstance(problem, GatewayError):
        return problem
    return fact(problem) or problem
