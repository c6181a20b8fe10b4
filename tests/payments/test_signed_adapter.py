"""Signed callbacks of pawaPay (RFC 9421, https://docs.pawapay.io/v2/docs/signatures), and every way to forge one."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.settings import Secret, Settings
from payments.providers.pawapay import hear
from payments.providers.protocol import Callback, Unbelieved

REF = "8917c345-4791-4285-a416-62f24b6982db"
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
CALLBACK = msgspec.json.encode({"depositId": REF, "status": "COMPLETED", "amount": "123.00", "currency": "XAF"})


@pytest.fixture
def account(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, public_url="https://mboa.cm")


P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
COVERED = ("@method", "@authority", "@path", "signature-date", "content-digest", "content-type")

Sign = Callable[[bytes], bytes]


def der(base: bytes) -> bytes:
    return P256.sign(base, ec.ECDSA(SHA256()))


def raw(base: bytes) -> bytes:
    """As the RFC has it: the two numbers, 32 bytes each."""
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der(base)))


def v1_5(base: bytes) -> bytes:
    return RSA.sign(base, padding.PKCS1v15(), SHA256())


def pss(base: bytes) -> bytes:
    return RSA.sign(base, padding.PSS(padding.MGF1(SHA512()), 64), SHA512())


def pem(key: Any) -> Secret:
    return Secret(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def signed(
    sign: Sign = der,
    alg: str = "ecdsa-p256-sha256",
    *,
    covered: tuple[str, ...] = COVERED,
    body: bytes = CALLBACK,
    at: datetime = NOW,
    digest: str = "sha-512",
    lasts: str = ";expires={expires}",
) -> Callback:
    """A callback signed as https://docs.pawapay.io/v2/docs/signatures has it."""
    created = int(at.timestamp())
    hashed = base64.b64encode(hashlib.new(digest.replace("-", ""), body).digest()).decode()
    headers = {
        "signature-date": at.isoformat(),
        "content-digest": f"{digest}=:{hashed}:",
        "content-type": "application/json; charset=UTF-8",
    }
    derived = {"@method": "POST", "@authority": "mboa.cm", "@path": "/payments/pawapay/demo"}
    names = " ".join(f'"{name}"' for name in covered)
    ending = lasts.format(expires=created + 60)
    parameters = f'({names});alg="{alg}";keyid="HTTP_EC_P256_KEY:1";created={created}{ending}'
    values = {**headers, **derived, "@signature-params": parameters}
    base = "\n".join(f'"{name}": {values[name]}' for name in (*covered, "@signature-params")).encode()
    proof = base64.b64encode(sign(base)).decode()
    headers |= {"signature": f"sig-pp=:{proof}:", "signature-input": f"sig-pp={parameters}"}
    return Callback(body=body, headers=headers, method="POST", path="/payments/pawapay/demo")


def keyed(account: Settings, key: Any = P256) -> Settings:
    return msgspec.structs.replace(account, pawapay_callback_key=pem(key))


@pytest.mark.parametrize("digest", ["sha-256", "sha-512"])
@pytest.mark.parametrize(
    ("sign", "alg", "key"),
    [
        (der, "ecdsa-p256-sha256", P256),
        (raw, "ecdsa-p256-sha256", P256),
        (v1_5, "rsa-v1_5-sha256", RSA),
        (pss, "rsa-pss-sha512", RSA),
    ],
)
def test_a_signed_callback_rings(account: Settings, sign: Sign, alg: str, key: Any, digest: str) -> None:
    assert hear(signed(sign, alg, digest=digest), keyed(account, key), NOW).ref == REF


def replaced(name: str, value: str, **changes: bytes) -> Callback:
    callback = signed()
    return msgspec.structs.replace(callback, headers={**callback.headers, name: value}, **changes)


def without(name: str) -> Callback:
    callback = signed()
    kept = {key: value for key, value in callback.headers.items() if key != name}
    return msgspec.structs.replace(callback, headers=kept)


def renewed(body: bytes) -> Callback:
    """Another body with its own digest: what was signed is the digest of the first."""
    return replaced("content-digest", signed(body=body).headers["content-digest"], body=body)


def strangers(base: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).sign(base, ec.ECDSA(SHA256()))


FORGED: dict[str, Callback] = {
    "unsigned": Callback(body=CALLBACK),
    "another body": msgspec.structs.replace(signed(), body=CALLBACK.replace(b"COMPLETED", b"FAILED")),
    "another body and its digest": renewed(CALLBACK.replace(b"COMPLETED", b"FAILED")),
    "the digest not covered": signed(covered=("@method", "@path")),
    "no digest": without("content-digest"),
    "an unknown digest": replaced("content-digest", "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"),
    "another path": msgspec.structs.replace(signed(), path="/payments/noupay/demo"),
    "another method": msgspec.structs.replace(signed(), method="PUT"),
    "something covered that did not come": without("signature-date"),
    "over": signed(at=NOW - timedelta(seconds=121)),
    "of tomorrow": signed(at=NOW + timedelta(seconds=61)),
    "without an end": signed(lasts=""),
    "with an end that is no number": signed(lasts=';expires="never"'),
    "another key": signed(strangers),
    "the algorithm of another kind of key": signed(v1_5, "rsa-v1_5-sha256"),
    "another curve": signed(der, "ecdsa-p384-sha384"),
    "an algorithm that is not public-key": signed(der, "hmac-sha256"),
    "no algorithm": signed(der, ""),
    "an empty signature": replaced("signature", "sig-pp=::"),
    "no base64": replaced("signature", "sig-pp=:###:"),
    "zeroes": replaced("signature", f"sig-pp=:{base64.b64encode(bytes(64)).decode()}:"),
    "another label": replaced("signature-input", signed().headers["signature-input"].replace("sig-pp", "sig1")),
    "no structure": replaced("signature-input", "sig-pp=("),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_callback_is_not_believed(account: Settings, name: str) -> None:
    with pytest.raises(Unbelieved, match="forged"):
        hear(FORGED[name], keyed(account), NOW)


def test_the_address_that_was_signed_is_ours(account: Settings) -> None:
    elsewhere = msgspec.structs.replace(keyed(account), public_url="https://mboa.example")
    with pytest.raises(Unbelieved, match="forged"):
        hear(signed(), elsewhere, NOW)


def test_a_key_that_is_none_believes_nobody(account: Settings) -> None:
    broken = msgspec.structs.replace(account, pawapay_callback_key=Secret("-----BEGIN PUBLIC KEY-----"))
    with pytest.raises(Unbelieved, match="forged"):
        hear(signed(), broken, NOW)
