"""The counters behind the limits: shared through Redis, and still there when it is not."""

import msgspec
import pytest

from core.errors import TooManyRequests
from core.limits import Limits
from core.settings import Settings

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
