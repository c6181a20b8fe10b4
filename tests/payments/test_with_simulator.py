"""The engine, the adapter and the callback route against the simulated CamPay over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.di import Provide

from channels.payments import payment_callback
from core.crypto import Keyring
from core.database import Database
from core.http import HttpClient
from core.settings import Secret, Settings
from payments.providers.campay import Campay
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.payments.house import MTN_FLOAT, House
from tests.support.servers import serve

pytestmark = pytest.mark.anyio

PAYER = "237670000001"


@pytest.fixture
def web_url(database_url: str, settings: Settings, keys: Keyring) -> Iterator[str]:
    """The callback route in a server of its own, with a pool of its own."""

    database = Database(database_url, settings=settings, keys=keys)  # connects in the server's own loop
    provide = Provide(lambda: database, sync_to_thread=False)
    app = Litestar([payment_callback], dependencies={"database": provide}, on_shutdown=[database.close])
    with serve(app) as url:
        yield url


@pytest.fixture
def networks(web_url: str, settings: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """The simulator's doors for tests."""
    opening = {"mtn": 1_000_000, "orange": 1_000_000}
    asked = SimulatorSettings.beside(
        settings,
        data=tmp_path,
        product_url=web_url,
        campay_username="app",
        campay_password=Secret("secret"),
        campay_opening_float_xaf=opening,
    )
    with serve(create_simulator(asked)) as url, httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
async def house(
    database_url: str, settings: Settings, keys: Keyring, networks: httpx.Client
) -> AsyncIterator["SimulatedHouse"]:
    changed = {"campay_username": "app", "campay_password": Secret("secret"), "prompt_gap_seconds": 1}
    configured = msgspec.structs.replace(settings, **changed, campay_url=f"{networks.base_url}/campay/api")
    database = Database(database_url, settings=configured, keys=keys, connections=10)
    house = SimulatedHouse(database, configured)
    yield house
    for client in house.clients:
        await client.close()
    await database.close()


class SimulatedHouse(House):
    """The same house on the machine's clock."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.settings = settings
        self.clients: list[HttpClient] = []
        super().__init__(database, database.clock, self)  # type: ignore[arg-type]

    def client(self) -> HttpClient:
        self.clients.append(HttpClient(self.settings.campay_url, connect_seconds=1, read_seconds=1))
        return self.clients[-1]

    async def until(self, met: Callable[[], Awaitable[bool]]) -> None:
        """Sweep as a worker would, until it is so."""
        async with asyncio.timeout(30):
            while not await met():
                await self.engine.sweep()
                await asyncio.sleep(0.02)

    async def until_states(self, *wanted: str) -> None:
        async def met() -> bool:
            return sorted(await self.states()) == sorted(wanted)

        await self.until(met)

    async def float_at_provider(self) -> int:
        adapter = Campay(self.settings)
        floats = await adapter.floats()
        await adapter.close()
        assert floats is not None
        return floats["mtn"]


def approve(networks: httpx.Client) -> None:
    assert networks.post(f"/simulator/prompts/{PAYER}/approve").json()["state"] == "approved"


def misbehave(networks: httpx.Client, *faults: dict[str, object]) -> None:
    assert networks.put("/simulator/faults", json={"faults": list(faults)}).status_code == 200


def asked(networks: httpx.Client, endpoint: str) -> int:
    return int(networks.get("/simulator/state").json()["campay"][endpoint]["total"])


async def test_collect_and_pay_out_agree_with_the_provider_to_the_franc(
    house: SimulatedHouse, networks: httpx.Client
) -> None:
    await house.collect()
    await house.until_states("PENDING")
    approve(networks)
    await house.until_states("SUCCEEDED")  # long before the next poll: the callback rang
    await house.pay_out()
    await house.until_states("SUCCEEDED", "SUCCEEDED")
    assert house.outcomes == ["paid", "payout_done"]
    assert await house.float_at_provider() == 1_000_000 + await house.balance(MTN_FLOAT)
    assert await house.findings() == []


async def test_a_lost_answer_is_recovered_by_the_callback_without_a_second_prompt(
    house: SimulatedHouse, networks: httpx.Client
) -> None:
    misbehave(networks, {"call": "campay.collect", "kind": "lose_after"})
    await house.collect()
    await house.until_states("UNKNOWN")
    approve(networks)
    await house.until_states("SUCCEEDED")
    assert (house.outcomes, asked(networks, "collect")) == (["paid"], 1)


async def test_a_lost_payout_is_paid_once(house: SimulatedHouse, networks: httpx.Client) -> None:
    misbehave(networks, {"call": "campay.withdraw", "kind": "lose_after"})
    await house.pay_out()
    await house.until_states("SUCCEEDED")
    assert (house.outcomes, asked(networks, "withdraw")) == (["payout_done"], 1)
    assert await house.balance("in_transit:campay") == 0


async def test_without_a_callback_the_poller_learns_it(house: SimulatedHouse, networks: httpx.Client) -> None:
    misbehave(networks, {"call": "campay.callback", "kind": "no_callback"})
    await house.collect()
    await house.until_states("PENDING")
    networks.post(f"/simulator/prompts/{PAYER}/reject")
    await house.until_states("FAILED")
    assert house.told[0][1].failure == "rejected"


async def test_a_callback_told_twice_books_once(house: SimulatedHouse, networks: httpx.Client) -> None:
    misbehave(networks, {"call": "campay.callback", "kind": "duplicate_callback"})
    await house.collect()
    await house.until_states("PENDING")
    approve(networks)
    await house.until_states("SUCCEEDED")
    assert house.outcomes == ["paid"]
    assert await house.float_at_provider() == 1_000_000 + await house.balance(MTN_FLOAT)
