"""The NouPay adapter alone: contracts/noupay.md, and nothing believed beyond it."""

import hashlib
import hmac
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from core.http import Answer as HttpAnswer
from core.phones import EXPRESS_UNION, MTN, ORANGE
from core.settings import Secret, Settings
from payments.providers.noupay import CAPABILITIES, Noupay, classify, hear, record
from payments.providers.protocol import Callback, Proof, Request, Unbelieved, Word
from payments.states import Failure, Kind
from tests.payments.scripted import Scripted, says, verbatim

pytestmark = pytest.mark.anyio

REF = "5f0c7b1e-6b1c-4f0a-9d0e-2f7a61c5f001"
OURS = "8917c345-4791-4285-a416-62f24b6982db"
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
CREATED = says(201, {"payment_id": REF, "status": "PENDING"})


@pytest.fixture
def network() -> Scripted:
    return Scripted()


@pytest.fixture
def account(settings: Settings) -> Settings:
    own = {
        "noupay_api_key": Secret("key-1"),
        "noupay_webhook_secret": Secret("hook-1"),
        "public_url": "https://mboa.cm",
    }
    return msgspec.structs.replace(settings, **own)


@pytest.fixture
def adapter(network: Scripted, account: Settings) -> Noupay:
    return Noupay(account, http_client=network.client())


def wanted(kind: Kind = Kind.COLLECT, carrier: str = MTN) -> Request:
    return Request(uuid4(), kind, 3800, "+237670000001", carrier, "order")


async def test_a_collection_says_what_the_contract_wants(adapter: Noupay, network: Scripted) -> None:
    network.standing["POST /payments"] = CREATED
    request = wanted()
    answer = await adapter.send(request)
    assert (answer.proof, answer.ref) == (Proof.ACCEPTED, REF)
    assert network.headers["X-API-Key"] == "key-1"
    assert network.body == {
        "amount": 3800,
        "currency": "XAF",
        "phone": "237670000001",
        "method": "MTN_MOMO",
        "reference": str(request.attempt_id),
        "description": f"{request.attempt_id} order",
        "callback_url": "https://mboa.cm/payments/noupay/demo",
    }  # and no `fallback`


@pytest.mark.parametrize(
    ("carrier", "method"), [(MTN, "MTN_MOMO"), (ORANGE, "ORANGE_MONEY"), (EXPRESS_UNION, "EU_MOBILE")]
)
@pytest.mark.parametrize("kind", [Kind.PAYOUT, Kind.REFUND])
async def test_money_goes_out_by_payouts(
    adapter: Noupay, network: Scripted, kind: Kind, carrier: str, method: str
) -> None:
    network.standing["POST /payouts"] = CREATED
    assert (await adapter.send(wanted(kind, carrier))).proof is Proof.ACCEPTED
    assert (network.body["to"], network.body["method"]) == ("237670000001", method)
    assert "phone" not in network.body


async def test_without_a_key_nothing_is_sent(network: Scripted, settings: Settings) -> None:
    adapter = Noupay(settings, http_client=network.client())
    answer = await adapter.send(wanted())
    assert (answer.proof, answer.detail) == (Proof.NOT_SENT, "CREDENTIALS")
    assert network.asked == []


ANSWERS: list[tuple[int, bytes, Proof, Failure | None]] = [
    (201, b'{"payment_id": "p-1", "status": "PENDING"}', Proof.ACCEPTED, None),
    (200, b'{"payment_id": "p-1", "status": "SUCCESSFUL"}', Proof.ACCEPTED, None),
    (409, b'{"payment_id": "p-1", "code": "DUPLICATE"}', Proof.ACCEPTED, None),
    (409, b'{"code": "DUPLICATE", "message": "x"}', Proof.UNKNOWN, None),
    (201, b'{"status": "PENDING"}', Proof.UNKNOWN, None),
    (201, b'{"payment_id": "None", "status": "PENDING"}', Proof.UNKNOWN, None),
    (201, b'{"payment_id": "../balance"}', Proof.UNKNOWN, None),
    (201, b'[{"payment_id": "p-1"}]', Proof.UNKNOWN, None),
    (201, b'{"payment_id": {"id": "p-1"}}', Proof.UNKNOWN, None),
    (201, b'{"payment_id": "p-1"', Proof.UNKNOWN, None),
    (400, b'{"code": "INVALID_PHONE", "message": "x"}', Proof.REFUSED, Failure.WRONG_NUMBER),
    (400, b'{"code": "UNSUPPORTED_METHOD", "message": "x"}', Proof.REFUSED, Failure.UNSUPPORTED),
    (422, b'{"code": "INVALID_AMOUNT", "message": "x"}', Proof.REFUSED, Failure.LIMIT),
    (402, b'{"code": "INSUFFICIENT_FLOAT", "message": "x"}', Proof.REFUSED, Failure.LOW_FLOAT),
    (400, b'{"code": "TRY_LATER", "message": "x"}', Proof.UNKNOWN, None),
    (400, b'{"code": ["INVALID_PHONE"]}', Proof.UNKNOWN, None),
    (200, b'{"code": "INVALID_PHONE"}', Proof.UNKNOWN, None),
    (401, b'{"code": "UNAUTHORIZED", "message": "Unknown API key"}', Proof.UNKNOWN, None),
    (429, b'{"code": "SLOW_DOWN", "message": "x"}', Proof.UNKNOWN, None),
    (500, b'{"code": "INVALID_PHONE", "message": "x"}', Proof.UNKNOWN, None),
    (502, b"<html><h1>502 Bad Gateway</h1></html>", Proof.UNKNOWN, None),
    (200, b"<html>Maintenance</html>", Proof.UNKNOWN, None),
    (201, b"", Proof.UNKNOWN, None),
]


