"""The MTN adapter alone: payloads as https://momodeveloper.mtn.com and its community print them."""

import asyncio
import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from core.http import Answer as HttpAnswer
from core.phones import MTN
from core.settings import Secret, Settings
from payments.providers.mtn import COLLECTION, TRANSFER, Mtn, classify, finding, hear
from payments.providers.protocol import Absence, Callback, Proof, Record, Request, Ring, Unbelieved, Word
from payments.states import Failure, Kind
from tests.payments.scripted import Scripted, says, verbatim

pytestmark = pytest.mark.anyio

REF = "8917c345-4791-4285-a416-62f24b6982db"
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
PAID, FAILED = verbatim("mtn_requesttopay_successful.json"), verbatim("mtn_requesttopay_failed.json")
TOKEN = {"access_token": "token-1", "token_type": "access_token", "expires_in": 3600}
ABSENT = says(404, {"code": "RESOURCE_NOT_FOUND", "message": "Requested resource was not found."})
DUPLICATE = {"code": "RESOURCE_ALREADY_EXIST", "message": "Duplicated reference id. Creation of resource failed."}

PAY, READ = "/collection/v1_0/requesttopay", f"GET /collection/v1_0/requesttopay/{REF}"
TRANSFERRED, REFUNDED = f"GET /disbursement/v1_0/transfer/{REF}", f"GET /disbursement/v1_0/refund/{REF}"


@pytest.fixture
def network() -> Scripted:
    made = Scripted()
    made.standing["POST /collection/token/"] = says(200, TOKEN)
    made.standing["POST /disbursement/token/"] = says(200, {**TOKEN, "access_token": "token-2"})
    return made


@pytest.fixture
def account(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        public_url="https://mboa.cm",
        mtn_target_environment="mtncameroon",
        mtn_collection_user="user-1",
        mtn_collection_key=Secret("key-1"),
        mtn_collection_subscription=Secret("subscription-1"),
        mtn_disbursement_user="user-2",
        mtn_disbursement_key=Secret("key-2"),
        mtn_disbursement_subscription=Secret("subscription-2"),
    )


@pytest.fixture
def adapter(network: Scripted, account: Settings) -> Mtn:
    return Mtn(account, http_client=network.client())


def wanted(kind: Kind = Kind.COLLECT, **changes: Any) -> Request:
    return Request(UUID(REF), kind, 3800, "+237670000001", MTN, "order", **changes)


# -- money


async def test_a_request_to_pay_says_what_the_documentation_wants(adapter: Mtn, network: Scripted) -> None:
    network.standing[f"POST {PAY}"] = says(202)
    answer = await adapter.send(wanted())
    assert (answer.proof, answer.ref) == (Proof.ACCEPTED, REF)
    token, asked = network.asked
    basic = base64.b64encode(b"user-1:key-1").decode()
    assert (token.headers["Authorization"], token.content) == (f"Basic {basic}", b"")
    assert token.headers["Ocp-Apim-Subscription-Key"] == "subscription-1"
    sent = {name: asked.headers[name] for name in ("Authorization", "X-Reference-Id", "X-Target-Environment")}
    assert sent == {"Authorization": "Bearer token-1", "X-Reference-Id": REF, "X-Target-Environment": "mtncameroon"}
    assert asked.headers["Ocp-Apim-Subscription-Key"] == "subscription-1"
    assert asked.headers["X-Callback-Url"] == "https://mboa.cm/payments/mtn/demo"
    assert network.body == {
        "amount": "3800",
        "currency": "XAF",
        "externalId": REF,
        "payer": {"partyIdType": "MSISDN", "partyId": "237670000001"},
        "payerMessage": "Mboa order",
        "payeeNote": "Mboa order",
    }


async def test_money_goes_out_by_the_other_product(adapter: Mtn, network: Scripted) -> None:
    network.standing["POST /disbursement/v1_0/transfer"] = says(202)
    assert (await adapter.send(wanted(Kind.PAYOUT))).ref == REF
    assert network.headers["Authorization"] == "Bearer token-2"
    assert network.headers["Ocp-Apim-Subscription-Key"] == "subscription-2"
    assert network.body["payee"] == {"partyIdType": "MSISDN", "partyId": "237670000001"}


