"""The published schema is true: whatever it allows gets an answer that it promises."""

import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from litestar import Litestar

from tests.channels.api.conftest import Client

pytestmark = pytest.mark.anyio


async def test_every_route_of_the_api_is_documented_with_its_refusals(anyone: Client) -> None:
    schema = (await anyone.get("/schema/openapi.json")).json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert len(operations) == 18
    assert all({"422", "429"} <= operation["responses"].keys() for operation in operations)
    assert all(path.startswith("/api/v1/") for path in schema["paths"])
