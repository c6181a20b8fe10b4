"""D20 for dials: counted per phone, said politely, and never in the way of a talk that goes on."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from core.crypto import Keyring
from core.database import Database
from core.limits import Limits
from core.settings import Settings
from menus_ussd.engine import Engine
from menus_ussd.stores.memory import MemorySessionStore
from tests.menus_ussd.toy import Handset, open_shop, sales
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings, own_redis: RedisServer) -> Settings:
    return msgspec.structs.replace(settings, rate_dials="2/day", redis_url=own_redis.url)


@pytest.fixture
async def engine(database: Database, settings: Settings) -> AsyncIterator[Engine]:
    _, engine = await open_shop(database, MemorySessionStore(ttl_seconds=1800))
    engine.limits = Limits(settings)
    yield engine
    await engine.limits.close()


async def test_a_phone_that_dials_too_often_is_told_so_and_others_are_not(
    engine: Engine, database: Database, own_redis: RedisServer
) -> None:
    going_on, again = Handset(engine, "s1"), Handset(engine, "s2")
    for handset in (going_on, again):
        assert (await handset.dial()).expects_input
        await handset.dial()  # a repeated request is no dial
    refused = await Handset(engine, "s3").dial()
    assert not refused.expects_input and refused.text == "Trop de demandes. Réessayez dans quelques minutes."
    assert not (await going_on.say("1", "1", "4821", "1")).expects_input
    assert await sales(database) == 1
    assert (await Handset(engine, "s4", phone="+237670000002").dial()).expects_input
    own_redis.kill()
    assert (await Handset(engine, "s5").dial()).expects_input  # each process counts alone, from nothing


async def test_no_counter_names_a_phone(engine: Engine, keys: Keyring, own_redis: RedisServer) -> None:
    from redis.asyncio import Redis

    await Handset(engine, "s1").dial()
    async with Redis.from_url(own_redis.url) as redis:
        counters = await redis.keys("limit:*")
        assert counters == [b"limit:dials:" + keys.blind_index("+237670000001").hex().encode()]
        assert 0 < await redis.ttl(counters[0]) <= 2 * 24 * 3600
