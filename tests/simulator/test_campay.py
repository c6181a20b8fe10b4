"""The simulated CamPay speaks contracts/campay.md."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import jwt
import msgspec
import pytest

from core.clock import ManualClock
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import PAYMENTS, Product
from tests.support.servers import serve, wait_for

PAYER = "237670000001"
ORDER = {"amount": "3800", "currency": "XAF", "from": PAYER, "description": "Order 4821"}


def collect(campay: httpx.Client, **changes: object) -> httpx.Response:
    return campay.post("/collect/", json={**ORDER, "external_reference": str(uuid4()), **changes})


def read(campay: httpx.Client, reference: str) -> dict[str, object]:
    return dict(campay.get(f"/transaction/{reference}/").json())


def test_a_wrong_password_gets_no_token(networks: httpx.Client) -> None:
    answer = networks.post("/campay/api/token/", json={"username": "demo", "password": "?"})
    assert answer.status_code == 400
    assert "non_field_errors" in answer.json()


@pytest.mark.parametrize("header", ["Bearer {}", "token {}", "{}", "Token {}x", ""])
def test_only_the_word_token_opens_the_door(campay: httpx.Client, header: str) -> None:
    token = campay.headers["Authorization"].removeprefix("Token ")
    assert campay.get("/balance/", headers={"Authorization": header.format(token)}).status_code == 401


def test_a_token_expires(simulator_settings: SimulatorSettings) -> None:
    clock = ManualClock()
    with (
        serve(create_simulator(simulator_settings, clock)) as url,
        httpx.Client(base_url=f"{url}/campay/api") as client,
    ):
        made = client.post("/token/", json={"username": "demo", "password": "demo"}).json()
        headers = {"Authorization": f"Token {made['token']}"}
        assert client.get("/balance/", headers=headers).status_code == 200
        clock.advance(seconds=made["expires_in"])
        assert client.get("/balance/", headers=headers).status_code == 401


def test_an_approved_prompt_moves_the_money_and_calls_back(
    campay: httpx.Client, networks: httpx.Client, product: Product
) -> None:
    accepted = collect(campay, external_user="attempt-1")
    assert set(accepted.json()) == {"reference", "ussd_code", "operator"}
    reference = accepted.json()["reference"]
    assert read(campay, reference)["status"] == "PENDING"

    (prompt,) = networks.get(f"/simulator/prompts/{PAYER}").json()
    assert (prompt["amount_xaf"], prompt["text"]) == (3800, "Payer 3800 FCFA à Mboa Gateway (CamPay)")
    assert networks.post(f"/simulator/prompts/{PAYER}/approve").json()["state"] == "approved"

    shown = read(campay, reference)
    assert (shown["status"], shown["amount"], shown["app_amount"]) == ("SUCCESSFUL", "3800.00", 3705.0)
    assert (shown["reason"], shown["extra_email"], shown["external_user"]) == ("None", "None", "attempt-1")
    assert networks.get(f"/simulator/subscribers/{PAYER}").json()["balance_xaf"] == 500_000 - 3800
    assert campay.get("/balance/").json()["mtn_balance"] == 3705.0
    (told,) = wait_for(lambda: product.at(PAYMENTS))
    assert (told["reference"], told["status"], told["amount"]) == (reference, "SUCCESSFUL", "3800")


@pytest.mark.parametrize(("callback", "method"), [("get", "GET"), ("post-json", "POST"), ("post-form", "POST")])
def test_callbacks_come_in_every_documented_form_with_a_signature(
    simulator_settings: SimulatorSettings, product: Product, callback: str, method: str
) -> None:
    settings = msgspec.structs.replace(simulator_settings, campay_callback=callback)
    with serve(create_simulator(settings)) as url, httpx.Client(base_url=url) as client:
        token = client.post("/campay/api/token/", json={"username": "demo", "password": "demo"}).json()["token"]
        client.post("/campay/api/collect/", json=ORDER, headers={"Authorization": f"Token {token}"})
        client.post(f"/simulator/prompts/{PAYER}/reject")
        (call,) = wait_for(lambda: product.heard)
    assert (call["method"], call["fields"]["status"]) == (method, "FAILED")
    claims = jwt.decode(call["fields"]["signature"], settings.campay_webhook_key, algorithms=["HS256"])
    assert (set(claims), claims["source"]) == ({"iat", "nbf", "exp", "source"}, "CamPay")
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"from": f"+{PAYER}"}, "ER101"),
        ({"from": "670000001"}, "ER101"),
        ({"from": "237170000001"}, "ER101"),
        ({"from": "237660000001"}, "ER102"),
        ({"amount": "100.5"}, "ER201"),
        ({"amount": 100.0}, "ER201"),
        ({"amount": "4"}, "ER201"),
        ({"amount": "9", "from": "237690000002"}, "ER201"),
        ({"amount": "1000001"}, "ER201"),
        ({"amount": "-5"}, "ER201"),
    ],
)
def test_refusals_before_any_prompt(campay: httpx.Client, changes: dict[str, object], code: str) -> None:
    answer = collect(campay, **changes)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)


def test_an_incomplete_request_is_named(campay: httpx.Client) -> None:
    assert "description" in collect(campay, description="").json()["message"]
    assert "UUID" in collect(campay, external_reference="order 1").json()["message"]
    assert campay.post("/collect/", content=b"{").status_code == 400


def test_a_subscriber_without_money_fails_with_a_reason(campay: httpx.Client, networks: httpx.Client) -> None:
    networks.put(f"/simulator/subscribers/{PAYER}", json={"balance_xaf": 3799})
    reference = collect(campay).json()["reference"]
    assert networks.post(f"/simulator/prompts/{PAYER}/approve").json()["state"] == "failed"
    assert read(campay, reference)["reason"] == "Insufficient balance"
    assert networks.get(f"/simulator/subscribers/{PAYER}").json()["balance_xaf"] == 3799


def test_an_unanswered_prompt_expires_without_a_callback(
    simulator_settings: SimulatorSettings, product: Product
) -> None:
    clock = ManualClock()
    with serve(create_simulator(simulator_settings, clock)) as url, httpx.Client(base_url=url) as client:
        token = client.post("/campay/api/token/", json={"username": "demo", "password": "demo"}).json()["token"]
        headers = {"Authorization": f"Token {token}"}
        reference = client.post("/campay/api/collect/", json=ORDER, headers=headers).json()["reference"]
        clock.advance(seconds=300)
        path = f"/campay/api/transaction/{reference}/"
        wait_for(lambda: client.get(path, headers=headers).json()["status"] == "FAILED")
        assert client.post(f"/simulator/prompts/{PAYER}/approve").status_code == 404
        assert client.get("/simulator/state").json()["callbacks"] == {"waiting": 0, "delivered": 0, "given_up": 0}
    assert product.heard == []


def test_a_second_request_with_the_same_reference_prompts_again_and_shows_in_the_counts(
    campay: httpx.Client, networks: httpx.Client
) -> None:
    reference = str(uuid4())
    collect(campay, external_reference=reference)
    collect(campay, external_reference=reference)
    collects = networks.get("/simulator/state").json()["campay"]["collect"]
    assert collects["by_phone"] == {PAYER: 2}
    assert collects["by_external_reference"] == {reference: 2}


def test_a_withdrawal_draws_on_its_carriers_float_only(campay: httpx.Client, networks: httpx.Client) -> None:
    collect(campay)
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    payout = {"amount": "2550", "to": "237671000021", "description": "Payout", "external_reference": str(uuid4())}
    refused = campay.post("/withdraw/", json={**payout, "to": "237690000002"})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "ER301")

    accepted = campay.post("/withdraw/", json=payout).json()
    assert accepted["status"] == "PENDING"
    wait_for(lambda: read(campay, accepted["reference"])["status"] == "SUCCESSFUL")
    assert campay.get("/balance/").json()["mtn_balance"] == 3705 - 2550 - 26
    assert networks.get("/simulator/subscribers/237671000021").json()["balance_xaf"] == 502_550
    assert campay.get("/holder_info/", params={"phone_number": PAYER}).json()["full_name"]


def test_history_hides_what_is_pending_and_our_reference(campay: httpx.Client, networks: httpx.Client) -> None:
    collect(campay)
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    collect(campay, description="still waiting")
    day = datetime.now(UTC).date().isoformat()
    (line,) = campay.post("/history/", json={"start_date": day, "end_date": day}).json()["data"]
    assert (line["description"], line["credit"], line["debit"], line["charge_amount"]) == ("Order 4821", 3800, 0, 95)
    assert "external_reference" not in line
    assert campay.post("/history/", json={"start_date": "yesterday", "end_date": day}).status_code == 400


def test_paths_end_in_a_slash(campay: httpx.Client) -> None:
    assert campay.post("/collect", json=ORDER).status_code == 404
    moved = campay.get("/balance")
    assert (moved.status_code, moved.headers["location"]) == (301, "/campay/api/balance/")
    assert campay.get(f"/transaction/{uuid4()}/").status_code == 404


def test_everything_survives_a_restart(simulator_settings: SimulatorSettings) -> None:
    with serve(create_simulator(simulator_settings)) as url, httpx.Client(base_url=url) as client:
        token = client.post("/campay/api/token/", json={"username": "demo", "password": "demo"}).json()["token"]
        headers = {"Authorization": f"Token {token}"}
        reference = client.post("/campay/api/collect/", json=ORDER, headers=headers).json()["reference"]
    with serve(create_simulator(simulator_settings)) as url, httpx.Client(base_url=url) as client:
        assert client.post(f"/simulator/prompts/{PAYER}/approve").json()["id"] == reference
        shown = client.get(f"/campay/api/transaction/{reference}/", headers=headers).json()
        assert shown["status"] == "SUCCESSFUL"
