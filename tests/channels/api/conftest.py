"""The whole web process over ASGI, on a seeded database, and clients that are logged in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pyotp
import pytest
from litestar import Litestar

from core import sealed
from core.clock import ManualClock
from core.database import Database
from core.limits import Limits
from core.settings import Settings
from gateway.app import create_app
from gateway.parts import Parts
from gateway.seed import SeedSummary, seed

CUSTOMER, OTHER_CUSTOMER = "+237670000001", "+237690000002"

# Windows of a limit are aligned to the clock: with days, no test straddles two of them.
GENEROUS = {
    "rate_general": "10000/day",
    "rate_auth": "1000/day",
    "rate_payments": "1000/day",
    "rate_orders": "1000/day",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, rate_address="100000/day", **GENEROUS)


@pytest.fixture
async def demo(database: Database) -> SeedSummary:
    return await seed(database)


@pytest.fixture
def app(settings: Settings, database: Database, demo: SeedSummary) -> Litestar:
    return create_app(Parts(settings=settings, database=database, limits=Limits(settings)))


@pytest.fixture
async def anyone(app: Litestar) -> AsyncIterator["Client"]:
    """A client that has not logged in."""
    async with Client(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        yield client


@pytest.fixture
async def customer(anyone: "Client", database: Database) -> "Client":
    return await anyone.as_customer(database, CUSTOMER)


@pytest.fixture
async def other_customer(anyone: "Client", database: Database) -> "Client":
    return await anyone.as_customer(database, OTHER_CUSTOMER)


@pytest.fixture
def finance(anyone: "Client", demo: SeedSummary, clock: ManualClock) -> Callable[[], Awaitable["Client"]]:
    """Logs a finance user in."""

    async def log_in() -> Client:
        return anyone.bearing((await anyone.post("/api/v1/staff/login", json=staff_proof(demo, clock))).json())

    return log_in


def staff_proof(demo: SeedSummary, clock: ManualClock, role: str = "finance") -> dict[str, str]:
    """What a staff user of `role` types to log in now."""
    account = next(account for account in demo.staff if account.role == role)
    totp = pyotp.TOTP(account.totp_secret).at(clock.now())
    return {"username": account.username, "password": account.password, "totp": totp}


def login_code(database: Database, challenge_id: str) -> str:
    """The code that went out by SMS."""
    return sealed.code(database.keys, "login_code", challenge_id)


class Client(httpx.AsyncClient):
    """An API client; each person's is its own, with its own headers, on the same service."""

    def bearing(self, tokens: dict[str, Any]) -> "Client":
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        return Client(transport=self._transport, base_url=self.base_url, headers=headers)

    async def tokens(self, database: Database, phone: str) -> dict[str, Any]:
        challenge = (await self.post("/api/v1/login", json={"phone": phone})).json()["id"]
        proof = {"code": login_code(database, challenge)}
        answer = await self.post(f"/api/v1/login/{challenge}/verify", json=proof)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def as_customer(self, database: Database, phone: str) -> "Client":
        return self.bearing(await self.tokens(database, phone))

    async def quote(self, **changes: Any) -> dict[str, Any]:
        """Two of the first dish and one of the second of the first open restaurant, brought to a quarter."""
        restaurant = (await self.get("/api/v1/restaurants")).json()["items"][0]["number"]
        dishes = (await self.get(f"/api/v1/restaurants/{restaurant}/dishes")).json()["items"]
        quarter = (await self.get("/api/v1/places/quarters", params={"search": "bonapriso"})).json()["items"][0]["id"]
        lines = [{"dish": dishes[0]["number"], "quantity": 2}, {"dish": dishes[1]["number"]}]
        wish = {"restaurant": restaurant, "lines": lines, "place": {"quarter_id": quarter}, **changes}
        answer = await self.post("/api/v1/quotes", json=wish)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def order(self, quote: dict[str, Any], key: str | None = None, **wish: Any) -> httpx.Response:
        """Order what was quoted, under a key of its own unless `key` is given."""
        body = {name: quote[name] for name in ("cart_id", "cart_version", "total_xaf")} | wish
        return await self.post("/api/v1/orders", json=body, headers={"Idempotency-Key": key or uuid4().hex})
