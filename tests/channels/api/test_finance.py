"""Finance over the API: who may, two people for each decision, and what is shown."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import msgspec
import pyotp
import pytest
from litestar import Litestar
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from gateway.seed import SeedSummary
from ledger import chart
from ledger.service import Leg, balance, post
from marketplace.catalogue.tables import restaurant
from marketplace.people import service as people
from payments import service as payments
from payments.reconciliation import items
from payments.reconciliation.comparing import Difference, Found
from tests.channels.api.conftest import CUSTOMER, Client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desks(app: Litestar, demo: SeedSummary, clock: ManualClock) -> AsyncIterator[dict[str, Client]]:
    """A client for each staff user, logged in."""
    made = {}
    for account in demo.staff:
        client = Client(transport=httpx.ASGITransport(app), base_url="http://gateway.test")
        proof = {"username": account.username, "password": account.password}
        totp = pyotp.TOTP(account.totp_secret).at(clock.now())
        tokens = (await client.post("/api/v1/staff/login", json={**proof, "totp": totp})).json()
        made[account.username] = client.bearing(tokens)
    yield made
    for client in made.values():
        await client.aclose()


async def difference(database: Database) -> str:
    """Money at the provider that nobody knows of."""
    async with database.transaction() as tx:
        await items.note(tx, "campay", date(2026, 11, 20), Found(Difference.MISSING_HERE, "theirs", "mtn", 0, 50_000))
    async with database.reading() as tx:
        return str((await items.open_items(tx))[0].id)


async def held(database: Database, account: chart.Account) -> int:
    async with database.reading() as tx:
        return await balance(tx, account)


async def test_two_people_resolve_a_difference(desks: dict[str, Client], database: Database) -> None:
    item = await difference(database)
    one, other = desks["finance"], desks["finance2"]
    (shown,) = (await one.get("/api/v1/finance/differences")).json()
    assert (shown["id"], shown["exception"], shown["theirs_xaf"]) == (item, "missing_here", 50_000)

    wish = {"resolution": "capital", "reason": "deposit of 20 November"}
    made = await one.post(f"/api/v1/finance/differences/{item}/resolutions", json=wish)
    assert made.status_code == 201
    path = f"/api/v1/finance/proposals/{made.json()['id']}/approve"
    refused = await one.post(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "self_approval")
    assert [waiting["id"] for waiting in (await other.get("/api/v1/finance/proposals")).json()] == [made.json()["id"]]
    assert (await other.post(path)).json()["state"] == "approved"
    assert await held(database, chart.OWNERS_CAPITAL) == 50_000
    again = await other.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    assert (await one.get("/api/v1/finance/differences")).json() == []


async def test_a_payout_above_the_limit_is_proposed_and_may_be_refused(
    desks: dict[str, Client], database: Database
) -> None:
    async with database.transaction() as tx:
        owner_id = await tx.value(select(restaurant.c.id).where(restaurant.c.number == 45))
        legs = [Leg(chart.GOODWILL, chart.restaurant_payable(owner_id), 900_000)]
        await post(tx, key="earned", kind="t", legs=legs)
    wish: dict[str, Any] = {"owner": "restaurant", "owner_id": str(owner_id), "phone": "670000045"}
    made = await desks["finance"].post(
        "/api/v1/finance/payouts", json={**wish, "amount_xaf": 800_000, "reason": "September"}
    )
    assert made.status_code == 201, made.text
    path = f"/api/v1/finance/proposals/{made.json()['id']}"
    assert (await desks["admin"].post(f"{path}/reject")).json()["state"] == "rejected"
    assert (await desks["finance2"].post(f"{path}/approve")).status_code == 409
    assert await held(database, chart.restaurant_payable(owner_id)) == 900_000


async def test_a_payments_proof_is_shown_with_its_phone_masked(desks: dict[str, Client], database: Database) -> None:
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        owed = await payments.request_collection(
            tx,
            purpose="top_up",
            reference=person.id,
            amount_xaf=2000,
            phone=CUSTOMER,
            credit=chart.wallet(person.id),
            key="one",
        )
    (shown,) = (await desks["finance"].get(f"/api/v1/finance/payments/{owed.id}")).json()
    assert (shown["phone"], shown["amount_xaf"], len(shown["attempts"])) == ("+23767***01", 2000, 1)
    missing = await desks["finance"].get(
        f"/api/v1/finance/payments/{shown['attempts'][0]['id'][::-1][:8]}-0000-4000-8000-000000000000"
    )
    assert missing.status_code == 404


async def test_an_attempt_that_lives_is_not_for_people(desks: dict[str, Client], database: Database) -> None:
    assert (await desks["finance"].get("/api/v1/finance/attempts")).json() == []
    wish = {"ruling": "paid", "reason": "seen"}
    path = "/api/v1/finance/attempts/00000000-0000-4000-8000-000000000000/rulings"
    assert (await desks["finance"].post(path, json=wish)).status_code == 404
    assert (await desks["finance"].post(path, json={**wish, "reason": ""})).status_code == 422


async def test_the_report_of_payouts_wants_exact_instants(desks: dict[str, Client]) -> None:
    path, until = "/api/v1/finance/payouts", "2026-12-01T00:00:00Z"
    assert (await desks["finance"].get(path, params={"since": "2026-11-01T00:00:00Z", "until": until})).json() == []
    refused = await desks["finance"].get(path, params={"since": "2026-11-01T00:00:00", "until": until})
    assert (refused.status_code, refused.json()["params"]) == (422, {"field": "since"})


@pytest.mark.parametrize("path", ["proposals", "attempts", "differences"])
async def test_customers_see_nothing_of_it(customer: Client, path: str) -> None:
    assert (await customer.get(f"/api/v1/finance/{path}")).status_code == 403


async def test_a_withdrawal_is_answered_once_per_key(customer: Client, database: Database) -> None:
    path, headers = "/api/v1/wallet/withdrawals", {"Idempotency-Key": "mine"}
    refused = await customer.post(path, json={"amount_xaf": 1000}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "withdrawals_closed")
    assert (await customer.get(path)).json() == {"withdrawable_xaf": 0}

    database.settings = msgspec.structs.replace(database.settings, wallet_withdrawals=True)
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await post(tx, key="surplus", kind="t", legs=[Leg(chart.SUSPENSE_SURPLUS, chart.wallet(person.id), 3000)])
    assert (await customer.get(path)).json() == {"withdrawable_xaf": 3000}
    first, again = [await customer.post(path, json={"amount_xaf": 1000}, headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()["state"], first.content) == (201, "PENDING", again.content)
    assert await held(database, chart.wallet(person.id)) == 2000
