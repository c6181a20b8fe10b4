"""A small HTTP load generator: keep-alive connections that hold conversations, one request at a time each."""

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple, cast

# A conversation yields request bodies and is sent each answer's body.
Conversation = Iterator[bytes]
Script = Callable[[], Conversation]


class Result(NamedTuple):
    """What a run measured."""

    requests: int
    seconds: float
    latencies_ms: list[float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Target(NamedTuple):
    """Where the load goes."""

    host: str
    port: int
    path: str

    def request(self, body: bytes) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class BadAnswer(AssertionError):
    """An answer that is not what a caller should see: the measurement would be worth nothing."""


async def run(
    target: Target, script: Script, *, connections: int, seconds: float, per_second: float | None = None
) -> Result:
    """Hold conversations for `seconds`; as fast as answers come, or evenly at `per_second` requests over all.

    A connection whose script has no other conversation ends before.
    """
    loop = asyncio.get_running_loop()
    pause = connections / per_second if per_second else 0.0
    started = perf_counter()
    callers = [
        _Caller(target, script, started + seconds, pause, started + pause * n / connections) for n in range(connections)
    ]
    for caller in callers:
        await loop.create_connection(lambda made=caller: made, target.host, target.port)
    await asyncio.gather(*(caller.done for caller in callers))
    latencies = [latency for caller in callers for latency in caller.latencies_ms]
    return Result(len(latencies), perf_counter() - started, latencies)


class _Caller(asyncio.Protocol):
    """One connection: conversation after conversation until the time is over.

    A bare protocol: with streams and a task per caller this process would take as much of the machine as it measures.
    """

    def __init__(self, target: Target, script: Script, ends: float, pause: float, due: float) -> None:
        self.latencies_ms: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._target = target
        self._script = script
        self._talk = script()
        self._ends = ends
        self._pause = pause
        self._due = due
        self._sent = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send_when_due()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._received = b""
        now = perf_counter()
        # Under an even load a late answer delays the next request: its wait counts, too.
        self.latencies_ms.append((now - (min(self._sent, self._due) if self._pause else self._sent)) * 1000)
        self._due += self._pause
        if not head.startswith(b"HTTP/1.1 200") or body.startswith(b"END "):
            self._end(BadAnswer(head, body))
        elif now >= self._ends:
            self._end(None)
        else:
            self._send_when_due()

    def connection_lost(self, problem: Exception | None) -> None:
        self._end(problem or ConnectionResetError())

    def _send_when_due(self) -> None:
        wait = self._due - perf_counter() if self._pause else 0.0
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        body = next(self._talk, None)
        if body is None:
            self._talk = self._script()
            body = next(self._talk, None)
        if body is None:
            self._end(None)
            return
        self._sent = perf_counter()
        self._transport.write(self._target.request(body))

    def _end(self, problem: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(problem) if problem else self.done.set_result(None)
        self._transport.close()


def _length(head: bytes) -> int:
    at = head.lower().index(b"content-length:") + 15
    return int(head[at:].partition(b"\r\n")[0])