@pytest.mark.parametrize(("status", "body", "proof", "failure"), ANSWERS)
def test_what_an_answer_proves(status: int, body: bytes, proof: Proof, failure: Failure | None) -> None:
    answer = classify(HttpAnswer(status, body))
    assert (answer.proof, answer.failure) == (proof, failure)


async def test_an_unknown_key_is_tried_once_and_proves_nothing(adapter: Noupay, network: Scripted) -> None:
    network.standing["POST /payments"] = says(401, {"code": "UNAUTHORIZED", "message": "Unknown API key"})
    assert (await adapter.send(wanted())).proof is Proof.UNKNOWN
    assert network.count("/payments") == 1


async def test_a_verbatim_payment(adapter: Noupay, network: Scripted) -> None:
    network.standing[f"GET /payments/{REF}"] = says(200, verbatim("noupay_payment.json"))
    shown = await adapter.read(REF, Kind.COLLECT)
    assert shown is not None
    assert (shown.ref, shown.our_id, shown.word, shown.collects) == (REF, OURS, Word.SUCCESSFUL, True)
    assert (shown.amount, shown.currency, shown.phone, shown.carrier) == (Decimal(3800), "XAF", "+237670000001", MTN)


async def test_a_payout_is_read_where_payouts_are(adapter: Noupay, network: Scripted) -> None:
    body = {"payment_id": REF, "reference": OURS, "status": "FAILED", "amount": "5.00", "to": "237690000002"}
    network.standing[f"GET /payouts/{REF}"] = says(200, {**body, "method": "ORANGE_MONEY", "reason": "Expired"})
    shown = await adapter.read(REF, Kind.PAYOUT)
    assert shown is not None
    assert (shown.collects, shown.amount, shown.phone, shown.carrier) == (False, Decimal(5), "+237690000002", ORANGE)
    assert (shown.word, shown.failure) == (Word.FAILED, Failure.REJECTED)


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"status": "REVERSED"}, "word", Word.PENDING),  # a word that nobody documented
        ({"status": "successful"}, "word", Word.PENDING),
        ({"amount": "3000.0000000000000001"}, "amount", Decimal("3000.0000000000000001")),
        ({"amount": "None"}, "amount", None),
        ({"amount": True}, "amount", None),
        ({"amount": [3800]}, "amount", None),
        ({"reference": "None"}, "our_id", None),
        ({"phone": "33612345678"}, "phone", None),
        ({"method": "AIRTEL"}, "carrier", None),
        ({"method": ["MTN_MOMO"]}, "carrier", None),
        ({"status": "FAILED", "reason": "INSUFFICIENT_FUNDS"}, "failure", Failure.INSUFFICIENT_FUNDS),
        ({"status": "FAILED", "reason": "REJECTED_BY_PAYER"}, "failure", Failure.REJECTED),
        ({"status": "FAILED", "reason": "timeout at the operator"}, "failure", Failure.UNSTATED),
        ({"status": "FAILED", "reason": None}, "failure", Failure.UNSTATED),
    ],
)
def test_oddities_of_a_record(changes: dict[str, Any], name: str, value: object) -> None:
    shown = record(HttpAnswer(200, verbatim("noupay_payment.json", **changes)).json(), Kind.COLLECT)
    assert getattr(shown, name) == value


async def test_floats_are_per_method(adapter: Noupay, network: Scripted) -> None:
    rows = [{"method": "MTN_MOMO", "amount": "1000.75"}, {"method": "ORANGE_MONEY", "amount": 5}, {"method": "X"}, 7]
    network.standing["GET /balance"] = says(200, {"balances": rows})
    assert await adapter.floats() == {MTN: 1000, ORANGE: 5}


async def test_it_promises_nothing(adapter: Noupay) -> None:
    """The router sees a provider that can prove nothing (contracts/noupay.md)."""
    flags = msgspec.structs.asdict(adapter.capabilities)
    assert {name for name, value in flags.items() if value is True} == {"tells_whole_float"}  # which proves no payment
    assert CAPABILITIES.carriers == {MTN, ORANGE, EXPRESS_UNION}
    days = {"since": date(2026, 11, 20), "until": date(2026, 11, 22)}
    assert await adapter.lookup(uuid4(), Kind.COLLECT) is None
    assert (await adapter.locate(uuid4(), **days), await adapter.history(**days)) == ([], [])
    assert await adapter.holder("+237670000001") is None


# -- callbacks


def rung(body: bytes, secret: str = "hook-1", **headers: str) -> Callback:
    proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Callback(body=body, headers={"x-noupay-signature": proof, **headers})


def test_a_signed_callback_rings(account: Settings) -> None:
    ring = hear(rung(verbatim("noupay_payment.json")), account, NOW)
    assert (ring.ref, ring.our_id) == (REF, OURS)


@pytest.mark.parametrize(
    "signature",
    ["", "None", "0" * 64, hmac.new(b"other", verbatim("noupay_payment.json"), hashlib.sha256).hexdigest(), "é"],
)
def test_a_forged_callback_is_not_believed(account: Settings, signature: str) -> None:
    with pytest.raises(Unbelieved, match="forged"):
        hear(rung(verbatim("noupay_payment.json"), **{"x-noupay-signature": signature}), account, NOW)


def test_a_signature_covers_every_byte(account: Settings) -> None:
    callback = rung(verbatim("noupay_payment.json"))
    changed = msgspec.structs.replace(callback, body=callback.body.replace(b"3800", b"3900"))
    with pytest.raises(Unbelieved, match="forged"):
        hear(changed, account, NOW)


def test_without_a_secret_nothing_can_be_theirs(settings: Settings) -> None:
    with pytest.raises(Unbelieved, match="forged"):
        hear(rung(verbatim("noupay_payment.json"), secret=""), settings, NOW)
