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
import msgspec
from msgspec import Struct

from core.database import Database
from core.drivers import AWAY
from core.effects import KeyReused
from core.errors import GatewayError
from core.logs import logger
from ledger.errors import LedgerBusy, PostingUnknown
from ledger.journals import MAX_LEGS_TOGETHER, VERDICTS, Journal, Posted, check, fact, many, places, same_request

_LOOK = "SELECT locked_accounts($1)"
_POST = f"SELECT journal_ids, verdicts FROM post_journals($1, false, {places(18, first=2)})"  # noqa: S608 - placeholders only
# A second flush is put together and written while the first one commits, where there is enough for both (a flush pays
# as much for itself as for some five journals) or the first one takes long. More lanes only queue up behind each other.
_LANES = 2
_ENOUGH = 64
_LONG_SECONDS = 0.02
_MOST = 500
_REST_SECONDS = 0.2  # before a lost connection is made anew

# A flush waits for nobody's lock longer than this; who needs an account that stays locked is set aside and looks again.
_SESSION = {"synchronous_commit": "on", "lock_timeout": "100ms"}
_LOST = (*AWAY, OSError, TimeoutError)
_LOCKED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_LOOK_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0  # as long as a transaction waits for a lock

log = logger(__name__)


class _Waiting(Struct, eq=False):
    """A caller and what they want posted. Those who come later with the same key wait behind the first."""

    journal: Journal
    verdict: asyncio.Future[Posted]
    batch: list["_Waiting"] | None = None  # that a lane is writing just now
    alone: bool = False  # somebody keeps its key locked: it is written by itself
    give_up_at: float | None = None  # on the loop's clock; set when it was first set aside
    repeats: list["_Waiting"] = msgspec.field(default_factory=list)

    def tell(self, outcome: Posted | Exception) -> None:
        """The verdict, to a caller who still waits; what they asked for is written all the same."""
        self.batch = None
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
        self._under_way: dict[str, _Waiting] = {}  # by key, from the call to the verdict: queued, written or set aside
        self._callers = 0
        self._arrived = asyncio.Event()
        self._busy = 0  # lanes that are writing
        self._waiting_since = 0.0  # for them, the queue as it is now; on the loop's clock
        self._locked: frozenset[str] = frozenset()  # accounts that somebody else kept locked when we last looked
        self._turn = asyncio.Lock()  # then one lane writes at a time, so that they do not take each other for strangers
        self._closing = False
        self._lanes: list[asyncio.Task[None]] = []

    async def post(self, journal: Journal) -> Posted:
        """Write one journal; see `ledger.service.post`. A caller that stops waiting takes nothing back.

        Journals under one key are judged in the order of their calls. Raises LedgerBusy when too many wait already, an
        account stays locked or the database is not there (nothing was written), PostingUnknown when it was lost while
        it answered, and otherwise as `ledger.service.post` does.
        """
        settings = self._database.settings
        check(journal, now=self._database.clock.now(), future_days=settings.ledger_future_days)
        if self._closing or self._callers >= settings.ledger_queue:
            raise LedgerBusy()
        if not self._lanes:
            self._lanes = [asyncio.create_task(self._work()) for _ in range(_LANES)]
        waiting = _Waiting(journal, asyncio.get_running_loop().create_future())
        self._callers += 1
        first = self._under_way.setdefault(journal.key, waiting)
        if first is waiting:
            self._wait_in_line([waiting])
        else:
            first.repeats.append(waiting)
        return await waiting.verdict

    async def close(self) -> None:
        """Take nothing new, and return when everything that waits has its verdict."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._lanes)

    # -- verdicts

    def _answer(self, waiting: _Waiting, outcome: Posted | Exception) -> None:
        """Tell the caller, and those who came with the same key; after a refusal the next of them has a try."""
        self._callers -= 1
        waiting.tell(outcome)
        del self._under_way[waiting.journal.key]
        if isinstance(outcome, Posted):
            self._callers -= len(waiting.repeats)
            for repeat in waiting.repeats:
                same = same_request(waiting.journal, repeat.journal)
                repeat.tell(Posted(outcome.journal_id, replayed=True) if same else KeyReused())
        elif waiting.repeats:
            following, *waiting.repeats = waiting.repeats
            following.repeats = waiting.repeats
            self._under_way[following.journal.key] = following
            self._wait_in_line([following])
        if self._closing and not self._under_way:
            self._arrived.set()

    def _answer_all(self, batch: list[_Waiting], outcome: type[GatewayError] | Exception) -> None:
        """Those who have no verdict yet and were not set aside."""
        for waiting in batch:
            if waiting.batch is batch:
                self._answer(waiting, outcome() if isinstance(outcome, type) else outcome)

    def _set_aside(self, several: Sequence[_Waiting]) -> None:
        """They come again in a moment, as long as they have patience."""
        loop = asyncio.get_running_loop()
        patient = []
        for waiting in several:
            waiting.give_up_at = waiting.give_up_at or loop.time() + _PATIENCE_SECONDS
            if waiting.give_up_at > loop.time():
                waiting.batch = None
                patient.append(waiting)
            else:
                self._answer(waiting, LedgerBusy())
        loop.call_later(_LOOK_AGAIN_SECONDS, self._wait_in_line, patient)

    # -- the lanes

    async def _work(self) -> None:
        connection: Any = None
        while batch := await self._next():
            self._busy += 1
            lost: type[GatewayError] = LedgerBusy  # as long as nothing was sent
            try:
                if connection is None or connection.is_closed():
                    connection = await self._database.drivers.connect(**_SESSION)
                lost = PostingUnknown
                await self._flush(connection, batch)
            except _LOST:
                log.warning("ledger.lost_connection", journals=len(batch))
                if connection is not None:
                    connection.terminate()
                    connection = None
                self._answer_all(batch, lost)
                await asyncio.sleep(_REST_SECONDS)
            except asyncio.CancelledError:
                self._answer_all(batch, lost)
                raise
            except Exception as problem:
                log.exception("ledger.flush", journals=len(batch))
                self._answer_all(batch, problem)
            finally:
                self._busy -= 1
        if connection is not None:
            with suppress(*_LOST):
                await connection.close()

    async def _next(self) -> list[_Waiting]:
        """The next batch: all that waits, or half of it where the rest is enough for another lane that is free.

        Empty when all is over.
        """
        while not self._worth_while():
            if self._closing and not self._under_way:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        shared = len(self._queue) >= 2 * _ENOUGH and self._busy < _LANES - 1
        wanted = min(_MOST, -(-len(self._queue) // (2 if shared else 1)))
        batch: list[_Waiting] = []
        legs = 0
        while len(batch) < wanted and legs + len(self._queue[0].journal.legs) <= MAX_LEGS_TOGETHER:
            waiting = self._queue.popleft()
            waiting.batch = batch
            batch.append(waiting)
            legs += len(waiting.journal.legs)
        return batch

    def _worth_while(self) -> bool:
        """Whether a lane that is free should begin; it leaves to one that writes what that one will soon come to."""
        if not self._busy or not self._queue:
            return bool(self._queue)
        waited = asyncio.get_running_loop().time() - self._waiting_since
        return len(self._queue) >= _ENOUGH or waited >= _LONG_SECONDS

    def _wait_in_line(self, several: Sequence[_Waiting]) -> None:
        if several and not self._queue and self._busy:
            loop = asyncio.get_running_loop()
            self._waiting_since = loop.time()
            loop.call_later(2 * _LONG_SECONDS, self._arrived.set)  # well after: a timer may be a little early
        self._queue.extend(several)
        if self._worth_while():
            self._arrived.set()

    async def _flush(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """Give every journal of the batch its verdict, or set it aside."""
        alone = [waiting for waiting in batch if waiting.alone]
        await self._flush_together(connection, [waiting for waiting in batch if not waiting.alone])
        await self._each(connection, alone)

    async def _flush_together(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        if not self._locked:
            with suppress(*_LOCKED):
                return await self._write_all(connection, batch)
        async with self._turn:
            free = await self._set_aside_locked(connection, batch)
            try:
                await self._write_all(connection, free)
            except _LOCKED:
                await self._each(connection, free)

    async def _set_aside_locked(self, connection: Any, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """An account that somebody keeps locked holds up only those who need it; the others."""
        needed = {waiting: _limited(waiting.journal) for waiting in batch}
        asked = sorted(self._locked.union(*needed.values()))
        self._locked = frozenset(await connection.fetchval(_LOOK, asked))
        self._set_aside([waiting for waiting in batch if not needed[waiting].isdisjoint(self._locked)])
        return [waiting for waiting in batch if needed[waiting].isdisjoint(self._locked)]

    async def _write_all(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """Write as if all were well; when it is not, have each journal judged. Raises what says that a lock lasts."""
        if not batch:
            return
        try:
            await self._write(connection, batch, judging=False)
        except (*_LOST, *_LOCKED):
            raise
        except Exception as problem:
            if len(batch) == 1:
                self._answer(batch[0], _reason(problem))
            elif isinstance(problem, asyncpg.PostgresError) and fact(problem) is not None:
                await self._judge(connection, batch)
            else:
                await self._each(connection, batch)

    async def _judge(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """Write those that can be posted, in their order; one caller's refusal never fails another's journal."""
        try:
            await self._write(connection, batch, judging=True)
        except (*_LOST, *_LOCKED):
            raise
        except asyncpg.PostgresError:
            await self._each(connection, batch)

    async def _each(self, connection: Any, batch: Sequence[_Waiting]) -> None:
        """One after the other: what is wrong with one is nobody else's business."""
        for waiting in batch:
            try:
                await self._write(connection, [waiting], judging=False)
            except _LOST:
                raise
            except _LOCKED:
                waiting.alone = True
                self._set_aside([waiting])
            except Exception as problem:
                self._answer(waiting, _reason(problem))

    async def _write(self, connection: Any, batch: Sequence[_Waiting], *, judging: bool) -> None:
        now = self._database.clock.now()
        row = await connection.fetchrow(_POST, judging, *many([waiting.journal for waiting in batch], now=now))
        for waiting, id, verdict in zip(batch, row[0], row[1], strict=True):
            refusal = VERDICTS.get(verdict)
            self._answer(waiting, refusal() if refusal else Posted(id, verdict == 1))


def _limited(journal: Journal) -> frozenset[str]:
    """The accounts whose rows it locks."""
    sides = (account for leg in journal.legs for account in (leg.debit, leg.credit))
    return frozenset(account.code for account in sides if not account.hot)


def _reason(problem: Exception) -> Exception:
    """What the caller is told: the business fact, where there is one."""
    return (fact(problem) if isinstance(problem, asyncpg.PostgresError) else None) or problem
