"""The simulated pawaPay speaks contracts/pawapay-and-mtn.md."""

import base64
import hashlib
from collections.abc import Iterator
from uuid import uuid4

import httpx
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.settings import Secret
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import Product
from tests.support.servers import wait_for

PAYER = "237653456789"
CALLBACK = "/payments/pawapay/demo"
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@pytest.fixture
def simulator_settings(simulator_settings: SimulatorSettings) -> SimulatorSettings:
    opening = {"mtn": 10_000}
    return msgspec.structs.replace(
        simulator_settings, pawapay_opening_float_xaf=opening, pawapay_signing_key=Secret(PEM)
    )


@pytest.fixture
def pawapay(simulator_url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer demo"}
    with httpx.Client(base_url=f"{simulator_url}/pawapay/v2", headers=headers, timeout=5, trust_env=False) as client:
        yield client


def account(phone: str = PAYER, provider: str = "MTN_MOMO_CMR") -> dict[str, object]:
    return {"type": "MMO", "accountDetails": {"phoneNumber": phone, "provider": provider}}


def order(kind: str = "deposit", **changes: object) -> dict[str, object]:
    party = "payer" if kind == "deposit" else "recipient"
    asked = {f"{kind}Id": str(uuid4()), "amount": "3800", "currency": "XAF", party: account()}
    return {**asked, "customerMessage": "Mboa 4821", **changes}


def paid(pawapay: httpx.Client, networks: httpx.Client) -> str:
    """A completed deposit."""
    asked = order()
    assert pawapay.post("/deposits", json=asked).json()["status"] == "ACCEPTED"
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    return str(asked["depositId"])


def test_a_deposit_under_our_own_id(pawapay: httpx.Client, networks: httpx.Client) -> None:
    asked = order(clientReferenceId="4821")
    accepted = pawapay.post("/deposits", json=asked).json()
    assert (accepted["depositId"], accepted["status"]) == (asked["depositId"], "ACCEPTED")
    path = f"/deposits/{asked['depositId']}"
    assert pawapay.get(path).json()["data"]["status"] == "PROCESSING"
    networks.post(f"/simulator/prompts/{PAYER}/approve")

    shown = pawapay.get(path).json()
    assert (shown["status"], shown["data"]["status"]) == ("FOUND", "COMPLETED")
    assert {name: shown["data"][name] for name in ("amount", "currency", "payer", "clientReferenceId")} == {
        "amount": "3800",
        "currency": "XAF",
        "payer": account(),
        "clientReferenceId": "4821",
    }
    wallets = pawapay.get("/wallet-balances").json()["balances"]
    assert {"country": "CMR", "balance": "13705.00", "currency": "XAF", "provider": "MTN_MOMO_CMR"} in wallets


def test_a_repeat_is_ignored_and_an_unknown_id_not_found(pawapay: httpx.Client, networks: httpx.Client) -> None:
    asked = order()
    statuses = [pawapay.post("/deposits", json=asked).json()["status"] for _ in range(2)]
    assert statuses == ["ACCEPTED", "DUPLICATE_IGNORED"]
    assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == 1
    assert pawapay.get(f"/deposits/{uuid4()}").json() == {"status": "NOT_FOUND"}
    assert pawapay.get(f"/payouts/{asked['depositId']}").json() == {"status": "NOT_FOUND"}


@pytest.mark.parametrize(("act", "code"), [("reject", "PAYMENT_NOT_APPROVED"), ("approve", "INSUFFICIENT_BALANCE")])
def test_a_failure_has_a_code(pawapay: httpx.Client, networks: httpx.Client, act: str, code: str) -> None:
    networks.put(f"/simulator/subscribers/{PAYER}", json={"balance_xaf": 1})
    asked = order()
    pawapay.post("/deposits", json=asked)
    networks.post(f"/simulator/prompts/{PAYER}/{act}")
    shown = pawapay.get(f"/deposits/{asked['depositId']}").json()["data"]
    assert (shown["status"], shown["failureReason"]["failureCode"]) == ("FAILED", code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "38.50"}, "INVALID_AMOUNT"),
        ({"amount": "1000001"}, "AMOUNT_OUT_OF_BOUNDS"),
        ({"currency": "EUR"}, "INVALID_CURRENCY"),
        ({"payer": account(provider="NEXTTEL_CMR")}, "INVALID_PROVIDER"),
        ({"payer": account("237693456789")}, "INVALID_PHONE_NUMBER"),
        ({"payer": account("+237653456789")}, "INVALID_PHONE_NUMBER"),
    ],
)
def test_a_rejection_is_200_and_has_no_effect(
    pawapay: httpx.Client, networks: httpx.Client, changes: dict[str, object], code: str
) -> None:
    refused = pawapay.post("/deposits", json=order(**changes))
    body = refused.json()
    assert (refused.status_code, body["status"], body["failureReason"]["failureCode"]) == (200, "REJECTED", code)
    assert networks.get("/simulator/state").json()["pawapay"]["collect"]["total"] == 0


