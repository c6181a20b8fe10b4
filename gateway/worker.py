"""Runs durable jobs, and the sweeps that find what is due whether a job told or not (D29)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg
import msgspec
from pgqueuer import QueueManager
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.models import Job

from core.database import Database
from core.ids import new_id
from core.logs import logger
from gateway import heartbeat

_RECONNECT_SECONDS = 1.0
_BATCH = 4
_AT_ONCE = 8  # jobs; fewer than the pool has connections, so that sweeps find one

log = logger(__name__)

Handler = Callable[[UUID], Awaitable[object]]


class Sweep(msgspec.Struct, frozen=True):
    """Work that is looked for every `seconds`, first `after` so many; safe to run in many workers at once."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[object]]
    after: float = 0.0


class Worker:
    """Takes jobs and sweeps until it is told to stop."""

    def __init__(self, database: Database, *, handlers: Mapping[str, Handler], sweeps: Sequence[Sweep]) -> None:
        self._database = database
        self._handlers = handlers
        self._sweeps = sweeps
        self._id = new_id()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take nothing new; `run` returns once what was taken is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Work. Survives restarts of PostgreSQL; gives up unfinished work `shutdown_seconds` after `stop`."""
        beat = Sweep("heartbeat", heartbeat.BEAT_SECONDS, self._beat)
        work = [self._jobs(), *(self._repeat(sweep) for sweep in (beat, *self._sweeps))]
        tasks = [asyncio.create_task(part) for part in work]
        await self._stopping.wait()
        _, unfinished = await asyncio.wait(tasks, timeout=self._database.settings.shutdown_seconds - 2)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):
            async with self._database.transaction() as tx:
                await heartbeat.leave(tx, self._id)

    async def _beat(self) -> None:
        async with self._database.transaction() as tx:
            await heartbeat.beat(tx, self._id)

    async def _repeat(self, sweep: Sweep) -> None:
        """Run `sweep` on its interval; a failure is logged and the next round comes all the same."""
        await self._pause(sweep.after)
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            next_at = clock() + sweep.seconds
            try:
                await sweep.run()
            except Exception:
                log.exception("sweep_failed", sweep=sweep.name)
            await self._pause(next_at - clock())

    async def _jobs(self) -> None:
        """Run jobs, over a new connection whenever the old one breaks."""
        while not self._stopping.is_set():
            try:
                connection = await asyncpg.connect(self._database.url, server_settings=self._database.identity)
            except (OSError, asyncpg.PostgresError):
                log.warning("queue_unreachable")
            else:
                await self._take_jobs(connection)
            await self._pause(_RECONNECT_SECONDS)

    async def _take_jobs(self, connection: asyncpg.Connection) -> None:
        """Run jobs until `connection` breaks or we stop; those that were taken are finished."""
        queue = QueueManager(Queries(AsyncpgDriver(connection)))
        for name, handler in self._handlers.items():
            queue.entrypoint(name)(_entrypoint(name, handler))
        connection.add_termination_listener(lambda _: queue.shutdown.set())
        stopper = asyncio.create_task(self._pass_on_stop(queue))
        try:
            await queue.run(batch_size=_BATCH, max_concurrent_tasks=_AT_ONCE)
        except Exception:
            log.exception("queue_failed")
        finally:
            stopper.cancel()
            await connection.close(timeout=1)

    async def _pass_on_stop(self, queue: QueueManager) -> None:
        await self._stopping.wait()
        queue.shutdown.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _entrypoint(name: str, handler: Handler) -> Callable[[Job], Awaitable[None]]:
    """`handler` as the queue wants it. What goes wrong is for our log and for the sweep that comes by anyway."""

    async def run(job: Job) -> None:
        ref = UUID((job.payload or b"").decode())
        try:
            await handler(ref)
        except Exception:
            log.exception("job_failed", job=name, ref=str(ref))

    return run
