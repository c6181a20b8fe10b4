"""A simulator on a real port, and a product that remembers what it was told."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import Product
from tests.support.servers import serve


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture
def simulator_settings(product: Product, tmp_path: Path) -> Iterator[SimulatorSettings]:
    with serve(product.app(), join=False) as url:
        yield SimulatorSettings(data=tmp_path, product_url=url, sms_retry_seconds=0.01)


@pytest.fixture
def simulator_url(simulator_settings: SimulatorSettings) -> Iterator[str]:
    with serve(create_simulator(simulator_settings), join=False) as url:
        yield url


@pytest.fixture
def networks(simulator_url: str) -> Iterator[httpx.Client]:
    """A client of the simulator."""
    with httpx.Client(base_url=simulator_url, timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def campay(networks: httpx.Client, simulator_url: str) -> Iterator[httpx.Client]:
    """A client of CamPay, logged in."""
    token = networks.post("/campay/api/token/", json={"username": "demo", "password": "demo"}).json()["token"]
    headers = {"Authorization": f"Token {token}"}
    with httpx.Client(base_url=f"{simulator_url}/campay/api", headers=headers, timeout=5, trust_env=False) as client:
        yield client
