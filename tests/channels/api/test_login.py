"""Logging in by phone and as staff; refresh tokens that work once (D1)."""

import httpx
import pytest

from core.clock import ManualClock
from core.database import Database
from gateway.seed import SeedSummary
from tests.channels.api.conftest import CUSTOMER, Client, login_code, staff_proof

pytestmark = pytest.mark.anyio


async def refreshed(client: Client, token: str) -> httpx.Response:
    return await client.post("/api/v1/token/refresh", json={"refresh_token": token})


async def test_a_phone_logs_in_with_the_code_it_received(anyone: Client, database: Database) -> None:
    customer = await anyone.as_customer(database, "670 00 00 01")
    wallet = (await customer.get("/api/v1/wallet")).json()
    assert wallet == {"balance_xaf": 0, "reserved_xaf": 0, "points": 0, "tier": "bronze"}


async def test_wrong_codes_are_counted_until_the_right_one_is_too_late(anyone: Client, database: Database) -> None:
    challenge = (await anyone.post("/api/v1/login", json={"phone": CUSTOMER})).json()["id"]
    right = login_code(database, challenge)
    wrong = "000000" if right != "000000" else "111111"
    for left in (4, 3, 2, 1, 0):
        refused = await anyone.post(f"/api/v1/login/{challenge}/verify", json={"code": wrong})
        assert (refused.status_code, refused.json()["params"]) == (401, {"left": left})
    late = await anyone.post(f"/api/v1/login/{challenge}/verify", json={"code": right})
    assert (late.status_code, late.json()["code"]) == (401, "code_expired")


async def test_a_code_works_once(anyone: Client, database: Database) -> None:
    challenge = (await anyone.post("/api/v1/login", json={"phone": CUSTOMER})).json()["id"]
    proof = {"code": login_code(database, challenge)}
    statuses = [(await anyone.post(f"/api/v1/login/{challenge}/verify", json=proof)).status_code for _ in range(2)]
    assert statuses == [200, 401]


async def test_a_lost_refresh_answer_can_be_asked_for_again(
    anyone: Client, database: Database, clock: ManualClock
) -> None:
    first = (await anyone.tokens(database, CUSTOMER))["refresh_token"]
    lost = (await refreshed(anyone, first)).json()["refresh_token"]
    clock.advance(seconds=59)
    second = (await refreshed(anyone, first)).json()["refresh_token"]
    assert second not in (first, lost)
    assert (await refreshed(anyone, second)).status_code == 200


async def test_a_refresh_token_shown_again_later_ends_the_whole_family(
    anyone: Client, database: Database, clock: ManualClock
) -> None:
    first = (await anyone.tokens(database, CUSTOMER))["refresh_token"]
    second = (await refreshed(anyone, first)).json()["refresh_token"]
    clock.advance(seconds=61)
    assert (await refreshed(anyone, first)).json()["code"] == "session_ended"
    assert (await refreshed(anyone, second)).status_code == 401


async def test_after_logout_nothing_is_refreshed(anyone: Client, database: Database) -> None:
    token = (await anyone.tokens(database, CUSTOMER))["refresh_token"]
    assert (await anyone.post("/api/v1/logout", json={"refresh_token": token})).status_code == 204
    assert (await refreshed(anyone, token)).status_code == 401


async def test_a_browser_keeps_its_refresh_token_in_a_cookie_no_script_can_read(
    anyone: Client, database: Database
) -> None:
    challenge = (await anyone.post("/api/v1/login", json={"phone": CUSTOMER})).json()["id"]
    proof = {"code": login_code(database, challenge), "cookie": True}
    answer = await anyone.post(f"/api/v1/login/{challenge}/verify", json=proof)
    assert "refresh_token" not in answer.json()
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]

    renewed = await anyone.post("/api/v1/token/refresh", json={})
    assert renewed.status_code == 200
    assert "refresh_token" not in renewed.json()
    assert (await anyone.post("/api/v1/logout", json={})).status_code == 204
    assert (await anyone.post("/api/v1/token/refresh", json={})).status_code == 401


async def test_staff_need_the_password_and_a_one_time_code_that_works_once(
    anyone: Client, demo: SeedSummary, clock: ManualClock
) -> None:
    proof = staff_proof(demo, clock)
    for wrong in ({**proof, "password": "not it"}, {**proof, "totp": "000000"}, {**proof, "username": "nobody"}):
        refused = await anyone.post("/api/v1/staff/login", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (401, "wrong_password")
    statuses = [(await anyone.post("/api/v1/staff/login", json=proof)).status_code for _ in range(2)]
    assert statuses == [200, 401]
