"""The CamPay adapter alone: tokens, and the spellings of contracts/campay.md."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from core.clock import ManualClock
from core.http import Answer as HttpAnswer
from core.settings import Secret, Settings
from payments.providers.campay import Campay, classify, record
from payments.providers.protocol import HistoryLine, Proof, Request, Word
from payments.states import Failure, Kind
from tests.payments.network import FakeCampay, html, lost, refused_connection, says
from tests.support.http import Through

pytestmark = pytest.mark.anyio


@pytest.fixture
def campay(clock: ManualClock) -> FakeCampay:
    return FakeCampay(clock)


@pytest.fixture
def adapter(campay: FakeCampay, settings: Settings) -> Campay:
    return Campay(settings, http_client=campay.client())


def wanted(kind: Kind = Kind.COLLECT) -> Request:
    return Request(uuid4(), kind, 3800, "+237690000002", "orange", "order")


async def test_many_calls_fetch_one_token(adapter: Campay, campay: FakeCampay) -> None:
    await asyncio.gather(*(adapter.floats() for _ in range(20)))
    assert campay.count("/token/") == 1


async def test_a_token_that_went_stale_is_fetched_once_more_and_only_once(adapter: Campay, campay: FakeCampay) -> None:
    await adapter.floats()
    campay.tokens += 1  # the provider forgot ours
    campay.before["/token/"].append(says(200, token=f"t{campay.tokens}", expires_in=3600))
    await asyncio.gather(*(adapter.floats() for _ in range(20)))
    assert campay.count("/token/") == 2


async def test_a_401_that_stays_means_nothing_was_sent(adapter: Campay, campay: FakeCampay) -> None:
    campay.before["/collect/"].extend([says(401, detail="Invalid token.")] * 9)
    answer = await adapter.send(wanted())
    assert (answer.proof, answer.detail) == (Proof.NOT_SENT, "TOKEN")
    assert campay.count("/collect/") == 2


@pytest.mark.parametrize(
    "spoiler",
    [
        says(400, non_field_errors=["Unable to log in with provided credentials."]),
        says(200, token="None"),
        html(502),
        lost,
        refused_connection,
    ],
)
async def test_without_a_token_nothing_is_sent(adapter: Campay, campay: FakeCampay, spoiler: object) -> None:
    campay.before["/token/"].append(spoiler)  # type: ignore[arg-type]
    assert (await adapter.send(wanted())).proof is Proof.NOT_SENT
    assert campay.count("/collect/") == 0


async def test_a_token_is_renewed_before_it_ends(adapter: Campay, campay: FakeCampay) -> None:
    campay.before["/token/"].append(says(200, token="t1", expires_in=59))
    campay.tokens = 1
    await adapter.floats()
    await adapter.floats()
    assert campay.count("/token/") == 2


async def test_the_token_header_is_not_a_bearer(adapter: Campay, campay: FakeCampay) -> None:
    answer = await adapter.send(wanted(Kind.PAYOUT))
    assert answer.proof is Proof.ACCEPTED  # the network refuses any other header
    (_, asked) = campay.calls[-1]
    assert asked["to"] == "237690000002"
    assert "from" not in asked


async def test_floats_are_per_carrier_and_floored(adapter: Campay) -> None:
    assert await adapter.floats() == {"mtn": 1_000_000, "orange": 1_000_000}


@pytest.mark.parametrize("spoiler", [html(200), says(200), says(200, data="None"), says(200, data=[1, None, {}]), lost])
async def test_a_history_that_makes_no_sense_names_nothing(
    adapter: Campay, campay: FakeCampay, spoiler: object
) -> None:
    campay.before["/history/"].append(spoiler)  # type: ignore[arg-type]
    assert await adapter.locate(uuid4(), since=date(2026, 11, 20), until=date(2026, 11, 22)) == []


async def test_a_permanent_token_needs_no_other(campay: FakeCampay, settings: Settings) -> None:
    settings = msgspec.structs.replace(settings, campay_permanent_token=Secret("t0"), campay_password=Secret(""))
    adapter = Campay(settings, http_client=campay.client())  # the network knows t0 before it has given any
    assert (await adapter.send(wanted())).proof is Proof.ACCEPTED
    assert campay.count("/token/") == 0


async def test_a_permanent_token_that_is_refused_is_not_tried_twice(campay: FakeCampay, settings: Settings) -> None:
    settings = msgspec.structs.replace(settings, campay_permanent_token=Secret("t9"))
    answer = await Campay(settings, http_client=campay.client()).send(wanted())
    assert (answer.proof, answer.detail, answer.failure) == (Proof.NOT_SENT, "TOKEN", Failure.TECHNICAL)
    assert (campay.count("/collect/"), campay.count("/token/")) == (1, 0)


async def test_it_has_no_lookup(adapter: Campay) -> None:
    assert await adapter.lookup(uuid4(), Kind.COLLECT) is None


# A row as the documentation of the history names its fields.
ROW: dict[str, Any] = {
    "datetime": "2026-11-21 11:00:00",
    "code": "CP261121T00001",
    "operator_tx_code": "7000000001",
    "operator": "MTN",
    "phone_number": "237670000001",
    "description": "8917c345-4791-4285-a416-62f24b6982db order",
    "external_user": "None",
    "amount": 3800.0,
    "charge_amount": 95.0,
    "debit": 0.0,
    "credit": 3800.0,
    "status": "SUCCESSFUL",
    "reference_uuid": "26676007-1c31-46d7-9c71-acb031cf0de4",
}


async def listed(adapter: Campay, campay: FakeCampay, *rows: object) -> list[HistoryLine] | None:
    campay.before["/history/"].append(says(200, data=list(rows)))
    return await adapter.history(since=date(2026, 11, 21), until=date(2026, 11, 21))


async def test_a_line_of_the_history(adapter: Campay, campay: FakeCampay) -> None:
    assert await listed(adapter, campay, ROW) == [
        HistoryLine(
            ref="26676007-1c31-46d7-9c71-acb031cf0de4",
            our_id="8917c345-4791-4285-a416-62f24b6982db",
            at=datetime(2026, 11, 21, 11, 0, tzinfo=UTC),
            word=Word.SUCCESSFUL,
            collects=True,
            amount=Decimal(3800),
            fee=Decimal(95),
            phone="+237670000001",
            carrier="mtn",
        )
    ]
    assert campay.calls[-1] == ("/history/", {"start_date": "2026-11-21", "end_date": "2026-11-21"})


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"debit": 3800.0, "credit": 0.0}, "collects", False),
        ({"debit": 0.0, "credit": 0.0, "status": "FAILED"}, "collects", None),
        ({"status": "REVERSED"}, "word", Word.PENDING),
        ({"description": "Test", "external_user": "67c1d7bb-0000-4000-8000-00000000000a"}, "our_id",
         "67c1d7bb-0000-4000-8000-00000000000a"),
        ({"description": "somebody else's"}, "our_id", None),
        ({"amount": "5.00"}, "amount", Decimal(5)),
        ({"charge_amount": "None"}, "fee", None),
        ({"datetime": "2026-11-21T11:00:00.123456Z"}, "at", datetime(2026, 11, 21, 11, 0, 0, 123456, UTC)),
        ({"operator": "Orange"}, "carrier", "orange"),
        ({"phone_number": 237690000002}, "phone", "+237690000002"),
    ],
)  # fmt: skip
async def test_oddities_of_a_line(
    adapter: Campay, campay: FakeCampay, changes: dict[str, Any], name: str, value: object
) -> None:
    (line,) = await listed(adapter, campay, ROW | changes) or []
    assert getattr(line, name) == value


@pytest.mark.parametrize(
    "row",
    [1, None, [], {}, ROW | {"reference_uuid": "None"}, ROW | {"amount": "None"}, ROW | {"datetime": "yesterday"}],
)
async def test_what_is_no_line_is_left_out(adapter: Campay, campay: FakeCampay, row: object) -> None:
    assert await listed(adapter, campay, row) == []


async def test_a_history_that_cannot_be_read_is_not_an_empty_one(adapter: Campay, campay: FakeCampay) -> None:
    campay.before["/history/"].append(html(502))
    assert await adapter.history(since=date(2026, 11, 21), until=date(2026, 11, 21)) is None


# A transaction as the provider's own documentation prints it, and as demo accounts have shown it.
VERBATIM = b"""{
  "reference": "26676007-1c31-46d7-9c71-acb031cf0de4", "status": "SUCCESSFUL", "amount": 5, "currency": "XAF",
  "operator": "MTN", "code": "CP201027T00005", "operator_reference": "1880106956", "endpoint": "collect",
  "signature": "eyJ", "external_reference": "None", "external_user": "", "extra_first_name": "None",
  "app_amount": 4.9, "phone_number": "237670000001", "description": "Test", "reason": "None"
}"""


def test_a_verbatim_transaction() -> None:
    shown = record(HttpAnswer(200, VERBATIM).json())
    assert shown is not None
    assert (shown.word, shown.collects, shown.carrier) == (Word.SUCCESSFUL, True, "mtn")
    assert (shown.amount, shown.net) == (Decimal(5), Decimal("4.9"))
    assert (shown.our_id, shown.failure, shown.phone) == (None, None, "+237670000001")


@pytest.mark.parametrize(
    ("literal", "amount"),
    [
        ('"5.00"', Decimal(5)),
        ("2.0", Decimal(2)),
        ("1", Decimal(1)),
        ("3000.0000000000000001", Decimal("3000.0000000000000001")),
        ('"None"', None),
        ("null", None),
        ('"5,00"', None),
        ('"-5"', None),
        ('"NaN"', None),
        ('"1e30"', None),
        ("true", None),
        ("[5]", None),
    ],
)
def test_amounts_are_decimal_literals(literal: str, amount: Decimal | None) -> None:
    raw = VERBATIM.replace(b'"amount": 5', b'"amount": ' + literal.encode())
    shown = record(HttpAnswer(200, raw).json())
    assert shown is not None
    assert shown.amount == amount


def test_every_documented_refusal_is_certain_and_nothing_else_is() -> None:
    def proof(status: int, body: bytes) -> tuple[Proof, Failure | None]:
        answer = classify(HttpAnswer(status, body))
        return answer.proof, answer.failure

    assert proof(400, b'{"message": "x", "error_code": "ER102"}') == (Proof.REFUSED, Failure.UNSUPPORTED)
    assert proof(403, b'{"message": "not enabled"}') == (Proof.REFUSED, Failure.TECHNICAL)
    assert proof(400, b'{"message": "x", "error_code": "ER102"') == (Proof.UNKNOWN, None)
    assert proof(429, b'{"message": "slow down"}') == (Proof.UNKNOWN, None)
    assert proof(409, b'{"reference": "26676007-1c31-46d7-9c71-acb031cf0de4"}') == (Proof.ACCEPTED, None)


async def test_a_missing_transaction_is_not_a_failed_one(adapter: Campay) -> None:
    assert await adapter.read(str(uuid4()), Kind.COLLECT) is None


def test_the_adapter_talks_to_the_configured_address(settings: Settings) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"token": "t", "expires_in": 3600})

    from core.http import HttpClient

    client = HttpClient(settings.campay_url, connect_seconds=1, read_seconds=1, exchange=Through(answer))
    asyncio.run(Campay(settings, http_client=client).floats())
    assert seen == ["https://demo.campay.net/api/token/", "https://demo.campay.net/api/balance/"]
