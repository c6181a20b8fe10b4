"""What providers have accepted, written for many attempts in one transaction.

Acceptances arrive while the one before is being written: whoever comes then shares the next transaction. Each caller
returns when its own is committed, as if it had written it alone.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias
from uuid import UUID

from core.database import Tx
from core.logs import logger
from payments import pages
from payments.providers.protocol import Answer

Begin: TypeAlias = Callable[[], AbstractAsyncContextManager[Tx]]

log = logger(__name__)


class Acceptances:
    """Those of one worker."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._waiting: dict[UUID, tuple[Answer, asyncio.Future[bool]]] = {}
        self._writing: asyncio.Task[None] | None = None

    async def write(self, attempt_id: UUID, answer: Answer) -> bool:
        """Whether the acceptance of an attempt is committed; otherwise it is for its caller to write alone."""
        if attempt_id in self._waiting:
            return False
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[attempt_id] = answer, written
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await written

    async def _write(self) -> None:
        try:
            while self._waiting:
                page, self._waiting = self._waiting, {}
                done = await self._write_page({attempt_id: answer for attempt_id, (answer, _) in page.items()})
                for attempt_id, (_, written) in page.items():
                    if not written.done():  # its caller may have been told to stop
                        written.set_result(attempt_id in done)
        finally:
            self._writing = None

    async def _write_page(self, answers: dict[UUID, Answer]) -> set[UUID]:
        try:
            async with self._begin() as tx:
                return await pages.accepted(tx, answers)
        except Exception:  # of one of them, perhaps: each is written alone then
            log.exception("payments.accepting")
            return set()