async def test_what_it_collected_is_refunded_by_its_own_way(adapter: Mtn, network: Scripted) -> None:
    network.standing["POST /disbursement/v1_0/refund"] = says(202)
    collected = uuid4()
    assert (await adapter.send(wanted(Kind.REFUND, returns=collected, returns_ref=str(collected)))).ref == REF
    assert network.body["referenceIdToRefund"] == str(collected)
    assert "payee" not in network.body


async def test_what_another_provider_collected_goes_back_as_a_transfer(adapter: Mtn, network: Scripted) -> None:
    network.standing["POST /disbursement/v1_0/transfer"] = says(202)
    assert (await adapter.send(wanted(Kind.REFUND, returns=uuid4()))).ref == REF


async def test_the_sandbox_counts_in_its_own_currency(network: Scripted, account: Settings) -> None:
    adapter = Mtn(msgspec.structs.replace(account, mtn_currency="EUR"), http_client=network.client())
    network.standing |= {f"POST {PAY}": says(202), READ: says(200, PAID.replace(b"XAF", b"EUR"))}
    await adapter.send(wanted())
    assert network.body["currency"] == "EUR"
    shown = await adapter.read(REF, Kind.COLLECT)
    assert shown is not None
    assert shown.currency == "XAF"


ANSWERS: list[tuple[int, bytes, Proof, Failure | None]] = [
    (202, b"", Proof.ACCEPTED, None),
    (409, msgspec.json.encode(DUPLICATE), Proof.ACCEPTED, None),
    (409, b"", Proof.ACCEPTED, None),
    (200, b"", Proof.UNKNOWN, None),
    (400, b'{"code": "PAYER_NOT_FOUND", "message": "x"}', Proof.REFUSED, Failure.WRONG_NUMBER),
    (404, b'{"code": "PAYEE_NOT_FOUND", "message": "x"}', Proof.REFUSED, Failure.WRONG_NUMBER),
    (403, b'{"code": "NOT_ALLOWED", "message": "x"}', Proof.REFUSED, Failure.TECHNICAL),
    (400, b'{"code": "INVALID_CURRENCY", "message": "x"}', Proof.REFUSED, Failure.UNSUPPORTED),
    (400, b"", Proof.UNKNOWN, None),
    (400, b'{"code": "BAD_REQUEST", "message": "x"}', Proof.UNKNOWN, None),
    (404, b'{"code": "RESOURCE_NOT_FOUND", "message": "x"}', Proof.UNKNOWN, None),
    (404, b'{"statusCode": 404, "message": "Resource not found"}', Proof.UNKNOWN, None),
    (429, b'{"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}', Proof.UNKNOWN, None),
    (500, b'{"code": "NOT_ALLOWED", "message": "x"}', Proof.UNKNOWN, None),
    (500, b'{"code": "INTERNAL_PROCESSING_ERROR", "message": "x"}', Proof.UNKNOWN, None),
    (503, b'{"code": "SERVICE_UNAVAILABLE", "message": "x"}', Proof.UNKNOWN, None),
    (502, b"<html><h1>502 Bad Gateway</h1></html>", Proof.UNKNOWN, None),
    (200, b"<html>Maintenance</html>", Proof.UNKNOWN, None),
    (400, b'[{"code": "PAYER_NOT_FOUND"}]', Proof.UNKNOWN, None),
    (400, b'{"code": ["PAYER_NOT_FOUND"]}', Proof.UNKNOWN, None),
]


@pytest.mark.parametrize(("status", "body", "proof", "failure"), ANSWERS)
def test_what_an_answer_proves(status: int, body: bytes, proof: Proof, failure: Failure | None) -> None:
    answer = classify(HttpAnswer(status, body), REF)
    assert (answer.proof, answer.failure) == (proof, failure)
    assert answer.ref == (REF if proof is Proof.ACCEPTED else None)


# -- tokens


