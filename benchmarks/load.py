"""A small HTTP load generator: keep-alive connections that hold conversations, one request at a time each."""

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple

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
    """Hold conversations for `seconds`; as fast as answers come, or evenly at `per_second` requests over all."""
    latencies: list[float] = []
    started = perf_counter()
    ends = started + seconds
    pause = connections / per_second if per_second else 0.0
    await asyncio.gather(
        *(
            _caller(target, script, latencies, ends, pause, started + pause * n / connections)
            for n in range(connections)
        )
    )
    return Result(len(latencies), perf_counter() - started, latencies)


async def _caller(
    target: Target, script: Script, latencies: list[float], ends: float, pause: float, due: float
) -> None:
    """One connection: conversation after conversation until the time is over."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        while perf_counter() < ends:
            for body in script():
                if pause:
                    await asyncio.sleep(max(0.0, due - perf_counter()))
                sent = perf_counter()
                writer.write(target.request(body))
                await _answer(reader)
                # Under an even load a late answer delays the next request: its wait counts, too.
                latencies.append((perf_counter() - (min(sent, due) if pause else sent)) * 1000)
                due += pause
                if perf_counter() >= ends:
                    return
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 20"):
        raise BadAnswer(head.split(b"\r\n")[0])
    lowered = head.lower()
    at = lowered.index(b"content-length:") + 15
    body = await reader.readexactly(int(lowered[at : lowered.index(b"\r\n", at)]))
    if body.startswith(b"END "):
        raise BadAnswer(body)
    return body
