"""Points, friends, stars and support over the API: each use case once more, with its answers as problems."""

from uuid import UUID, uuid4

import pytest

from core.clock import ManualClock
from core.database import Database
from gateway.menus.pasts import PIN, an_order
from ledger import chart
from ledger.service import Leg, post
from marketplace.people import service as people
from tests.channels.api.conftest import CUSTOMER, Client

pytestmark = pytest.mark.anyio


async def person(database: Database) -> UUID:
    async with database.transaction() as tx:
        return (await people.recognise(tx, phone=CUSTOMER)).id


async def test_points_are_redeemed_once_a_key(customer: Client, database: Database) -> None:
    async with database.transaction() as tx:
        leg = Leg(chart.POINTS_ISSUED, chart.points(await person(database)), 80)
        await post(tx, key="given", kind="gift", legs=[leg])
    standing = (await customer.get("/api/v1/points")).json()
    assert standing == {"points": 80, "tier": "bronze", "earned": 0, "next_tier": {"name": "silver", "missing": 500}}
    guest = await customer.post("/api/v1/points/redemptions", json={"points": 50}, headers={"Idempotency-Key": "k0"})
    assert (guest.status_code, guest.json()["code"]) == (409, "no_pin")
    async with database.transaction() as tx:
        await people.set_pin(tx, person_id=await person(database), pin=PIN)
    headers = {"Idempotency-Key": "k1"}
    first, again = [
        await customer.post("/api/v1/points/redemptions", json={"points": 50}, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, first.json(), again.content) == (201, {"points": 50, "amount_xaf": 50}, first.content)
    more = {"Idempotency-Key": "k2"}
    refused = await customer.post("/api/v1/points/redemptions", json={"points": 31}, headers=more)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_enough_points")
    statement = (await customer.get("/api/v1/wallet/statement")).json()["items"]
    assert [(line["kind"], line["amount_xaf"], line["balance_xaf"]) for line in statement] == [
        ("points_redeemed", 50, 50)
    ]


async def test_limits_are_told(customer: Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert (await customer.post("/api/v1/wallet/top-ups", json={"amount_xaf": 2000}, headers=headers)).is_success
    assert (await customer.get("/api/v1/wallet/limits")).json() == {
        "day_xaf": 2000,
        "day_maximum_xaf": 300_000,
        "month_xaf": 2000,
        "month_maximum_xaf": 1_000_000,
        "left_xaf": 298_000,
    }


async def test_a_friend_is_named_by_the_code(customer: Client, other_customer: Client) -> None:
    code = (await other_customer.get("/api/v1/referral")).json()["code"]
    named = await customer.post("/api/v1/referral", json={"code": code})
    assert (named.status_code, named.json()["state"], named.json()["credit_xaf"]) == (200, "pending", 500)
    assert (await other_customer.get("/api/v1/referral")).json()["pending"] == 1
    own = await other_customer.post("/api/v1/referral", json={"code": code})
    assert (own.status_code, own.json()["code"]) == (409, "own_referral_code")
    nobodys = await customer.post("/api/v1/referral", json={"code": code + 1})
    assert (nobodys.status_code, nobodys.json()["code"]) == (404, "unknown_referral_code")


async def test_an_order_is_rated_once_and_by_its_customer(
    customer: Client, other_customer: Client, database: Database, clock: ManualClock
) -> None:
    order_id = await an_order(database, CUSTOMER, "DELIVERED")
    path, stars = f"/api/v1/orders/{order_id}/rating", {"stars": 5, "driver_stars": 4}
    assert (await other_customer.post(path, json=stars)).status_code == 404
    rated = await customer.post(path, json=stars)
    assert (rated.status_code, rated.json()["order_id"]) == (201, str(order_id))
    again = await customer.post(path, json={"stars": 1})
    assert (again.status_code, again.json()["code"]) == (409, "already_rated")
    assert (await customer.post(path, json={"stars": 6})).status_code == 422


async def test_support_is_asked_and_its_cases_listed(customer: Client, database: Database, clock: ManualClock) -> None:
    order_id = await an_order(database, CUSTOMER, "DELIVERED")
    called = await customer.post("/api/v1/support/call-back")
    complained = await customer.post(f"/api/v1/orders/{order_id}/complaint", json={"reason": "quality"})
    assert (called.status_code, complained.status_code) == (200, 200)
    assert (await customer.post("/api/v1/support/call-back")).json() == called.json()
    listed = (await customer.get("/api/v1/support/cases")).json()["items"]
    assert listed == [complained.json(), called.json()]
    unknown = await customer.post(f"/api/v1/orders/{uuid4()}/complaint", json={"reason": "quality"})
    assert unknown.status_code == 404
