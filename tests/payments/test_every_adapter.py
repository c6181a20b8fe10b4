"""What holds for every adapter: silence and nonsense prove nothing, and nothing that comes in raises."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from core.phones import MTN
from core.settings import Secret, Settings, load_settings
from payments.providers import registry
from payments.providers.campay import Campay
from payments.providers.mtn import Mtn
from payments.providers.noupay import Noupay
from payments.providers.pawapay import Pawapay
from payments.providers.protocol import Callback, Proof, Provider, Request, Unbelieved
from payments.states import Failure, Kind
from tests.payments.scripted import Reply, Scripted, says

pytestmark = pytest.mark.anyio

ADAPTERS = (Campay, Noupay, Pawapay, Mtn)
DAYS = {"since": date(2026, 11, 20), "until": date(2026, 11, 22)}
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)


def lost() -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


def reset() -> httpx.Response:
    raise httpx.RemoteProtocolError("peer closed connection")


def refused() -> httpx.Response:
    raise httpx.ConnectError("refused")


def too_slow() -> httpx.Response:
    raise httpx.ConnectTimeout("nobody there")


NONSENSE: dict[str, Reply] = {
    "lost": lost,
    "reset": reset,
    "HTML 502": says(502, b"<html><h1>502 Bad Gateway</h1></html>"),
    "HTML 200": says(200, b"<html><h1>Welcome</h1></html>"),
    "nothing": says(200),
    "a list": says(200, [{"status": "SUCCESSFUL", "reference": "r", "payment_id": "p"}]),
    "a number": says(200, 7),
    "null": says(200, b"null"),
    "truncated": says(200, b'{"status": "ACCEP'),
    "no UTF-8": says(200, b'{"status": "\xff\xfe"}'),
    "all None": says(200, {"reference": "None", "payment_id": "None", "status": "None", "amount": "None"}),
    "wrong types": says(200, {"reference": {}, "payment_id": [1], "status": {}, "data": "x", "balances": {"a": 1}}),
    "deep": says(200, b"[" * 5000 + b"]" * 5000),
    "an exponent beyond all numbers": says(200, b'{"status": "SUCCESSFUL", "amount": 1e99999999999999999999}'),
    "500": says(500, {"error": "internal"}),
    "429": says(429, {"message": "slow down"}),
}


@pytest.fixture
def network() -> Scripted:
    made = Scripted()
    made.standing["POST /token/"] = says(200, {"token": "t", "expires_in": 3600})
    for product in ("collection", "disbursement"):
        made.standing[f"POST /{product}/token/"] = says(200, {"access_token": "t", "expires_in": 3600})
    return made


@pytest.fixture
def account(settings: Settings) -> Settings:
    secrets = {"noupay_api_key": Secret("k"), "pawapay_token": Secret("k")}
    return msgspec.structs.replace(settings, **secrets, mtn_collection_user="u", mtn_disbursement_user="u")


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: str(adapter.__name__).lower())
def adapter(request: pytest.FixtureRequest, account: Settings, network: Scripted) -> Provider:
    made: Provider = request.param(account, http_client=network.client())
    return made


def wanted(kind: Kind) -> Request:
    return Request(uuid4(), kind, 3800, "+237670000001", MTN, "order")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_proves_nothing(adapter: Provider, network: Scripted, kind: Kind, name: str) -> None:
    network.otherwise = NONSENSE[name]
    answer = await adapter.send(wanted(kind))
    assert (answer.proof, answer.ref, answer.failure) == (Proof.UNKNOWN, None, None)


@pytest.mark.parametrize("unreachable", [refused, too_slow])
async def test_what_never_left_was_not_sent(adapter: Provider, network: Scripted, unreachable: Reply) -> None:
    network.otherwise = unreachable
    answer = await adapter.send(wanted(Kind.COLLECT))
    assert (answer.proof, answer.failure) == (Proof.NOT_SENT, Failure.TECHNICAL)


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_is_no_answer_to_a_read(adapter: Provider, network: Scripted, name: str) -> None:
    network.otherwise = NONSENSE[name]
    for kind in Kind:
        assert await adapter.read("8917c345-4791-4285-a416-62f24b6982db", kind) is None
        assert await adapter.lookup(uuid4(), kind) is None  # never an absence
    assert await adapter.floats() is None
    assert await adapter.holder("+237670000001") is None
    assert await adapter.history(**DAYS) in (None, [])


async def test_a_provider_that_never_answers_ends_with_the_time_budget(account: Settings) -> None:
    """An answer that drips keeps every time-out of the client waiting; the whole call has a budget of its own."""

    class Dripping:
        async def request(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

    short = msgspec.structs.replace(account, provider_connect_seconds=0.01, provider_read_seconds=0.01)
    for kind in (Noupay, Pawapay):
        answer = await kind(short, http_client=Dripping()).send(wanted(Kind.COLLECT))  # type: ignore[arg-type]
        assert (answer.proof, answer.detail) == (Proof.UNKNOWN, "BUDGET")
    for late in (Campay, Mtn):  # they wait for a token still
        answer = await late(short, http_client=Dripping()).send(wanted(Kind.COLLECT))  # type: ignore[arg-type]
        assert (answer.proof, answer.detail) == (Proof.NOT_SENT, "TOKEN")


async def test_a_request_is_made_once(adapter: Provider, network: Scripted) -> None:
    network.otherwise = lost
    await adapter.send(wanted(Kind.PAYOUT))
    assert sum("token" not in request.url.path for request in network.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b'"SUCCESSFUL"',
        b"\xff\xfe\x00",
        b"<html></html>",
        b'{"reference": {"a": 1}, "payment_id": ["x"], "depositId": {}, "externalId": 7}',
        b'{"reference": "../../token", "payment_id": "../x", "depositId": "..", "externalId": "None"}',
        b"status=SUCCESSFUL&refere",
        b"[" * 4000,
    ],
)
@pytest.mark.parametrize("provider", sorted(registry.NAMES))
def test_a_callback_that_makes_no_sense_is_not_believed(account: Settings, provider: str, body: bytes) -> None:
    with pytest.raises(Unbelieved):
        registry.hear(provider)(Callback(body=body), account, NOW)


# -- which of them there are


def test_the_settings_name_those_in_use_the_preferred_first(account: Settings) -> None:
    chosen = msgspec.structs.replace(account, payment_providers=("mtn", "campay"))
    assert [one.name for one in registry.in_use(chosen)] == ["mtn", "campay"]
    assert [one.capabilities.name for one in registry.build(chosen)] == ["mtn", "campay"]


def test_one_without_credentials_has_no_route_but_is_still_read(settings: Settings) -> None:
    everybody = msgspec.structs.replace(settings, payment_providers=tuple(sorted(registry.NAMES)))
    assert [one.name for one in registry.in_use(everybody)] == ["campay"]
    assert len(registry.build(everybody)) == len(registry.NAMES)


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="PAYMENT_PROVIDERS: compay is none of campay"):
        registry.build(load_settings({"PAYMENT_PROVIDERS": "compay,noupay"}))


def test_only_what_can_be_looked_up_may_be_sent_again(account: Settings) -> None:
    """The router's safety follows from these (design: payments 19)."""
    everybody = msgspec.structs.replace(account, payment_providers=tuple(registry.NAMES))
    safe = {one.name for one in registry.in_use(everybody) if one.lookup_by_our_id and one.idempotent_create}
    assert safe == {"pawapay", "mtn"}
    assert {one.name for one in registry.in_use(everybody) if one.native_refund} == {"pawapay", "mtn"}


@pytest.mark.parametrize(
    ("adapter", "kind", "fee_xaf"),
    [(Campay, Kind.COLLECT, 96), (Noupay, Kind.PAYOUT, 39), (Pawapay, Kind.REFUND, 39), (Mtn, Kind.COLLECT, 77)],
)
def test_fees_are_rounded_up(account: Settings, adapter: Any, kind: Kind, fee_xaf: int) -> None:
    assert adapter(account, http_client=Scripted().client()).fee_xaf(kind, MTN, 3801) == fee_xaf
