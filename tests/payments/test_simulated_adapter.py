"""Every adapter over real HTTP against the simulated provider: money in, back and out, and the callback it rings by."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from litestar import Litestar, Request, Response, route
from litestar.params import FromPath

from core.clock import SystemClock
from core.phones import MTN
from core.settings import Secret, Settings
from payments.providers import registry
from payments.providers.protocol import Absence, Callback, Proof, Provider, Record, Ring, Word
from payments.providers.protocol import Request as Order
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from payments.states import Failure, Kind
from tests.support.servers import serve

pytestmark = pytest.mark.anyio

PAYER = "+237670000001"
FLOAT_XAF = 1_000_000
KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = Secret(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
PUBLIC = Secret(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


class Doors:
    """Where the providers ring: what came is kept as it came."""

    def __init__(self) -> None:
        self.came: list[Callback] = []

    def app(self) -> Litestar:
        @route("/payments/{provider:str}/{secret:str}", http_method=["GET", "POST", "PUT"], status_code=200)
        async def door(
            request: Request[Any, Any, Any], provider: FromPath[str], secret: FromPath[str]
        ) -> Response[bytes]:
            query, body = request.scope["query_string"].decode(), await request.body()
            self.came.append(Callback(query, body, dict(request.headers), request.method, request.url.path))
            return Response(b"")

        return Litestar([door])


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
def doors_url(doors: Doors) -> Iterator[str]:
    with serve(doors.app(), join=False) as url:
        yield url


@pytest.fixture
def account(settings: Settings, doors_url: str) -> Settings:
    """An account with each provider."""
    names = ("noupay_api_key", "noupay_webhook_secret", "pawapay_token", "mtn_collection_key", "mtn_disbursement_key")
    names = (*names, "mtn_collection_subscription", "mtn_disbursement_subscription")
    users = {"mtn_collection_user": "in", "mtn_disbursement_user": "out"}
    secrets = {name: Secret(name) for name in names} | {"pawapay_callback_key": PUBLIC}
    return msgspec.structs.replace(settings, public_url=doors_url, **secrets, **users)


@pytest.fixture
def networks(account: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    opening = {f"{name}_opening_float_xaf": {MTN: FLOAT_XAF} for name in registry.NAMES}
    asked = SimulatorSettings.beside(account, data=tmp_path, pawapay_signing_key=PRIVATE, **opening)
    with serve(create_simulator(asked), join=False) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


@pytest.fixture
def configured(account: Settings, networks: httpx.Client) -> Settings:
    base = str(networks.base_url).rstrip("/")
    urls = {f"{name}_url": f"{base}/{name}" for name in registry.NAMES} | {"campay_url": f"{base}/campay/api"}
    return msgspec.structs.replace(account, **urls, payment_providers=tuple(sorted(registry.NAMES)))


@pytest.fixture(params=sorted(registry.NAMES))
async def adapter(request: pytest.FixtureRequest, configured: Settings) -> AsyncIterator[Provider]:
    only = msgspec.structs.replace(configured, payment_providers=(request.param,))
    (made,) = registry.build(only)
    yield made
    await made.close()


def order(kind: Kind, amount_xaf: int = 3800, collected: str | None = None) -> Order:
    returns = uuid4() if collected else None
    return Order(uuid4(), kind, amount_xaf, PAYER, MTN, "order", returns, collected)


async def until(found: Callable[[], Awaitable[Record | None]], word: Word) -> Record:
    """Read until it is so."""
    async with asyncio.timeout(20):
        while True:
            shown = await found()
            if shown is not None and shown.word is word:
                return shown
            await asyncio.sleep(0.02)


async def sent(adapter: Provider, wanted: Order) -> str:
    answer = await adapter.send(wanted)
    assert answer.proof is Proof.ACCEPTED
    assert answer.ref is not None
    return answer.ref


def answer_prompt(networks: httpx.Client, how: str) -> None:
    assert networks.post(f"/simulator/prompts/{PAYER.removeprefix('+')}/{how}").is_success


async def test_money_comes_in_goes_back_and_out(adapter: Provider, networks: httpx.Client) -> None:
    wanted = order(Kind.COLLECT)
    ref = await sent(adapter, wanted)
    shown = await adapter.read(ref, Kind.COLLECT)
    assert shown is not None
    assert (shown.word, shown.our_id, shown.collects) == (Word.PENDING, str(wanted.attempt_id), True)
    answer_prompt(networks, "approve")
    paid = await until(lambda: adapter.read(ref, Kind.COLLECT), Word.SUCCESSFUL)
    assert (paid.amount, paid.currency, paid.phone, paid.carrier) == (3800, "XAF", PAYER, MTN)
    collect_fee = adapter.fee_xaf(Kind.COLLECT, MTN, 3800)
    floats = await adapter.floats() or {}
    assert floats[MTN] == FLOAT_XAF + 3800 - collect_fee

    back = order(Kind.REFUND, 1800, ref if adapter.capabilities.native_refund else None)
    out = order(Kind.PAYOUT, 2000)
    for going in (back, out):
        going_ref = await sent(adapter, going)
        gone = await until(lambda ref=going_ref, kind=going.kind: adapter.read(ref, kind), Word.SUCCESSFUL)  # type: ignore[misc]
        assert (gone.our_id, gone.collects) == (str(going.attempt_id), False)
        assert (gone.amount, gone.phone) == (going.amount_xaf, PAYER)
    fees = adapter.fee_xaf(Kind.REFUND, MTN, 1800) + adapter.fee_xaf(Kind.PAYOUT, MTN, 2000)
    floats = await adapter.floats() or {}
    assert floats[MTN] == FLOAT_XAF - collect_fee - fees


async def test_a_payer_who_says_no(adapter: Provider, networks: httpx.Client) -> None:
    ref = await sent(adapter, order(Kind.COLLECT))
    answer_prompt(networks, "reject")
    failed = await until(lambda: adapter.read(ref, Kind.COLLECT), Word.FAILED)
    assert failed.failure is Failure.REJECTED


async def test_the_same_id_again(adapter: Provider, networks: httpx.Client) -> None:
    """Only where that is proven does a second request have no second effect."""
    wanted = order(Kind.PAYOUT)
    refs = [await sent(adapter, wanted), await sent(adapter, wanted)]
    assert (refs[0] == refs[1]) is adapter.capabilities.idempotent_create


async def test_what_can_be_looked_up_by_our_id(adapter: Provider, networks: httpx.Client) -> None:
    if not adapter.capabilities.lookup_by_our_id:
        assert await adapter.lookup(uuid4(), Kind.COLLECT) is None
        return
    for kind in Kind:
        assert await adapter.lookup(uuid4(), kind) == Absence()
    wanted = order(Kind.COLLECT)
    await sent(adapter, wanted)
    found = await adapter.lookup(wanted.attempt_id, Kind.COLLECT)
    assert isinstance(found, Record)
    assert found.our_id == str(wanted.attempt_id)


async def test_too_little_float(adapter: Provider, networks: httpx.Client) -> None:
    wanted = order(Kind.PAYOUT, 999_999)  # its fee is too much
    answer = await adapter.send(wanted)
    failure = answer.failure
    if answer.ref is not None:  # MTN takes it and fails it a moment later
        failed = await until(lambda: adapter.read(str(answer.ref), Kind.PAYOUT), Word.FAILED)
        failure = failed.failure
    assert failure is Failure.LOW_FLOAT


async def test_the_callback_rings_for_the_attempt(
    adapter: Provider, networks: httpx.Client, configured: Settings, doors: Doors
) -> None:
    wanted = order(Kind.COLLECT)
    ref = await sent(adapter, wanted)
    answer_prompt(networks, "approve")
    async with asyncio.timeout(20):
        while not doors.came:
            await asyncio.sleep(0.02)
    name = adapter.capabilities.name
    ring = registry.hear(name)(doors.came[0], configured, SystemClock().now())
    assert ring == Ring(ref=ref, our_id=str(wanted.attempt_id))
    assert doors.came[0].path == f"/payments/{name}/demo"


async def test_the_history_tells_what_moved(adapter: Provider, networks: httpx.Client) -> None:
    wanted = order(Kind.COLLECT)
    ref = await sent(adapter, wanted)
    answer_prompt(networks, "approve")
    await until(lambda: adapter.read(ref, Kind.COLLECT), Word.SUCCESSFUL)
    today = SystemClock().now().date()
    if not adapter.capabilities.history:  # reconciliation reads attempt by attempt
        assert await adapter.history(since=today, until=today) == []
        return
    (line,) = await adapter.history(since=today, until=today) or []
    assert (line.ref, line.our_id, line.word, line.collects) == (ref, str(wanted.attempt_id), Word.SUCCESSFUL, True)
    assert (line.amount, line.fee) == (3800, adapter.fee_xaf(Kind.COLLECT, MTN, 3800))
    assert await adapter.locate(UUID(line.our_id or ""), since=today, until=today) == [ref]
