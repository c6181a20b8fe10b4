"""The counters behind the limits: shared through Redis, and still there when it is not."""

import asyncio
import signal

import msgspec
import pytest

from core.errors import TooManyRequests
from core.limits import Limits
from core.redis_line import RedisAway, Wire
from core.settings import Settings
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio


def limits(settings: Settings, redis_url: str) -> Limits:
    return Limits(msgspec.structs.replace(settings, rate_orders="2/day", redis_url=redis_url))


async def test_processes_share_their_counters_through_redis(settings: Settings, redis_url: str) -> None:
    one, other = limits(settings, redis_url), limits(settings, redis_url)
    await one.spend("orders", "somebody")
    await other.spend("orders", "somebody")
    for process in (one, other):
        with pytest.raises(TooManyRequests) as refusal:
            await process.spend("orders", "somebody")
        assert int(str(refusal.value.params["retry_after_seconds"])) >= 1
    await other.spend("orders", "somebody else")


async def test_without_its_redis_a_process_counts_alone(settings: Settings) -> None:
    alone = limits(settings, "redis://127.0.0.1:1/0")
    await alone.spend("orders", "somebody")
    await alone.spend("orders", "somebody")
    with pytest.raises(TooManyRequests):
        await alone.spend("orders", "somebody")


async def test_a_redis_that_hangs_holds_up_one_caller_and_not_all(
    settings: Settings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = limits(settings, own_redis.url)
    assert process._shared
    await process.spend("orders", "somebody")
    own_redis.send(signal.SIGSTOP)
    await process.spend("orders", "somebody")  # waits, and counts alone
    asked = 0

    async def wire() -> Wire:
        nonlocal asked
        asked += 1
        raise RedisAway("hangs")

    monkeypatch.setattr(process._shared._line, "wire", wire)
    await process.spend("orders", "somebody")
    assert not asked
    monkeypatch.setattr(process._shared, "_away_until", 0.0)
    with pytest.raises(TooManyRequests):  # the third of two, by its own count
        await process.spend("orders", "somebody")
    assert asked


async def test_who_waited_may_go_on(settings: Settings, redis_url: str) -> None:
    for url in (redis_url, ""):
        process = Limits(msgspec.structs.replace(settings, rate_orders="2/second", redis_url=url))
        async with asyncio.timeout(60):
            refused = 0
            for _ in range(5):
                while True:
                    try:
                        await process.spend("orders", f"patient {url}")
                        break
                    except TooManyRequests:
                        refused += 1
                        await asyncio.sleep(0.05)
        assert refused
