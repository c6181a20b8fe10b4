"""Top-ups for customers, the books for finance."""

from collections.abc import Awaitable, Callable

import pytest

from core.clock import ManualClock
from core.database import Database
from ledger import chart
from ledger.service import Leg, post
from marketplace.people import service as people
from payments import service as payments
from tests.channels.api.conftest import CUSTOMER, OTHER_CUSTOMER, Client

pytestmark = pytest.mark.anyio


async def test_a_repeated_top_up_asks_the_payer_once(customer: Client, database: Database) -> None:
    wish, headers = {"amount_xaf": 2000, "phone": OTHER_CUSTOMER}, {"Idempotency-Key": "key-of-this-top-up"}
    first, again = [await customer.post("/api/v1/wallet/top-ups", json=wish, headers=headers) for _ in range(2)]
    assert (first.status_code, first.content) == (201, again.content)
    async with database.reading() as tx:
        asked = await payments.find(tx, reference=first.json()["id"])
    assert asked is not None
    assert (asked.amount_xaf, asked.phone) == (2000, OTHER_CUSTOMER)


async def test_a_top_up_over_the_days_limit_says_what_is_left(customer: Client) -> None:
    headers = {"Idempotency-Key": "key-of-this-top-up"}
    refused = await customer.post("/api/v1/wallet/top-ups", json={"amount_xaf": 300_001}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "wallet_limit")
    assert refused.json()["params"] == {"left_xaf": 300_000}


async def test_finance_reads_the_books(
    finance: Callable[[], Awaitable[Client]], database: Database, clock: ManualClock
) -> None:
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        for number in range(3):
            leg = Leg(debit=chart.GOODWILL, credit=chart.wallet(person.id), amount=100 * (number + 1))
            await post(tx, key=f"gift:{number}", kind="gift", legs=[leg])
    accountant = await finance()

    balance = (await accountant.get("/api/v1/reports/trial-balance")).json()
    assert balance["totals"] == [{"currency": "XAF", "debit": 600, "credit": 600}]
    assert {(row["account"], row["debit"], row["credit"]) for row in balance["rows"]} == {
        (chart.GOODWILL.code, 600, 0),
        ("wallet", 0, 600),
    }

    path = f"/api/v1/reports/accounts/{chart.wallet(person.id).code}/statement"
    first = (await accountant.get(path, params={"limit": 2})).json()
    last = (await accountant.get(path, params={"limit": 2, "after": first["next"]})).json()
    assert [line["balance"] for line in first["lines"] + last["lines"]] == [100, 300, 600]
    assert last["next"] is None

    newest = (await accountant.get(path, params={"limit": 2, "newest": True})).json()
    before = (await accountant.get(path, params={"limit": 2, "before": newest["previous"]})).json()
    assert [line["balance"] for line in before["lines"] + newest["lines"]] == [100, 300, 600]
    assert before["previous"] is None

    before = (await accountant.get("/api/v1/reports/trial-balance", params={"as_of": "2020-01-01T00:00:00Z"})).json()
    assert before["rows"] == []
    assert (await accountant.get("/api/v1/reports/accounts/wallet:nobody/statement")).status_code == 404


@pytest.mark.parametrize("as_of", ["yesterday", "2026-11-21T11:00:00"])
async def test_an_instant_names_its_offset(finance: Callable[[], Awaitable[Client]], as_of: str) -> None:
    refused = await (await finance()).get("/api/v1/reports/trial-balance", params={"as_of": as_of})
    assert (refused.status_code, refused.json()["params"]) == (422, {"field": "as_of"})


async def test_every_report_comes_in_each_of_its_formats(finance: Callable[[], Awaitable[Client]]) -> None:
    accountant = await finance()
    known = (await accountant.get("/api/v1/reports")).json()
    assert {"trial-balance", "commission", "journal-export"} <= {report["name"] for report in known}
    for report in known:
        if report["subject"] is None:
            for form in report["formats"]:
                answer = await accountant.get(f"/api/v1/reports/{report['name']}", params={"format": form})
                assert answer.status_code == 200, (report, form, answer.text)
                assert f'filename="{report["name"]}.' in answer.headers["content-disposition"]
                assert answer.headers["cache-control"] == "no-store"


async def test_a_report_is_in_the_language_that_was_asked_for(finance: Callable[[], Awaitable[Client]]) -> None:
    accountant = await finance()
    for language, title in (("fr", "Bilan\n"), ("en-GB, fr;q=0.5", "Balance sheet\n")):
        headers = {"Accept-Language": language}
        answer = await accountant.get("/api/v1/reports/balance-sheet", params={"format": "text"}, headers=headers)
        assert answer.text.startswith(title)
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "params", "status", "field"),
    [
        ("turnover", {}, 404, None),
        ("tax", {"format": "hledger"}, 422, "format"),
        ("tax", {"as_of": "2026-10"}, 422, "as_of"),
        ("tax", {"since": "2026-10-32"}, 422, "since"),
        ("account-statement", {}, 422, "account"),
        ("account-statement", {"subject": "income:nothing"}, 404, None),
        ("receipt", {"subject": "4821"}, 404, None),
    ],
)
async def test_a_report_that_cannot_be_made_is_a_problem_and_no_file(
    finance: Callable[[], Awaitable[Client]], path: str, params: dict[str, str], status: int, field: str | None
) -> None:
    refused = await (await finance()).get(f"/api/v1/reports/{path}", params=params)
    assert (refused.status_code, refused.json().get("params", {}).get("field")) == (status, field)
    assert "content-disposition" not in refused.headers


async def test_reports_are_for_finance(customer: Client) -> None:
    for path in ("", "/trial-balance", "/accounts/income:commission/statement"):
        assert (await customer.get(f"/api/v1/reports{path}")).status_code == 403
