"""The line to Redis: many ask at once, answers come to those who asked, and a Redis that is away is told at once."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from core.redis_line import RedisAway, RedisLine, Script
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 60.0


@pytest.fixture
async def line(own_redis: RedisServer) -> AsyncIterator[RedisLine]:
    made = RedisLine(own_redis.url, answer_seconds=5.0)
    yield made
    await made.close()


async def test_of_many_who_ask_at_once_each_gets_their_own_answer(line: RedisLine) -> None:
    wire = await line.wire()

    async def turn(number: int) -> None:
        value = bytes([number % 256]) * (number * 50)
        assert await wire.call("SET", f"key:{number}", value) == b"OK"
        assert await wire.call("GET", f"key:{number}") == value

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(turn(number) for number in range(500)))


async def test_what_is_asked_in_one_tick_leaves_in_one_write(line: RedisLine) -> None:
    wire = await line.wire()
    before = await reads(line)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(wire.call("INCR", "count") for _ in range(200)))
    assert await wire.call("GET", "count") == b"200"
    assert await reads(line) - before < 20


async def reads(line: RedisLine) -> int:
    """How often Redis has read from its connections."""
    info: bytes = await (await line.wire()).call("INFO", "stats")
    return int(info.split(b"total_reads_processed:")[1].split(b"\r\n")[0])


async def test_a_script_runs_whether_redis_knows_it_or_not(line: RedisLine) -> None:
    script, wire = Script("return {ARGV[1], redis.call('GET', KEYS[1])}"), await line.wire()
    assert await wire.run(script, ["nothing"], [7]) == [b"7", None]
    await wire.call("SCRIPT", "FLUSH")
    assert await wire.run(script, ["nothing"], ["é"]) == ["é".encode(), None]


async def test_what_redis_refuses_is_told(line: RedisLine) -> None:
    wire = await line.wire()
    with pytest.raises(RedisAway, match="unknown command"):
        await wire.call("NONSENSE")
    await wire.call("SET", "text", "x")
    with pytest.raises(RedisAway, match="not an integer"):
        await wire.call("INCR", "text")
    assert await wire.call("GET", "text") == b"x"


async def test_who_gives_up_waiting_takes_nobodys_answer(line: RedisLine) -> None:
    wire = await line.wire()
    impatient = asyncio.ensure_future(wire.call("ECHO", "first"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await wire.call("ECHO", "second") == b"second"


async def test_password_and_database_come_from_the_url(own_redis: RedisServer, line: RedisLine) -> None:
    wire = await line.wire()
    await wire.call("ACL", "SETUSER", "mboa", "on", ">p@ss", "~*", "+@all")
    named = RedisLine(own_redis.url.replace("redis://", "redis://mboa:p%40ss@").replace("/0", "/3"))
    await (await named.wire()).call("SET", "where", "three")
    assert await (await named.wire()).call("ACL", "WHOAMI") == b"mboa"
    assert await wire.call("GET", "where") is None
    await named.close()
    wrong = RedisLine(own_redis.url.replace("redis://", "redis://mboa:wrong@"))
    with pytest.raises(RedisAway, match="WRONGPASS"):
        await wrong.wire()


async def test_a_lost_connection_is_told_once_and_then_made_anew(own_redis: RedisServer, line: RedisLine) -> None:
    wire = await line.wire()
    waiting = asyncio.ensure_future(wire.call("BLPOP", "never", 0))
    await asyncio.sleep(0)
    own_redis.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(RedisAway):
            await waiting
    with pytest.raises(RedisAway):
        await wire.call("GET", "key")
    with pytest.raises(RedisAway, match="lost"):
        await line.wire()
    with pytest.raises(RedisAway, match="Refused"):
        await line.wire()
    own_redis.start()
    assert await (await line.wire()).call("SET", "key", "value") == b"OK"


async def test_a_redis_that_hangs_is_away(own_redis: RedisServer) -> None:
    line = RedisLine(own_redis.url, answer_seconds=0.2)
    async with asyncio.timeout(PATIENCE_SECONDS):
        wire = await line.wire()
        own_redis.send(signal.SIGSTOP)
        with pytest.raises(RedisAway):
            await wire.call("GET", "key")
        with pytest.raises(RedisAway, match="lost"):
            await line.wire()
        own_redis.send(signal.SIGCONT)
        while True:
            try:
                assert await (await line.wire()).call("PING") == b"PONG"
                break
            except RedisAway:  # the machine is slow
                pass
    await line.close()


async def test_what_is_no_redis_is_away() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    line = RedisLine(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    async with server, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(RedisAway):
            await (await line.wire()).call("PING")