async def test_each_product_fetches_one_token_for_many_calls(adapter: Mtn, network: Scripted) -> None:
    await asyncio.gather(*(adapter.floats() for _ in range(10)), *(adapter.read(REF, Kind.COLLECT) for _ in range(10)))
    assert (network.count("/collection/token/"), network.count("/disbursement/token/")) == (1, 1)


async def test_a_401_that_stays_means_nothing_was_sent(adapter: Mtn, network: Scripted) -> None:
    network.standing[f"POST {PAY}"] = says(401, {"statusCode": 401, "message": "Access denied"})
    answer = await adapter.send(wanted())
    assert (answer.proof, answer.detail) == (Proof.NOT_SENT, "TOKEN")
    assert (network.count(PAY), network.count("/collection/token/")) == (2, 2)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": "login_failed"}),
        (200, {"access_token": "None", "expires_in": 3600}),
        (200, {"token_type": "access_token"}),
        (200, [TOKEN]),
        (500, None),
        (200, b"<html></html>"),
    ],
)
async def test_without_a_token_nothing_is_sent(adapter: Mtn, network: Scripted, status: int, body: object) -> None:
    network.standing["POST /collection/token/"] = says(status, body)
    assert (await adapter.send(wanted())).proof is Proof.NOT_SENT
    assert network.count(PAY) == 0


# -- reads


async def test_a_verbatim_success(adapter: Mtn, network: Scripted) -> None:
    """Numbers where the documentation promises strings."""
    network.standing[READ] = says(200, PAID)
    assert await adapter.read(REF, Kind.COLLECT) == Record(
        ref=REF,
        word=Word.SUCCESSFUL,
        our_id=REF,
        collects=True,
        amount=Decimal(100),
        net=None,
        currency="XAF",
        phone="+237670000001",
        carrier=MTN,
        failure=None,
    )


@pytest.mark.parametrize("wrap", [lambda code: code, lambda code: {"code": code, "message": "for people"}])
@pytest.mark.parametrize(
    ("code", "coming_in", "going_out"),
    [
        ("APPROVAL_REJECTED", Failure.REJECTED, Failure.REJECTED),
        ("EXPIRED", Failure.REJECTED, Failure.REJECTED),
        ("COULD_NOT_PERFORM_TRANSACTION", Failure.REJECTED, Failure.REJECTED),
        ("PAYER_NOT_FOUND", Failure.WRONG_NUMBER, Failure.WRONG_NUMBER),
        ("PAYEE_NOT_FOUND", Failure.WRONG_NUMBER, Failure.WRONG_NUMBER),
        ("NOT_ENOUGH_FUNDS", Failure.INSUFFICIENT_FUNDS, Failure.LOW_FLOAT),
        ("PAYER_LIMIT_REACHED", Failure.LIMIT, Failure.LIMIT),
        ("LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED", Failure.LIMIT, Failure.LOW_FLOAT),
        ("SENDER_ACCOUNT_NOT_ACTIVE", Failure.WRONG_NUMBER, Failure.WRONG_NUMBER),
        ("INTERNAL_PROCESSING_ERROR", Failure.UNSTATED, Failure.UNSTATED),
        ("SERVICE_UNAVAILABLE", Failure.TECHNICAL, Failure.TECHNICAL),
        ("A_REASON_OF_TOMORROW", Failure.UNSTATED, Failure.UNSTATED),
    ],
)
def test_why_it_failed(code: str, coming_in: Failure, going_out: Failure, wrap: Any) -> None:
    body = verbatim("mtn_requesttopay_failed.json", reason=wrap(code))
    for way, failure in ((COLLECTION, coming_in), (TRANSFER, going_out)):
        shown = finding(HttpAnswer(200, body), way, REF, "XAF")
        assert isinstance(shown, Record)
        assert (shown.word, shown.failure, shown.collects) == (Word.FAILED, failure, way is COLLECTION)


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"status": "CREATED"}, "word", Word.PENDING),  # a word that nobody documented
        ({"amount": "100.50"}, "amount", Decimal("100.50")),
        ({"amount": "None"}, "amount", None),
        ({"externalId": None}, "our_id", None),
        ({"payer": "237670000001"}, "phone", None),
        ({"payer": {"partyId": [1]}}, "phone", None),
        ({"currency": "EUR"}, "currency", "EUR"),
        ({"status": "FAILED", "reason": ["x"]}, "failure", Failure.UNSTATED),
    ],
)
def test_oddities_of_a_record(changes: dict[str, Any], name: str, value: object) -> None:
    body = verbatim("mtn_requesttopay_successful.json", **changes)
    assert getattr(finding(HttpAnswer(200, body), COLLECTION, REF, "XAF"), name) == value


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>404 Not Found</html>"),
        (404, b""),
        (404, b'{"statusCode": 404, "message": "Resource not found"}'),  # the gateway's word for a wrong path
        (500, b'{"code": "RESOURCE_NOT_FOUND"}'),
        (200, b'{"code": "RESOURCE_NOT_FOUND"}'),
        (429, b'{"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}'),
        (200, b"{}"),
        (200, b'[{"status": "SUCCESSFUL"}]'),
        (200, PAID[:-9]),
        (500, PAID),
    ],
)
def test_only_its_own_word_proves_absence_or_presence(status: int, body: bytes) -> None:
    assert finding(HttpAnswer(status, body), COLLECTION, REF, "XAF") is None


