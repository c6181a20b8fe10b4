"""The published schema is true: whatever it allows gets an answer that it promises."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.channels.api.conftest import Client

pytestmark = pytest.mark.anyio

EXAMPLES = 8
PROMISES = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


async def test_every_route_of_the_api_is_documented_with_its_refusals(anyone: Client) -> None:
    schema = (await anyone.get("/schema/openapi.json")).json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert all(path.startswith("/api/v1/") for path in schema["paths"])
    assert all({"422", "429"} <= operation["responses"].keys() for operation in operations)


async def test_generated_requests_get_the_answers_that_are_promised(
    anyone: Client, customer: Client, finance: Callable[[], Awaitable[Client]]
) -> None:
    accountant = await finance()
    document = (await anyone.get("/schema/openapi.json")).json()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        client = accountant if "/reports/" in operation.path else customer
        for case in generated(operation):
            wish = case.as_transport_kwargs(base_url="http://gateway.test")
            for ours in ("Authorization", "User-Agent"):
                wish["headers"].pop(ours, None)
            wish.pop("cookies")
            case.validate_response(await client.request(**wish), checks=PROMISES)


def generated(operation: Any) -> list[Any]:
    """The same few requests in every run."""
    cases: list[Any] = []

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    return cases
