"""Who may do what, how often, and from where."""

from collections.abc import Awaitable, Callable

import httpx
import msgspec
import pytest

from channels.api.access import client_address
from core.clock import ManualClock
from core.database import Database
from core.limits import Limits
from core.settings import Settings
from gateway.app import create_app
from gateway.parts import Parts
from gateway.seed import SeedSummary
from tests.channels.api.conftest import CUSTOMER, OTHER_CUSTOMER, Client

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic dXNlcjpwYXNz"])
async def test_nobody_gets_in_without_a_token(anyone: Client, header: str) -> None:
    refused = await anyone.get("/api/v1/orders", headers={"Authorization": header})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_an_access_token_lasts_a_quarter_of_an_hour(customer: Client, clock: ManualClock) -> None:
    clock.advance(minutes=14, seconds=59)
    assert (await customer.get("/api/v1/wallet")).status_code == 200
    clock.advance(seconds=2)
    assert (await customer.get("/api/v1/wallet")).status_code == 401


async def test_the_books_are_for_finance_and_orders_for_customers(
    customer: Client, finance: Callable[[], Awaitable[Client]]
) -> None:
    accountant = await finance()
    for path in ("/api/v1/reports/trial-balance", "/api/v1/reports/accounts/income:commission/statement"):
        assert (await customer.get(path)).status_code == 403
    assert (await accountant.get("/api/v1/reports/trial-balance")).status_code == 200
    assert (await accountant.get("/api/v1/orders")).status_code == 403


def limited(database: Database, demo: SeedSummary, **rates: str) -> Client:
    """A client of a service that is as strict as `rates`."""
    settings = msgspec.structs.replace(database.settings, **rates)
    app = create_app(Parts(settings=settings, database=database, limits=Limits(settings)))
    return Client(transport=httpx.ASGITransport(app), base_url="http://gateway.test")


async def test_logins_are_limited_by_phone_however_it_is_written(database: Database, demo: SeedSummary) -> None:
    client = limited(database, demo, rate_auth="2/day")
    for written in (CUSTOMER, "670000001"):
        assert (await client.post("/api/v1/login", json={"phone": written})).status_code == 200
    refused = await client.post("/api/v1/login", json={"phone": "00237 670 00 00 01"})
    assert (refused.status_code, refused.json()["retryable"]) == (429, True)
    assert int(refused.headers["retry-after"]) == refused.json()["params"]["retry_after_seconds"] > 0
    assert (await client.post("/api/v1/login", json={"phone": OTHER_CUSTOMER})).status_code == 200


async def test_requests_are_limited_by_account_and_floods_by_address(database: Database, demo: SeedSummary) -> None:
    client = limited(database, demo, rate_general="2/day", rate_address="8/day")
    one, other = [await client.as_customer(database, phone) for phone in (CUSTOMER, OTHER_CUSTOMER)]
    assert [(await one.get("/api/v1/wallet")).status_code for _ in range(3)] == [200, 200, 429]
    assert (await other.get("/api/v1/wallet")).status_code == 200
    assert (await client.get("/api/v1/restaurants")).status_code == 429


async def test_orders_and_top_ups_are_limited_but_not_their_repetition(database: Database, demo: SeedSummary) -> None:
    client = limited(database, demo, rate_orders="1/day", rate_payments="1/day")
    customer = await client.as_customer(database, CUSTOMER)
    quote = await customer.quote()
    assert [(await customer.order(quote, "the same key")).status_code for _ in range(3)] == [422] * 3
    assert [(await customer.order(quote, "the-same-key")).status_code for _ in range(3)] == [201] * 3
    assert (await customer.order(quote, "another-key")).status_code == 429
    headers = [{"Idempotency-Key": key} for key in ("top-up-1", "top-up-1", "top-up-2")]
    wish = {"amount_xaf": 2000}
    answers = [await customer.post("/api/v1/wallet/top-ups", json=wish, headers=header) for header in headers]
    assert [answer.status_code for answer in answers] == [201, 201, 429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the left part is what the client claims
        ("10.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # no proxy of ours
    ],
)
def test_the_proxy_header_counts_only_from_our_proxies(peer: str, forwarded: str, address: str) -> None:
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert client_address(scope, Settings(trusted_proxies=("10.0.0.0/8",))) == address  # type: ignore[arg-type]
