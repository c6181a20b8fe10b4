"""Effects that outlive their turn: past the hard deadline the caller is promised an SMS, and the effect goes on."""

import asyncio
from asyncio import Task, Timeout
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from core.database import Database
from core.drivers import waited_in_vain
from core.errors import GatewayError
from core.logs import logger
from marketplace.notifications import promises
from marketplace.notifications.promises import Told

log = logger(__name__)


class Promised(BaseException):
    """The turn ends here and says that an SMS follows. Not an Exception: no journey may swallow it."""


class Promising:
    """What goes on in this process after its caller was answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._going_on: set[Task[Any]] = set()

    async def result(
        self, effect: Coroutine[Any, Any, Any], *, key: str, person_id: UUID, told: Told, deadline: Timeout
    ) -> Any:
        """What `effect`, which stores its result under `key`, comes to. Raises Promised at the deadline.

        When not even a promise can be written, the effect is given up like any other turn that takes too long.
        """
        task = self._hold(asyncio.create_task(effect))
        until = deadline.when()
        deadline.reschedule(None)  # from here on the time is ours to keep: a cancelled effect could not go on
        await asyncio.wait({task}, timeout=None if until is None else until - asyncio.get_running_loop().time())
        if task.done():
            deadline.reschedule(until)
            return task.result()
        await self._promise(task, key, person_id, told)
        self._hold(asyncio.create_task(self._see_through(task, key)))
        raise Promised()

    async def close(self) -> None:
        """Wait for what goes on; the sweeper keeps what is promised and not kept in time."""
        if self._going_on:
            await asyncio.wait(self._going_on, timeout=self._database.settings.ussd_outcome_seconds)

    async def _promise(self, task: Task[Any], key: str, person_id: UUID, told: Told) -> None:
        try:
            async with asyncio.timeout(self._database.settings.ussd_promise_seconds):
                async with self._database.transaction() as tx:
                    await promises.make(tx, key=key, person_id=person_id, told=told)
        except BaseException:
            task.cancel()
            raise

    async def _see_through(self, task: Task[Any], key: str) -> None:
        """Keep the promise as soon as the effect has come to its end."""
        await asyncio.wait({task})
        try:
            await promises.keep(self._database, key=key, over=True)
        except Exception as problem:  # the sweeper comes by
            if not waited_in_vain(problem):
                log.exception("promise_not_kept_at_once")

    def _hold(self, task: Task[Any]) -> Task[Any]:
        """A task that nobody refers to may vanish."""
        self._going_on.add(task)
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: Task[Any]) -> None:
        self._going_on.discard(task)
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, DBAPIError):
            log.warning("ussd_effect_failed", problem=type(problem.orig).__name__)
        elif problem is not None and not isinstance(problem, GatewayError):
            log.error("ussd_effect_failed", exc_info=problem)
