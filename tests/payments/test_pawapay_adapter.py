"""The pawaPay adapter alone: payloads as https://docs.pawapay.io/v2 prints them. Signed callbacks stand beside."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from core.http import Answer as HttpAnswer
from core.phones import MTN, ORANGE
from core.settings import Secret, Settings
from payments.providers.pawapay import DEPOSIT, PAYOUT, Pawapay, classify, finding, hear
from payments.providers.protocol import Absence, Callback, Proof, Record, Request, Ring, Word
from payments.states import Failure, Kind
from tests.payments.scripted import Scripted, says, verbatim

pytestmark = pytest.mark.anyio

REF = "8917c345-4791-4285-a416-62f24b6982db"
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
FOUND, FAILED = verbatim("pawapay_deposit_found.json"), verbatim("pawapay_payout_failed.json")
NOT_FOUND = says(200, {"status": "NOT_FOUND"})


@pytest.fixture
def network() -> Scripted:
    return Scripted()


@pytest.fixture
def account(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, pawapay_token=Secret("token-1"), public_url="https://mboa.cm")


@pytest.fixture
def adapter(network: Scripted, account: Settings) -> Pawapay:
    return Pawapay(account, http_client=network.client())


def wanted(kind: Kind = Kind.COLLECT, carrier: str = MTN, **changes: Any) -> Request:
    return Request(UUID(REF), kind, 3800, "+237653456789", carrier, "order", **changes)


# -- money


async def test_a_deposit_says_what_the_documentation_wants(adapter: Pawapay, network: Scripted) -> None:
    network.standing["POST /v2/deposits"] = says(200, {"depositId": REF, "status": "ACCEPTED"})
    answer = await adapter.send(wanted())
    assert (answer.proof, answer.ref) == (Proof.ACCEPTED, REF)
    assert network.headers["Authorization"] == "Bearer token-1"
    assert network.body == {
        "depositId": REF,
        "amount": "3800",
        "currency": "XAF",
        "payer": {"type": "MMO", "accountDetails": {"phoneNumber": "237653456789", "provider": "MTN_MOMO_CMR"}},
        "clientReferenceId": REF,
        "customerMessage": "Mboa order",
    }


@pytest.mark.parametrize("purpose", ["", "l'addition", "un repas de fête pour trente personnes", "é\n\x00"])
async def test_a_customers_message_has_4_to_22_plain_characters(
    adapter: Pawapay, network: Scripted, purpose: str
) -> None:
    network.standing["POST /v2/deposits"] = says(200, {"depositId": REF, "status": "ACCEPTED"})
    await adapter.send(msgspec.structs.replace(wanted(), purpose=purpose))
    message = network.body["customerMessage"]
    assert 4 <= len(message) <= 22
    assert message.isascii()
    assert message.replace(" ", "").isalnum()


async def test_a_payout_names_its_recipient(adapter: Pawapay, network: Scripted) -> None:
    network.standing["POST /v2/payouts"] = says(200, {"payoutId": REF, "status": "ENQUEUED"})
    assert (await adapter.send(wanted(Kind.PAYOUT, ORANGE))).proof is Proof.ACCEPTED
    assert network.body["payoutId"] == REF
    assert network.body["recipient"]["accountDetails"]["provider"] == "ORANGE_CMR"


async def test_what_it_collected_is_refunded_by_its_own_way(adapter: Pawapay, network: Scripted) -> None:
    network.standing["POST /v2/refunds"] = says(200, {"refundId": REF, "status": "ACCEPTED"})
    collected = uuid4()
    assert (await adapter.send(wanted(Kind.REFUND, returns=collected, returns_ref=str(collected)))).ref == REF
    assert network.body == {
        "refundId": REF,
        "depositId": str(collected),
        "amount": "3800",
        "currency": "XAF",
        "clientReferenceId": REF,
    }


async def test_what_another_provider_collected_goes_back_as_a_payout(adapter: Pawapay, network: Scripted) -> None:
    network.standing["POST /v2/payouts"] = says(200, {"payoutId": REF, "status": "ACCEPTED"})
    assert (await adapter.send(wanted(Kind.REFUND, returns=uuid4()))).ref == REF


def refused(code: str) -> bytes:
    reason = {"failureCode": code, "failureMessage": "for people"}
    return msgspec.json.encode({"depositId": REF, "status": "REJECTED", "failureReason": reason})


def failing(code: object) -> bytes:
    """A refusal that was not even looked at: no status."""
    return msgspec.json.encode({"failureReason": {"failureCode": code, "failureMessage": "for people"}})


def told(status: str, **changes: str) -> bytes:
    return msgspec.json.encode({"depositId": REF, "status": status, "created": "2020-10-19T11:17:01Z", **changes})


ANSWERS: list[tuple[int, bytes, Proof, Failure | None]] = [
    (200, told("ACCEPTED"), Proof.ACCEPTED, None),
    (200, told("DUPLICATE_IGNORED"), Proof.ACCEPTED, None),
    (200, b'{"status": "ACCEPTED"}', Proof.ACCEPTED, None),
    (409, b"", Proof.ACCEPTED, None),
    (200, told("ACCEPTED", depositId="67c1d7bb-0000-4000-8000-000000000000"), Proof.UNKNOWN, None),
    (200, told("QUEUED"), Proof.UNKNOWN, None),
    (200, told(""), Proof.UNKNOWN, None),
    (202, told("None"), Proof.UNKNOWN, None),
    (200, refused("AMOUNT_OUT_OF_BOUNDS"), Proof.REFUSED, Failure.LIMIT),
    (200, refused("INVALID_AMOUNT"), Proof.REFUSED, Failure.LIMIT),
    (200, refused("INVALID_PHONE_NUMBER"), Proof.REFUSED, Failure.WRONG_NUMBER),
    (200, refused("INVALID_PROVIDER"), Proof.REFUSED, Failure.UNSUPPORTED),
    (200, refused("PAWAPAY_WALLET_OUT_OF_FUNDS"), Proof.REFUSED, Failure.LOW_FLOAT),
    (200, refused("PROVIDER_TEMPORARILY_UNAVAILABLE"), Proof.REFUSED, Failure.TECHNICAL),
    (200, refused("A_CODE_OF_TOMORROW"), Proof.REFUSED, Failure.UNSTATED),
    # Where an earlier refund may have had its effect, no other way is tried by itself.
    (200, refused("DEPOSIT_ALREADY_REFUNDED"), Proof.REFUSED, Failure.UNSTATED),
    (200, refused("REFUND_IN_PROGRESS"), Proof.REFUSED, Failure.UNSTATED),
    (200, refused("UNKNOWN_ERROR"), Proof.UNKNOWN, None),
    (500, refused("UNKNOWN_ERROR"), Proof.UNKNOWN, None),
    (500, refused("INVALID_AMOUNT"), Proof.UNKNOWN, None),
    (400, failing("MISSING_PARAMETER"), Proof.REFUSED, Failure.TECHNICAL),
    (401, failing("NO_AUTHENTICATION"), Proof.REFUSED, Failure.TECHNICAL),
    (403, failing("DEPOSITS_NOT_ALLOWED"), Proof.REFUSED, Failure.TECHNICAL),
    (400, failing(["MISSING_PARAMETER"]), Proof.UNKNOWN, None),
    (400, b'{"failureReason": "MISSING_PARAMETER"}', Proof.UNKNOWN, None),
    (403, b"<html>403 Forbidden</html>", Proof.UNKNOWN, None),
    (502, b"<html><h1>502 Bad Gateway</h1></html>", Proof.UNKNOWN, None),
    (200, b"<html>Maintenance</html>", Proof.UNKNOWN, None),
    (200, b'[{"status": "ACCEPTED"}]', Proof.UNKNOWN, None),
    (429, b"{}", Proof.UNKNOWN, None),
    (200, told("ACCEPTED")[:-9], Proof.UNKNOWN, None),
]


@pytest.mark.parametrize(("status", "body", "proof", "failure"), ANSWERS)
def test_what_an_answer_proves(status: int, body: bytes, proof: Proof, failure: Failure | None) -> None:
    answer = classify(HttpAnswer(status, body), DEPOSIT, REF)
    assert (answer.proof, answer.failure) == (proof, failure)
    assert answer.ref == (REF if proof is Proof.ACCEPTED else None)


# -- reads


async def test_a_verbatim_deposit(adapter: Pawapay, network: Scripted) -> None:
    network.standing[f"GET /v2/deposits/{REF}"] = says(200, FOUND)
    shown = await adapter.read(REF, Kind.COLLECT)
    assert shown == Record(
        ref=REF,
        word=Word.SUCCESSFUL,
        our_id=REF,
        collects=True,
        amount=Decimal("123.00"),
        net=None,
        currency="XAF",
        phone="+237653456789",
        carrier=MTN,
        failure=None,
    )


async def test_a_verbatim_payout_that_failed(adapter: Pawapay, network: Scripted) -> None:
    network.standing[f"GET /v2/payouts/{REF}"] = says(200, FAILED)
    shown = await adapter.lookup(UUID(REF), Kind.PAYOUT)
    assert isinstance(shown, Record)
    assert (shown.word, shown.failure, shown.collects) == (Word.FAILED, Failure.WRONG_NUMBER, False)
    assert (shown.amount, shown.phone, shown.carrier) == (Decimal(15), "+237693456089", ORANGE)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("ACCEPTED", Word.PENDING),
        ("ENQUEUED", Word.PENDING),
        ("PROCESSING", Word.PENDING),
        ("IN_RECONCILIATION", Word.PENDING),
        ("COMPLETED", Word.SUCCESSFUL),
        ("FAILED", Word.FAILED),
        ("REVERSED", Word.PENDING),
        ("completed", Word.PENDING),
    ],
)
def test_words(status: str, word: Word) -> None:
    shown = finding(HttpAnswer(200, FOUND.replace(b"COMPLETED", status.encode())), DEPOSIT, REF)
    assert isinstance(shown, Record)
    assert shown.word is word


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("PAYMENT_NOT_APPROVED", Failure.REJECTED),
        ("INSUFFICIENT_BALANCE", Failure.INSUFFICIENT_FUNDS),
        ("PAYMENT_IN_PROGRESS", Failure.UNSTATED),
        ("PAYER_LIMIT_REACHED", Failure.LIMIT),
        ("PAYER_NOT_FOUND", Failure.WRONG_NUMBER),
        ("PAWAPAY_WALLET_OUT_OF_FUNDS", Failure.LOW_FLOAT),
        ("UNSPECIFIED_FAILURE", Failure.UNSTATED),
        ("UNKNOWN_ERROR", Failure.UNSTATED),
    ],
)
def test_why_it_failed(code: str, failure: Failure) -> None:
    shown = finding(HttpAnswer(200, FAILED.replace(b"RECIPIENT_NOT_FOUND", code.encode())), PAYOUT, REF)
    assert isinstance(shown, Record)
    assert shown.failure is failure


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>404 Not Found</html>"),
        (404, b""),
        (404, b'{"status": 404, "error": "Not Found"}'),
        (500, b'{"status": "NOT_FOUND"}'),
        (403, b'{"failureReason": {"failureCode": "AUTHENTICATION_ERROR"}}'),
        (200, b'{"status": "FOUND"}'),
        (200, b'{"status": "FOUND", "data": []}'),
        (200, b'{"status": "FOUND", "data": {"depositId": "%s"}}' % REF.encode()),
        (200, b'[{"status": "NOT_FOUND"}]'),
        (200, FOUND.replace(REF.encode(), b"67c1d7bb-0000-4000-8000-000000000000")),
        (200, FOUND[:-9]),
        (200, b"<html>Maintenance</html>"),
    ],
)
def test_only_its_own_word_proves_absence_or_presence(status: int, body: bytes) -> None:
    assert finding(HttpAnswer(status, body), DEPOSIT, REF) is None


async def test_it_tells_what_is_not_there(adapter: Pawapay, network: Scripted) -> None:
    network.standing[f"GET /v2/deposits/{REF}"] = NOT_FOUND
    assert await adapter.lookup(UUID(REF), Kind.COLLECT) == Absence()
    assert await adapter.read(REF, Kind.COLLECT) is None


async def test_a_refund_is_absent_only_where_both_its_ways_say_so(adapter: Pawapay, network: Scripted) -> None:
    """It may have gone out as a payout: an absence from the refunds alone would pay it twice."""
    refunds, payouts = f"GET /v2/refunds/{REF}", f"GET /v2/payouts/{REF}"
    network.standing |= {refunds: NOT_FOUND, payouts: says(200, FAILED)}
    assert isinstance(await adapter.lookup(UUID(REF), Kind.REFUND), Record)
    network.standing[payouts] = says(502, b"<html></html>")
    assert await adapter.lookup(UUID(REF), Kind.REFUND) is None
    network.standing[payouts] = NOT_FOUND
    assert await adapter.lookup(UUID(REF), Kind.REFUND) == Absence()
    network.standing[refunds] = says(200, FAILED.replace(b"payoutId", b"refundId"))
    assert isinstance(await adapter.lookup(UUID(REF), Kind.REFUND), Record)
    assert network.asked[-1].url.path == f"/v2/refunds/{REF}"


async def test_floats_are_those_of_cameroon(adapter: Pawapay, network: Scripted) -> None:
    wallets = [
        {"country": "ZMB", "balance": "21798.03", "currency": "ZMW", "provider": ""},
        {"country": "CMR", "balance": "10798.03", "currency": "XAF", "provider": ""},
    ]
    network.standing["GET /v2/wallet-balances"] = says(200, {"balances": wallets})
    assert await adapter.floats() == {MTN: 10798, ORANGE: 10798}
    wallets.insert(0, {"country": "CMR", "balance": "5", "currency": "XAF", "provider": "ORANGE_CMR"})
    assert await adapter.floats() == {MTN: 10798, ORANGE: 5}


async def test_our_id_is_where_it_is_found(adapter: Pawapay) -> None:
    days = {"since": date(2026, 11, 20), "until": date(2026, 11, 22)}
    assert await adapter.locate(UUID(REF), **days) == [REF]
    assert await adapter.history(**days) == []


# -- callbacks


CALLBACK = msgspec.json.encode(msgspec.json.decode(FOUND)["data"])


def test_an_unsigned_callback_rings_where_no_key_is_set(account: Settings) -> None:
    assert hear(Callback(body=CALLBACK), account, NOW) == Ring(ref=REF, our_id=REF)


def test_a_refunds_callback_rings_for_the_refund(account: Settings) -> None:
    body = msgspec.json.encode({"depositId": str(uuid4()), "refundId": REF, "status": "COMPLETED"})
    assert hear(Callback(body=body), account, NOW).ref == REF
