"""The simulated NouPay speaks contracts/noupay.md."""

import hashlib
import hmac
from collections.abc import Iterator
from uuid import uuid4

import httpx
import msgspec
import pytest

from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import Product
from tests.support.servers import serve, wait_for

PAYER = "237670000001"
CALLBACK = "/payments/noupay/demo"


@pytest.fixture
def simulator_settings(simulator_settings: SimulatorSettings) -> SimulatorSettings:
    return msgspec.structs.replace(simulator_settings, noupay_opening_float_xaf={"mtn": 10_000})


@pytest.fixture
def noupay(simulator_url: str) -> Iterator[httpx.Client]:
    """A client of NouPay with the key."""
    headers = {"X-API-Key": "demo"}
    with httpx.Client(base_url=f"{simulator_url}/noupay", headers=headers, timeout=5, trust_env=False) as client:
        yield client


def order(settings: SimulatorSettings, party: str = "phone", **changes: object) -> dict[str, object]:
    usual = {
        "amount": 3800,
        "currency": "XAF",
        party: PAYER,
        "method": "MTN_MOMO",
        "reference": str(uuid4()),
        "description": "Order 4821",
        "callback_url": f"{settings.product_url}{CALLBACK}",
    }
    return {**usual, **changes}


def test_a_collection_from_prompt_to_signed_callback(
    noupay: httpx.Client, networks: httpx.Client, product: Product, simulator_settings: SimulatorSettings
) -> None:
    asked = order(simulator_settings)
    accepted = noupay.post("/payments", json=asked)
    ref = accepted.json()["payment_id"]
    assert (accepted.status_code, accepted.json()) == (201, {"payment_id": ref, "status": "PENDING"})
    networks.post(f"/simulator/prompts/{PAYER}/approve")

    shown = {
        "payment_id": ref,
        "reference": asked["reference"],
        "status": "SUCCESSFUL",
        "amount": 3800,
        "currency": "XAF",
        "phone": PAYER,
        "method": "MTN_MOMO",
        "reason": None,
    }
    assert noupay.get(f"/payments/{ref}").json() == shown
    balances = noupay.get("/balance").json()["balances"]
    assert {"method": "MTN_MOMO", "amount": 10_000 + 3800 - 95} in balances
    (call,) = wait_for(lambda: product.heard)
    assert (call["path"], call["fields"]) == (CALLBACK, shown)
    signed = hmac.new(b"demo", msgspec.json.encode(shown), hashlib.sha256).hexdigest()
    assert call["headers"]["x-noupay-signature"] == signed


@pytest.mark.parametrize(("act", "reason"), [("reject", "REJECTED_BY_PAYER"), ("approve", "INSUFFICIENT_FUNDS")])
def test_a_failure_has_a_reason(
    noupay: httpx.Client, networks: httpx.Client, simulator_settings: SimulatorSettings, act: str, reason: str
) -> None:
    networks.put(f"/simulator/subscribers/{PAYER}", json={"balance_xaf": 1})
    ref = noupay.post("/payments", json=order(simulator_settings)).json()["payment_id"]
    networks.post(f"/simulator/prompts/{PAYER}/{act}")
    shown = noupay.get(f"/payments/{ref}").json()
    assert (shown["status"], shown["reason"]) == ("FAILED", reason)


def test_a_payout_draws_on_the_float_of_its_method(
    noupay: httpx.Client, networks: httpx.Client, simulator_settings: SimulatorSettings
) -> None:
    asked = order(simulator_settings, "to", amount=2500)
    ref = noupay.post("/payouts", json=asked).json()["payment_id"]
    wait_for(lambda: noupay.get(f"/payouts/{ref}").json()["status"] == "SUCCESSFUL")
    assert noupay.get(f"/payouts/{ref}").json()["to"] == PAYER
    assert noupay.get(f"/payments/{ref}").status_code == 404
    assert networks.get(f"/simulator/subscribers/{PAYER}").json()["balance_xaf"] == 502_500
    too_much = order(simulator_settings, "to", amount=7476)  # the fee does not fit
    assert noupay.post("/payouts", json=too_much).json()["code"] == "INSUFFICIENT_FLOAT"
    orange = order(simulator_settings, "to", to="237690000002", method="ORANGE_MONEY", amount=100)
    assert noupay.post("/payouts", json=orange).json()["code"] == "INSUFFICIENT_FLOAT"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"phone": "+237670000001"}, "INVALID_PHONE"),
        ({"phone": "670000001"}, "INVALID_PHONE"),
        ({"method": "NEXTTEL"}, "UNSUPPORTED_METHOD"),
        ({"amount": "3800"}, "INVALID_AMOUNT"),
        ({"amount": 10.5}, "INVALID_AMOUNT"),
        ({"amount": 0}, "INVALID_AMOUNT"),
        ({"amount": 1_000_001}, "INVALID_AMOUNT"),
        ({"currency": "EUR"}, "INVALID_AMOUNT"),
    ],
)
def test_refusals_before_any_prompt(
    noupay: httpx.Client,
    networks: httpx.Client,
    simulator_settings: SimulatorSettings,
    changes: dict[str, object],
    code: str,
) -> None:
    refused = noupay.post("/payments", json=order(simulator_settings, **changes))
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert networks.get("/simulator/state").json()["noupay"]["collect"]["total"] == 0


def test_a_repeated_reference_prompts_again(
    noupay: httpx.Client, networks: httpx.Client, simulator_settings: SimulatorSettings
) -> None:
    asked = order(simulator_settings)
    refs = {noupay.post("/payments", json=asked).json()["payment_id"] for _ in range(2)}
    assert len(refs) == len(networks.get(f"/simulator/prompts/{PAYER}").json()) == 2


def test_only_the_key_opens_the_door(simulator_settings: SimulatorSettings) -> None:
    with serve(create_simulator(simulator_settings)) as url, httpx.Client(base_url=f"{url}/noupay") as client:
        assert client.get("/balance").status_code == 401
        assert client.get("/balance", headers={"X-API-Key": "other"}).status_code == 401
