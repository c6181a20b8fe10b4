"""The engine over each of its stores."""

from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from redis.asyncio import Redis

from core.database import Database
from menus_ussd.engine import Engine
from menus_ussd.stores import LEASE_SECONDS, SessionStore
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.stores.postgres import PostgresSessionStore
from menus_ussd.stores.redis import RedisSessionStore
from tests.menus_ussd.toy import Handset, ToyShop, open_shop


class Opens(Protocol):
    """Opens a store; those of one test share what they keep, unless it is in their process."""

    def __call__(self, *, ttl_seconds: float = 1800, lease_seconds: float = LEASE_SECONDS) -> SessionStore: ...


@pytest.fixture(params=["memory", "postgres", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    """Where sessions live."""
    return str(request.param)


@pytest.fixture
async def opened(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[list[SessionStore]]:
    """The stores of a test, closed at its end."""
    if kind == "redis":
        async with Redis.from_url(request.getfixturevalue("redis_url")) as redis:
            await redis.flushdb()
    stores: list[SessionStore] = []
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture
def opens(kind: str, request: pytest.FixtureRequest, opened: list[SessionStore]) -> Opens:
    where = {"memory": "anyio_backend", "postgres": "database", "redis": "redis_url"}
    shared = request.getfixturevalue(where[kind])  # only what it needs: a database takes a while to make

    def open_store(*, ttl_seconds: float = 1800, lease_seconds: float = LEASE_SECONDS) -> SessionStore:
        store: SessionStore
        match kind:
            case "memory":
                store = MemorySessionStore(ttl_seconds=ttl_seconds)
            case "postgres":
                store = PostgresSessionStore(shared, ttl_seconds=ttl_seconds, lease_seconds=lease_seconds)
            case _:
                store = RedisSessionStore(shared, ttl_seconds=ttl_seconds, lease_seconds=lease_seconds)
        opened.append(store)
        return store

    return open_store


@pytest.fixture
def store(opens: Opens) -> SessionStore:
    return opens()


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
