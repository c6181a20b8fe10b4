"""The doors of the payment providers: one handler, every method, each provider's own proof of who rings."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from litestar import Litestar
from litestar.di import Provide
from sqlalchemy import select

from channels.payments import payment_callback
from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Secret, Settings
from payments.tables import provider_event

pytestmark = pytest.mark.anyio

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
OURS = "8917c345-4791-4285-a416-62f24b6982db"  # well-formed, and nothing we have sent


@pytest.fixture
def settings(settings: Settings) -> Settings:
    secrets = {"noupay_webhook_secret": Secret("hook-1"), "pawapay_callback_key": Secret(PEM)}
    return msgspec.structs.replace(settings, public_url="https://mboa.cm", **secrets)


@pytest.fixture
async def web(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar([payment_callback], dependencies={"database": Provide(lambda: database, sync_to_thread=False)})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.7:8000") as client:  # behind a proxy
        yield client


async def verdicts(database: Database) -> list[tuple[str, str]]:
    events = select(provider_event.c.provider, provider_event.c.verdict).order_by(provider_event.c.id)
    async with database.reading() as tx:
        return [(row.provider, row.verdict) for row in await tx.all(events)]


async def test_mtn_rings_by_put_and_by_post(web: httpx.AsyncClient, database: Database) -> None:
    for method in ("PUT", "POST"):
        body = {"externalId": OURS, "status": "SUCCESSFUL", "payeeNote": method}
        answer = await web.request(method, "/payments/mtn/demo", json=body)
        assert (answer.status_code, answer.content) == (200, b"")
    assert await verdicts(database) == [("mtn", "unknown")] * 2


async def test_noupay_is_heard_by_its_signature(web: httpx.AsyncClient, database: Database) -> None:
    body = msgspec.json.encode({"payment_id": "np-1", "reference": OURS, "status": "SUCCESSFUL"})
    proof = hmac.new(b"hook-1", body, hashlib.sha256).hexdigest()
    for signature in (proof, proof[:-1] + "x"):
        answer = await web.post("/payments/noupay/demo", content=body, headers={"X-NouPay-Signature": signature})
        assert (answer.status_code, answer.content) == (200, b"")
        body += b" "  # the very same callback would be stored once
    assert await verdicts(database) == [("noupay", "unknown"), ("noupay", "forged")]


def pawapay_signed(clock: ManualClock, body: bytes, path: str) -> dict[str, str]:
    """What pawaPay signs: the address that it was given, not the one behind our proxy."""
    created = int(clock.now().timestamp())
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    covered = '("@method" "@authority" "@path" "content-digest")'
    parameters = f'{covered};alg="ecdsa-p256-sha256";keyid="1";created={created};expires={created + 60}'
    lines = ('"@method": POST', '"@authority": mboa.cm', f'"@path": {path}', f'"content-digest": {digest}')
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    proof = base64.b64encode(KEY.sign(base.encode(), ec.ECDSA(SHA256()))).decode()
    return {"Content-Digest": digest, "Signature-Input": f"sig-pp={parameters}", "Signature": f"sig-pp=:{proof}:"}


async def test_pawapays_signature_covers_the_address(
    web: httpx.AsyncClient, database: Database, clock: ManualClock
) -> None:
    body = msgspec.json.encode({"depositId": OURS, "status": "COMPLETED"})
    for path in ("/payments/pawapay/demo", "/payments/pawapay/other"):
        headers = pawapay_signed(clock, body, path)
        assert (await web.post("/payments/pawapay/demo", content=body, headers=headers)).status_code == 200
        body += b" "
    assert await verdicts(database) == [("pawapay", "unknown"), ("pawapay", "forged")]


@pytest.mark.parametrize("path", ["/payments/compay/demo", "/payments/CAMPAY/demo", "/payments/noupay/demo2"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_there_is_no_other_door(web: httpx.AsyncClient, database: Database, method: str, path: str) -> None:
    assert (await web.request(method, path)).status_code == 404
    assert await verdicts(database) == []


@pytest.mark.parametrize("provider", ["campay", "noupay", "pawapay", "mtn"])
async def test_nonsense_is_kept_and_answered_200(web: httpx.AsyncClient, database: Database, provider: str) -> None:
    assert (await web.post(f"/payments/{provider}/demo", content=b"<html></html>")).status_code == 200
    assert (await web.put(f"/payments/{provider}/demo", content=b"x" * 5000)).status_code == 200  # not even read
    assert await verdicts(database) == [(provider, "unreadable")]


async def test_a_secret_that_is_not_set_opens_nothing(database_url: str, settings: Settings, keys: Keyring) -> None:
    unset = msgspec.structs.replace(settings, payments_secret=Secret(""))
    database = Database(database_url, settings=unset, keys=keys)
    app = Litestar([payment_callback], dependencies={"database": Provide(lambda: database, sync_to_thread=False)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as web:
        assert (await web.post("/payments/mtn/", json={"externalId": OURS})).status_code == 404
        assert (await web.post("/payments/mtn/x", json={"externalId": OURS})).status_code == 404
    await database.close()
