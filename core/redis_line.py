"""One connection to Redis that everybody in a process shares.

What is asked in one tick of the event loop leaves in one write, and answers come back in order, so that a hundred turns
at once cost a few round trips. redis-py would take a connection, a task switch and a time-out of its own for each
command, which is as much as a whole turn.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

from hiredis import HiredisError, Reader, ReplyError, pack_command
from redis.asyncio.connection import SSLConnection, parse_url

ANSWER_SECONDS = 0.5

Part = str | bytes | int


class RedisAway(Exception):
    """Redis does not answer, or says that it cannot. Whether it did what it was told, nobody knows."""


class Script:
    """A Lua script, known to Redis by its hash once it has run."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisLine:
    """Redis at `url`, as redis-py reads it. Connects when it is first asked, and again after it has been away."""

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._answer_seconds = answer_seconds
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()

    async def wire(self) -> "Wire":
        """The connection as it now stands. Raises RedisAway, once for every connection that was lost."""
        wire = self._wire
        if wire is None:
            async with self._connecting:
                if self._wire is None:
                    self._wire = await self._connected()
                return self._wire
        if wire.lost:
            self._wire = None
            raise RedisAway("the connection was lost")
        return wire

    async def _connected(self) -> "Wire":
        """A new connection, logged in. Raises RedisAway."""
        options, loop = self._options, asyncio.get_running_loop()

        def make() -> Wire:
            return Wire(self._answer_seconds)

        try:
            async with asyncio.timeout(self._answer_seconds):
                if "path" in options:
                    _, wire = await loop.create_unix_connection(make, options["path"])
                else:
                    encrypted = options.get("connection_class") is SSLConnection or None
                    address = options.get("host", "localhost"), options.get("port", 6379)
                    _, wire = await loop.create_connection(make, *address, ssl=encrypted)
                if password := options.get("password"):
                    await wire.call("AUTH", *filter(None, [options.get("username")]), password)
                if database := options.get("db"):
                    await wire.call("SELECT", database)
        except OSError as problem:  # asyncio's TimeoutError is one
            raise RedisAway(type(problem).__name__) from None
        return wire

    async def close(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.hang_up()


class Wire(asyncio.Protocol):
    """One connection. Lost once, it stays lost: who holds something by it knows that it is gone."""

    def __init__(self, answer_seconds: float) -> None:
        self.lost = False
        self._loop = asyncio.get_running_loop()
        self._look_seconds = answer_seconds / 2
        self._reader = Reader()
        self._unsent: list[bytes] = []
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._heard = False
        self._silent = False
        self._looking = False

    async def call(self, *command: Part) -> Any:
        """The answer to one command: bytes, int, None or a list of them. Raises RedisAway."""
        return await self._ask(_packed(*command))

    async def run(self, script: Script, keys: Sequence[Part], arguments: Sequence[Part]) -> Any:
        """The answer of a script. Raises RedisAway."""
        try:
            return await self._ask(_packed("EVALSHA", script.hash, len(keys), *keys, *arguments))
        except RedisAway as problem:
            if not str(problem).startswith("NOSCRIPT"):
                raise
        return await self.call("EVAL", script.text, len(keys), *keys, *arguments)

    def hang_up(self) -> None:
        """Close the connection; whoever waits for an answer is told that Redis is away."""
        self.lost = True
        self._transport.abort()

    def _ask(self, packed: bytes) -> "asyncio.Future[Any]":
        if self.lost:
            raise RedisAway("the connection was lost")
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        asked = self._loop.create_future()
        self._asked.append(asked)
        if not self._looking:
            self._look_later(silent=False)
        return asked

    def _send(self) -> None:
        if not self.lost:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    # -- from the event loop ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                self._settle(self._asked.popleft(), answer)
        except (HiredisError, IndexError):  # what is no answer, or the answer to no question: it is no Redis
            self.hang_up()

    def connection_lost(self, problem: Exception | None) -> None:
        self.lost = True
        while self._asked:
            self._settle(self._asked.popleft(), RedisAway(type(problem).__name__ if problem else "hung up"))

    def _settle(self, asked: "asyncio.Future[Any]", answer: Any) -> None:
        if asked.done():  # nobody waits any more
            return
        if isinstance(answer, ReplyError):
            answer = RedisAway(str(answer))
        if isinstance(answer, RedisAway):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    # -- silence ---------------------------------------------------------------------------------------------

    def _look_later(self, *, silent: bool) -> None:
        self._looking, self._heard, self._silent = True, False, silent
        self._loop.call_later(self._look_seconds, self._look)

    def _look(self) -> None:
        """One timer for all that wait. Silent at two looks in a row, Redis is away; at one, it may be ourselves who
        were stopped, and the answers lie ready."""
        if self.lost or not self._asked:
            self._looking = False
        elif self._heard or not self._silent:
            self._look_later(silent=not self._heard)
        else:
            self.hang_up()


def _packed(*command: Part) -> bytes:
    packed: bytes = pack_command(command)  # type: ignore[arg-type] # its stub means tuples of one
    return packed
