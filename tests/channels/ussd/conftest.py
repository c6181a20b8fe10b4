"""Every dialect before a toy conversation, each behind its own door, reached over HTTP."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.datastructures import State

from channels.ussd.dialect import Dialect
from channels.ussd.dialects import DIALECTS
from channels.ussd.routes import turns_first, ussd_routes
from core.clock import ManualClock
from core.database import Database
from core.settings import Secret, Settings
from menus_ussd.engine import Engine
from menus_ussd.stores.memory import MemorySessionStore
from payments.simulator.aggregators import AGGREGATORS
from tests.channels.ussd.aggregator import Aggregator
from tests.menus_ussd.toy import ToyShop, open_shop


def secret_of(name: str) -> str:
    return f"secret-of-{name}"


def serving(settings: Settings, *dialects: Dialect) -> Settings:
    """Settings that serve exactly these."""
    names = [dialect.name for dialect in dialects]
    secrets = ",".join(f"{name}={secret_of(name)}" for name in names)
    return msgspec.structs.replace(settings, ussd_dialects=tuple(names), ussd_secrets=Secret(secrets))


@pytest.fixture
def dialects() -> tuple[Dialect, ...]:
    return DIALECTS


@pytest.fixture
def settings(settings: Settings, dialects: tuple[Dialect, ...]) -> Settings:
    return serving(settings, *dialects)


@pytest.fixture
def store() -> MemorySessionStore:
    return MemorySessionStore(ttl_seconds=1800)


@pytest.fixture
async def shop_and_engine(database: Database, store: MemorySessionStore) -> tuple[ToyShop, Engine]:
    return await open_shop(database, store)


@pytest.fixture
def shop(shop_and_engine: tuple[ToyShop, Engine]) -> ToyShop:
    return shop_and_engine[0]


@pytest.fixture
def engine(shop_and_engine: tuple[ToyShop, Engine]) -> Engine:
    return shop_and_engine[1]


@pytest.fixture
async def web(
    settings: Settings, dialects: tuple[Dialect, ...], database: Database, engine: Engine
) -> AsyncIterator[httpx.AsyncClient]:
    state = State({"settings": settings, "database": database, "ussd": engine})
    app = Litestar(ussd_routes(settings, dialects), state=state, logging_config=None, openapi_config=None)
    transport = httpx.ASGITransport(turns_first(app, dialects))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        yield client


@pytest.fixture
def aggregator(web: httpx.AsyncClient, clock: ManualClock, dialect: Dialect) -> Aggregator:
    """The other side of `dialect`, which a test parametrizes."""
    return Aggregator(web, clock, dialect, AGGREGATORS[dialect.name], secret_of(dialect.name))
