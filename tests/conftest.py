"""Fixtures: one PostgreSQL per run, one migrated template, one clone of it per test that asks for a database."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Secret, Settings
from gateway.schema import migrate, newest
from tests.support.clones import Clones, clones_of, named

if TYPE_CHECKING:
    from tests.support.redis import RedisServer

TEST_KEY = b"a key for tests, thirty-two bytes"


def pytest_configure(config: pytest.Config) -> None:
    """The controller of a parallel run starts the one server that its workers share."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the tests' own client would write down every address
    parallel = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if parallel and not os.environ.get("TEST_DATABASE_URL"):
        from tests.support.postgres import shared_server

        server = shared_server()
        os.environ["TEST_DATABASE_URL"] = server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server for the whole run: TEST_DATABASE_URL's, or an embedded one shared by all workers."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    from tests.support.postgres import shared_server

    with shared_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis. Without one the test is skipped and says why, unless REQUIRE_ALL is set, as .ci/run does."""
    from tests.support.redis import RedisMissing, running_redis

    try:
        with running_redis() as url:
            yield url
    except RedisMissing as problem:
        if os.environ.get("REQUIRE_ALL"):
            raise
        pytest.skip(str(problem))


@pytest.fixture
def own_redis(redis_url: str) -> Iterator["RedisServer"]:
    """A Redis of one test's own, to be killed; skipped where `redis_url` is."""
    from tests.support.redis import redis_server

    with redis_server() as server:
        yield server


async def _admin(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(named(url, "postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a database with the newest schema, made once per test process and cloned by `database_url`."""
    name = f"template_{newest()}_{uuid4().hex[:8]}"

    async def make() -> None:
        await _admin(server_url, f'CREATE DATABASE "{name}"')
        await migrate(named(server_url, name))

    asyncio.run(make())
    yield name
    asyncio.run(_admin(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def clones(server_url: str, template: str) -> Iterator[Clones]:
    with clones_of(server_url, template) as made:
        yield made


@pytest.fixture
def database_url(server_url: str, clones: Clones) -> Iterator[str]:
    """A fresh database for one test."""
    name = clones.take()
    yield named(server_url, name)
    clones.give_back(name)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings() -> Settings:
    return Settings(
        environment="test",
        secret_key=Secret("test"),
        ussd_secret=Secret("demo"),
        sms_secret=Secret("demo"),
        payments_secret=Secret("demo"),
        campay_username="app",  # a provider without credentials has no route
        campay_password=Secret("secret"),
        campay_webhook_key=Secret("webhook key of the simulated CamPay"),
        password_hash_kib=1024,
        pin_hash_kib=1024,
        menu_age_seconds=0,
    )


@pytest.fixture
def keys() -> Keyring:
    return Keyring(TEST_KEY)


@pytest.fixture
async def owner(database_url: str, settings: Settings, keys: Keyring, clock: ManualClock) -> AsyncIterator[Database]:
    """The test's database as a superuser has it, whom no right holds back."""
    unbound = msgspec.structs.replace(settings, database_role="")
    made = Database(database_url, settings=unbound, keys=keys, clock=clock)
    yield made
    await made.close()


@pytest.fixture
async def database(database_url: str, settings: Settings, keys: Keyring, clock: ManualClock) -> AsyncIterator[Database]:
    """The test's database as the service has it, with the rights of its role."""
    made = Database(database_url, settings=settings, keys=keys, clock=clock, connections=20)
    yield made
    await made.close()