async def test_it_tells_what_is_not_there(adapter: Mtn, network: Scripted) -> None:
    network.standing[READ] = ABSENT
    assert await adapter.lookup(UUID(REF), Kind.COLLECT) == Absence()
    assert await adapter.read(REF, Kind.COLLECT) is None


async def test_a_refund_is_absent_only_where_both_its_ways_say_so(adapter: Mtn, network: Scripted) -> None:
    """It may have gone out as a transfer: an absence from the refunds alone would pay it twice."""
    network.standing |= {REFUNDED: ABSENT, TRANSFERRED: says(200, FAILED)}
    assert isinstance(await adapter.lookup(UUID(REF), Kind.REFUND), Record)
    network.standing[TRANSFERRED] = says(502, b"<html></html>")
    assert await adapter.lookup(UUID(REF), Kind.REFUND) is None
    network.standing[TRANSFERRED] = ABSENT
    assert await adapter.lookup(UUID(REF), Kind.REFUND) == Absence()
    network.standing |= {REFUNDED: says(502), TRANSFERRED: ABSENT}
    assert await adapter.lookup(UUID(REF), Kind.REFUND) is None


async def test_the_float_and_the_holder(adapter: Mtn, network: Scripted) -> None:
    network.standing["GET /disbursement/v1_0/account/balance"] = says(
        200, {"availableBalance": "15.7", "currency": "XAF"}
    )
    assert await adapter.floats() == {MTN: 15}
    account = "GET /disbursement/v1_0/accountholder/msisdn/237670000001/basicuserinfo"
    network.standing[account] = says(200, {"given_name": "Esther", "family_name": "NGO BIYONG", "status": "ACTIVE"})
    assert await adapter.holder("+237670000001") == "Esther NGO BIYONG"
    assert await adapter.holder("+237670000002") is None


async def test_our_id_is_where_it_is_found(adapter: Mtn) -> None:
    days = {"since": date(2026, 11, 20), "until": date(2026, 11, 22)}
    assert await adapter.locate(UUID(REF), **days) == [REF]
    assert await adapter.history(**days) == []


# -- callbacks


def test_an_unsigned_callback_rings(account: Settings) -> None:
    assert hear(Callback(body=PAID, method="PUT"), account, NOW) == Ring(ref=REF, our_id=REF)


def test_a_callback_that_names_nothing_of_ours_is_unreadable(account: Settings) -> None:
    for external_id in ("947354", "None", None, "../token", 7, [REF]):
        body = verbatim("mtn_requesttopay_successful.json", externalId=external_id)
        with pytest.raises(Unbelieved, match="unreadable"):
            hear(Callback(body=body), account, NOW)
