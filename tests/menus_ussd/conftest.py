"""The engine over each of its stores."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from core.database import Database
from menus_ussd.engine import Engine
from menus_ussd.stores import SessionStore
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.stores.redis import RedisSessionStore
from tests.menus_ussd.toy import Handset, ToyShop, open_shop


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SessionStore]:
    made: SessionStore
    if request.param == "memory":
        made = MemorySessionStore(ttl_seconds=1800)
    else:
        url = request.getfixturevalue("redis_url")
        async with Redis.from_url(url) as redis:
            await redis.flushdb()
        made = RedisSessionStore(url, ttl_seconds=1800)
    yield made
    await made.close()


@pytest.fixture
async def shop_and_engine(database: Database, store: SessionStore) -> tuple[ToyShop, Engine]:
    return await open_shop(database, store)


@pytest.fixture
def shop(shop_and_engine: tuple[ToyShop, Engine]) -> ToyShop:
    return shop_and_engine[0]


@pytest.fixture
def engine(shop_and_engine: tuple[ToyShop, Engine]) -> Engine:
    return shop_and_engine[1]


@pytest.fixture
def handset(engine: Engine) -> Handset:
    return Handset(engine)
