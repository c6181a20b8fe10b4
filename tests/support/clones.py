"""Fresh databases for tests, cloned from a template while the test before still runs."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

T = TypeVar("T")


def named(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    base, _, query = url.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")


class Clones:
    """Makes and removes them over one connection in a thread of its own: half of a small test's time was this."""

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._connection = self._run(asyncpg.connect(named(url, "postgres"))).result()
        self._one_at_a_time = asyncio.Lock()
        self._next = self._run(self._make())

    def take(self) -> str:
        """The name of one, and have the next made."""
        name, self._next = self._next.result(), self._run(self._make())
        return name

    def give_back(self, name: str) -> None:
        """Nobody waits until it is gone."""
        self._run(self._send(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    def close(self) -> None:
        """Return when none of them is left."""
        self.give_back(self._next.result())
        self._run(self._send("SELECT 1")).result()
        self._run(self._connection.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _make(self) -> str:
        name = f"test_{uuid4().hex[:12]}"
        await self._send(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" STRATEGY FILE_COPY')
        return name

    async def _send(self, statement: str) -> None:
        async with self._one_at_a_time:
            await self._connection.execute(statement)

    def _run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


@contextmanager
def clones_of(url: str, template: str) -> Iterator[Clones]:
    made = Clones(url, template)
    try:
        yield made
    finally:
        made.close()
