"""The worker: runs jobs and sweeps, shrugs off what fails, and finishes what it took."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.database import Database
from core.jobs import enqueue
from gateway.heartbeat import workers
from gateway.worker import Handler, Sweep, Worker

pytestmark = pytest.mark.anyio

JOB = "test.job"
PATIENCE_SECONDS = 20
AT_REST = text("""SELECT count(*) = 0 FROM pg_stat_activity
                  WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()""")


class Calls:
    """A handler that remembers its calls; with a `gate` it waits there before it returns."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.seen: list[UUID] = []
        self.finished: list[UUID] = []
        self._changed = asyncio.Condition()
        self._gate = gate

    async def __call__(self, ref: UUID) -> None:
        async with self._changed:
            self.seen.append(ref)
            self._changed.notify_all()
        if self._gate is not None:
            await self._gate.wait()
        self.finished.append(ref)

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)


async def ask(database: Database, ref: UUID) -> None:
    async with database.transaction() as tx:
        await enqueue(tx, JOB, ref)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def at_work(database: Database, handler: Handler, *sweeps: Sweep) -> AsyncIterator[Worker]:
    worker = Worker(database, handlers={JOB: handler}, sweeps=sweeps)
    running = asyncio.create_task(worker.run())
    yield worker
    worker.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await running


async def test_a_job_reaches_its_handler(database: Database) -> None:
    calls, ref = Calls(), uuid4()
    async with at_work(database, calls):
        await ask(database, ref)
        await calls.reach(1)
    assert calls.seen == [ref]


async def test_a_job_of_a_rolled_back_transaction_does_not_exist(database: Database) -> None:
    calls, ref = Calls(), uuid4()
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await enqueue(tx, JOB, uuid4())
            raise RuntimeError
    async with at_work(database, calls):
        await ask(database, ref)
        await calls.reach(1)
    assert calls.seen == [ref]


async def test_a_failure_is_the_end_of_one_job_only(database: Database) -> None:
    calls = Calls()

    async def handler(ref: UUID) -> None:
        await calls(ref)
        if len(calls.seen) == 1:
            raise RuntimeError

    async with at_work(database, handler):
        await ask(database, uuid4())
        await calls.reach(1)
        await ask(database, uuid4())
        await calls.reach(2)


async def test_a_sweep_comes_round_again_also_after_a_failure(database: Database) -> None:
    calls = Calls()

    async def sweep() -> None:
        await calls(uuid4())
        raise RuntimeError

    async with at_work(database, calls, Sweep("test", 0.01, sweep)):
        await calls.reach(3)


async def test_a_sweep_may_have_to_wait_for_its_first_round(database: Database) -> None:
    calls, early, late = Calls(), Calls(), Calls()

    async def sweep(of: Calls) -> None:
        await of(uuid4())

    begun = Sweep("early", 0.01, partial(sweep, early)), Sweep("late", 0.01, partial(sweep, late), after=600.0)
    async with at_work(database, calls, *begun):
        await early.reach(3)
    assert late.seen == []


async def test_stopping_finishes_what_was_taken_and_takes_no_more(database: Database, owner: Database) -> None:
    gate = asyncio.Event()
    calls, late = Calls(gate), uuid4()

    async def at_rest() -> bool:
        async with owner.reading() as tx:
            return bool(await tx.value(AT_REST))

    async with at_work(database, calls) as worker:
        await ask(database, uuid4())
        await calls.reach(1)
        worker.stop()
        await eventually(at_rest)  # a look for jobs that is under way may still take one
        await ask(database, late)
        assert calls.finished == []
        gate.set()
    assert len(calls.finished) == 1
    assert late not in calls.seen


async def test_it_goes_on_after_postgresql_dropped_every_connection(database: Database, owner: Database) -> None:
    calls = Calls()
    drop = text("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()""")
    async with at_work(database, calls):
        await ask(database, uuid4())
        await calls.reach(1)
        async with owner.reading() as tx:
            await tx.all(drop)

        async def asked() -> bool:
            try:
                await ask(database, uuid4())
            except Exception:  # the pool finds out about its dead connections one by one
                return False
            return True

        await eventually(asked)
        await calls.reach(2)


async def test_others_can_tell_that_it_lives_and_that_it_left(database: Database) -> None:
    async def alive() -> bool:
        async with database.reading() as tx:
            return await workers(tx) == 1

    async with at_work(database, Calls()):
        await eventually(alive)
    assert not await alive()
