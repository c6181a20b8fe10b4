"""The books over the API: postings by hand, reversals, closings; who may, and that it takes two."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyotp
import pytest
from litestar import Litestar
from sqlalchemy import text

from core.clock import ManualClock
from core.database import Database
from gateway.seed import SeedSummary
from ledger import chart
from ledger.receipts import verify
from ledger.seals import Seals
from ledger.service import Leg, balance, post
from marketplace.people import service as people
from tests.channels.api.conftest import CUSTOMER, Client
from tests.ledger.sealing import damage, seal_all

pytestmark = pytest.mark.anyio

WINDOW = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}


@pytest.fixture
async def desks(app: Litestar, demo: SeedSummary, clock: ManualClock) -> AsyncIterator[dict[str, Client]]:
    """A client for each staff user, logged in."""
    made = {}
    for account in demo.staff:
        client = Client(transport=httpx.ASGITransport(app), base_url="http://gateway.test")
        proof = {"username": account.username, "password": account.password}
        totp = pyotp.TOTP(account.totp_secret).at(clock.now())
        made[account.username] = client.bearing(
            (await client.post("/api/v1/staff/login", json={**proof, "totp": totp})).json()
        )
    yield made
    for client in made.values():
        await client.aclose()


@pytest.fixture
async def wallet(database: Database) -> str:
    """A customer's, with 1,000 F in it."""
    async with database.transaction() as tx:
        account = chart.wallet((await people.recognise(tx, phone=CUSTOMER)).id)
        await post(tx, key="gift", kind="gift", legs=[Leg(chart.GOODWILL, account, 1000)])
        return account.code


def posting(wallet: str, **changes: Any) -> dict[str, Any]:
    line = {"debit": "expense:goodwill", "credit": wallet, "amount": 500}
    return {"lines": [line], "reason": "cold soup", **changes}


async def held(database: Database, code: str) -> int:
    async with database.reading() as tx:
        return await balance(tx, code)


async def test_two_people_post_and_take_back_and_the_trail_tells(
    desks: dict[str, Client], database: Database, wallet: str
) -> None:
    one, other = desks["finance"], desks["finance2"]
    made = (await one.post("/api/v1/finance/postings", json=posting(wallet))).json()
    approve = f"/api/v1/finance/proposals/{made['id']}/approve"
    assert (await one.post(approve)).json()["code"] == "self_approval"
    assert await held(database, wallet) == 1000
    assert (await other.post(approve)).status_code == 200
    assert await held(database, wallet) == 1500
    (deed,) = (await one.get("/api/v1/finance/audit-trail", params=WINDOW)).json()
    assert (deed["reason"], deed["state"]) == ("cold soup", "approved")
    assert deed["what"] == [f"expense:goodwill < {wallet} 500"]
    back = {"journal": deed["journal_id"], "reason": "it was hot"}
    undo = (await other.post("/api/v1/finance/reversals", json=back)).json()
    assert (await one.post(f"/api/v1/finance/proposals/{undo['id']}/approve")).status_code == 200
    assert await held(database, wallet) == 1000
    again = await other.post("/api/v1/finance/reversals", json=back)
    assert (again.status_code, again.json()["code"]) == (409, "already_reversed")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"reason": ""}, 422, "invalid_input"),
        ({"lines": []}, 422, "invalid_input"),
        (
            {"lines": [{"debit": "expense:goodwill", "credit": "income:commission", "amount": 2.5}]},
            422,
            "invalid_input",
        ),
        ({"lines": [{"debit": "expense:nothing", "credit": "income:commission", "amount": 5}]}, 422, "unknown_account"),
        ({"lines": [{"debit": "expense:goodwill", "credit": "expense:sms", "amount": 5}]}, 422, "currency_mismatch"),
        ({"effective_at": "2026-11-20T10:00:00"}, 422, "invalid_input"),
        ({"effective_at": "2027-11-20T10:00:00Z"}, 422, "future_date"),
        ({"effective_at": "0001-01-01T00:00:00+01:00"}, 422, "invalid_input"),
        ({"effective_at": "9999-12-31T23:30:00-01:00"}, 422, "invalid_input"),
    ],
)
async def test_a_wrong_posting_is_refused_by_name(
    desks: dict[str, Client], wallet: str, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await desks["finance"].post("/api/v1/finance/postings", json=posting(wallet, **changes))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await desks["finance"].get("/api/v1/finance/proposals")).json() == []


async def test_a_period_is_closed_and_opened_again_by_two(
    desks: dict[str, Client], database: Database, wallet: str
) -> None:
    one, other = desks["finance"], desks["finance2"]
    closed = await one.post("/api/v1/finance/periods/2026-10/close")
    assert (closed.status_code, closed.json()["period"]) == (200, "2026-10")
    late = posting(wallet, effective_at="2026-10-15T10:00:00Z")
    assert (await one.post("/api/v1/finance/postings", json=late)).json()["code"] == "period_closed"
    assert (await one.post("/api/v1/finance/periods/2026-10/close")).json()["code"] == "period_closed"
    assert (await one.post("/api/v1/finance/periods/2026-11/close")).json()["code"] == "period_not_over"
    assert (await one.post("/api/v1/finance/periods/2026-99/close")).status_code == 422
    wanted = {"reason": "the bank's fees"}
    made = (await one.post("/api/v1/finance/periods/2026-10/reopen", json=wanted)).json()
    assert (await other.post(f"/api/v1/finance/proposals/{made['id']}/approve")).status_code == 200
    shown = (await other.get("/api/v1/finance/periods")).json()
    assert [event["event"] for event in shown] == ["closing", "closed", "reopened"]
    assert shown[2]["actor"] != shown[2]["approved_by"]


async def test_a_receipt_proves_a_journal_and_nothing_that_was_changed(
    desks: dict[str, Client], database: Database, owner: Database, wallet: str
) -> None:
    desk = desks["finance"]
    async with database.reading() as tx:
        journal = (await tx.one(text("SELECT journal_id FROM posting WHERE key = 'gift'"))).journal_id
    path = f"/api/v1/finance/journals/{journal}/receipt"
    assert (await desk.get(path)).json()["code"] == "not_sealed"
    await seal_all(Seals(database))
    receipt = verify((await desk.get(path)).content)
    assert (receipt.journal.journal, receipt.journal.legs[0].credit_account) == (journal, wallet)
    unknown = await desk.get(f"/api/v1/finance/journals/{journal + 1000}/receipt")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (await desk.get("/api/v1/finance/journals/0/receipt")).status_code == 422
    await damage(owner, "UPDATE posting SET amount = 1001 WHERE key = 'gift'")
    assert (await desk.get(path)).json()["code"] == "not_as_sealed"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:30:00-01:00", "2026-11-20T10:00:00"])
@pytest.mark.parametrize("path", ["finance/audit-trail", "reports/accounts/float:campay:mtn/statement"])
async def test_an_instant_outside_the_calendar_or_without_its_offset_is_refused(
    desks: dict[str, Client], path: str, at: str
) -> None:
    answer = await desks["finance"].get(f"/api/v1/{path}", params={**WINDOW, "since": at})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_only_finance_touches_the_books(customer: Client, wallet: str) -> None:
    for path, body in (("postings", posting(wallet)), ("periods/2026-10/close", None)):
        assert (await customer.post(f"/api/v1/finance/{path}", json=body)).status_code == 403
    assert (await customer.get("/api/v1/finance/audit-trail", params=WINDOW)).status_code == 403
