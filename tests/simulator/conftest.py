"""A simulator on a real port, and a product of four lines that remembers what it was told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, route
from litestar.params import FromPath

from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.support.servers import serve


class Product:
    """What the networks say to us; questions take the `answers` one by one, all else is answered 200."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answers: list[Response[str]] = []

    def at(self, path: FromPath[str]) -> list[dict[str, Any]]:
        """The fields of the callbacks that came to `path`."""
        return [call["fields"] for call in self.heard if call["path"] == path]

    def app(self) -> Litestar:
        @route("/{path:path}", http_method=["GET", "POST"], status_code=200, media_type="text/plain")
        async def hear(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[str]:
            json = request.headers.get("content-type", "").startswith("application/json")
            body = await request.json() if json else dict(await request.form())
            fields = body or dict(request.query_params)
            headers = dict(request.headers)
            self.heard.append({"method": request.method, "path": path, "fields": fields, "headers": headers})
            asked = self.answers and not path.endswith(("/events", "/reports"))
            return self.answers.pop(0) if asked else Response("", media_type="text/plain")

        return Litestar([hear], logging_config=None, openapi_config=None)


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture
def simulator_settings(product: Product, tmp_path: Path) -> Iterator[SimulatorSettings]:
    with serve(product.app()) as url:
        yield SimulatorSettings(data=tmp_path, product_url=url, sms_retry_seconds=0.01)


@pytest.fixture
def simulator_url(simulator_settings: SimulatorSettings) -> Iterator[str]:
    with serve(create_simulator(simulator_settings)) as url:
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