@pytest.mark.parametrize("changes", [{"depositId": "4821"}, {"customerMessage": "abc"}, {"customerMessage": "x" * 23}])
def test_what_cannot_be_read_is_400(pawapay: httpx.Client, changes: dict[str, object]) -> None:
    refused = pawapay.post("/deposits", json=order(**changes))
    assert (refused.status_code, refused.json()["failureReason"]["failureCode"]) == (400, "INVALID_PARAMETER")


def test_payouts_and_native_refunds_draw_on_the_wallet(pawapay: httpx.Client, networks: httpx.Client) -> None:
    payout = order("payout", amount="2000")
    assert pawapay.post("/payouts", json=payout).json()["status"] == "ACCEPTED"
    wait_for(lambda: pawapay.get(f"/payouts/{payout['payoutId']}").json()["data"]["status"] == "COMPLETED")
    refused = pawapay.post("/payouts", json=order("payout", amount="9000")).json()
    assert refused["failureReason"]["failureCode"] == "PAWAPAY_WALLET_OUT_OF_FUNDS"

    refund = {"refundId": str(uuid4()), "depositId": paid(pawapay, networks)}
    assert pawapay.post("/refunds", json=refund).json()["status"] == "ACCEPTED"
    shown = wait_for(lambda: done(pawapay, f"/refunds/{refund['refundId']}"))
    assert (shown["amount"], shown["recipient"]) == ("3800", account())
    again = pawapay.post("/refunds", json={**refund, "refundId": str(uuid4())}).json()
    assert again["failureReason"]["failureCode"] == "AMOUNT_TOO_LARGE"
    assert networks.get(f"/simulator/subscribers/{PAYER}").json()["balance_xaf"] == 502_000


def done(pawapay: httpx.Client, path: str) -> dict[str, object] | None:
    shown = dict(pawapay.get(path).json()["data"])
    return shown if shown["status"] == "COMPLETED" else None


def test_only_a_completed_deposit_is_refunded(pawapay: httpx.Client) -> None:
    asked = order()
    pawapay.post("/deposits", json=asked)
    for deposit, code in ((asked["depositId"], "DEPOSIT_NOT_COMPLETED"), (str(uuid4()), "DEPOSIT_NOT_FOUND")):
        refused = pawapay.post("/refunds", json={"refundId": str(uuid4()), "depositId": deposit}).json()
        assert refused["failureReason"]["failureCode"] == code


def test_a_callback_is_signed_over_its_body_and_its_address(
    pawapay: httpx.Client, networks: httpx.Client, product: Product, simulator_settings: SimulatorSettings
) -> None:
    ref = paid(pawapay, networks)
    (call,) = wait_for(lambda: product.heard)
    headers, body = call["headers"], msgspec.json.encode(call["fields"])
    assert (call["path"], call["fields"]["depositId"]) == (CALLBACK, ref)
    digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
    assert headers["content-digest"] == f"sha-512=:{digest}:"
    parameters = headers["signature-input"].removeprefix("sig-pp=")
    base = "\n".join(
        [
            '"@method": POST',
            f'"@authority": {simulator_settings.product_url.removeprefix("http://")}',
            f'"@path": {CALLBACK}',
            *(f'"{name}": {headers[name]}' for name in ("signature-date", "content-digest", "content-type")),
            f'"@signature-params": {parameters}',
        ]
    )
    signature = base64.b64decode(headers["signature"].removeprefix("sig-pp=:").removesuffix(":"))
    KEY.public_key().verify(signature, base.encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signature, base.replace("POST", "PUT").encode(), ec.ECDSA(hashes.SHA256()))


def test_only_the_token_opens_the_door(pawapay: httpx.Client) -> None:
    assert pawapay.get("/wallet-balances", headers={"Authorization": "Bearer other"}).status_code == 403
    assert pawapay.get("/wallet-balances", headers={"Authorization": ""}).status_code == 401
