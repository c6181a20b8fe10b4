"""RFC 9421 (HTTP message signatures) with RFC 9530 (Content-Digest), as far as a signed callback needs them.

A signature counts only if it covers the digest of the body, the digest is the body's, its time is not over, and
its algorithm belongs to the kind of key that is configured: what the message says of itself chooses nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from payments.providers.protocol import Callback

_SKEW_SECONDS = 60
_DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {
    "sha-256": lambda body: hashlib.sha256(body).digest(),
    "sha-512": lambda body: hashlib.sha512(body).digest(),
}
_QUOTED = r'"[^"\\]*"'
_INPUT = re.compile(rf"([a-z*][a-z0-9_.*-]*)=(\(((?:{_QUOTED}| )*)\)((?:;[a-z]+=(?:{_QUOTED}|\d+))*))")
_BYTES = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):")
_DIGEST = re.compile(r"(sha-256|sha-512)=:([A-Za-z0-9+/=]*):")

_Check: TypeAlias = Callable[[PublicKeyTypes, bytes, bytes], None]


class Signature(msgspec.Struct, frozen=True):
    """One signature: what it covers, what it says of itself, its bytes."""

    covered: tuple[str, ...]
    parameters: Mapping[str, str]
    written: str  # the parameters as they came: they are signed too
    proof: bytes


def signed(callback: Callback, *, key_pem: str, authority: str, now: datetime) -> bool:
    """Whether the holder of the key signed this body. `authority`: the host that the caller has addressed."""
    signature = _parse(callback.headers)
    if signature is None or "content-digest" not in signature.covered or not _timely(signature, now):
        return False
    base = _base(signature, callback, authority)
    return base is not None and _digest_fits(callback) and _verifies(key_pem, signature, base)


def _parse(headers: Mapping[str, str]) -> Signature | None:
    """The first signature that has both its input and its bytes."""
    proofs = dict(_BYTES.findall(headers.get("signature", "")))
    for label, written, covered, parameters in _INPUT.findall(headers.get("signature-input", "")):
        proof = _unbase64(proofs.get(label, ""))
        if proof:
            named = (part.partition("=") for part in parameters.split(";")[1:])
            told = {name: value.strip('"') for name, _, value in named}
            return Signature(tuple(re.findall(r'"([^"]*)"', covered)), told, written, proof)
    return None


def _unbase64(raw: str) -> bytes:
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        return b""


def _timely(signature: Signature, now: datetime) -> bool:
    """Whether it was made before now and is not over; one that never ends could be replayed for ever."""
    created, expires = signature.parameters.get("created", ""), signature.parameters.get("expires", "")
    if not created.isdecimal() or not expires.isdecimal():
        return False
    return int(created) - _SKEW_SECONDS <= now.timestamp() <= int(expires) + _SKEW_SECONDS


def _digest_fits(callback: Callback) -> bool:
    """Whether Content-Digest is the body's, by every algorithm it names that we know, and at least one."""
    named = _DIGEST.findall(callback.headers.get("content-digest", ""))
    return bool(named) and all(
        hmac.compare_digest(_unbase64(given), _DIGESTS[algorithm](callback.body)) for algorithm, given in named
    )


def _base(signature: Signature, callback: Callback, authority: str) -> bytes | None:
    """The text that was signed (RFC 9421, 2.5); None when it covers something that we do not have."""
    derived = {"@method": callback.method, "@authority": authority.lower(), "@path": callback.path}
    derived["@query"] = f"?{callback.query}"
    lines = []
    for name in signature.covered:
        value = derived.get(name) if name.startswith("@") else callback.headers.get(name)
        if value is None:
            return None
        lines.append(f'"{name}": {value.strip()}')
    return "\n".join([*lines, f'"@signature-params": {signature.written}']).encode()


def _verifies(key_pem: str, signature: Signature, base: bytes) -> bool:
    check = _CHECKS.get(signature.parameters.get("alg", ""))
    if check is None:
        return False
    try:
        check(load_pem_public_key(key_pem.encode()), signature.proof, base)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _ecdsa(curve: type[ec.EllipticCurve], algorithm: SHA256 | SHA384) -> _Check:
    """The RFC writes the two numbers one after the other; pawaPay's own library writes DER. Both are read."""

    def check(key: PublicKeyTypes, proof: bytes, base: bytes) -> None:
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
            raise InvalidSignature
        half = (key.curve.key_size + 7) // 8
        if len(proof) == 2 * half:
            numbers = int.from_bytes(proof[:half], "big"), int.from_bytes(proof[half:], "big")
            proof = encode_dss_signature(*numbers)
        key.verify(proof, base, ec.ECDSA(algorithm))

    return check


def _rsa_v1_5(key: PublicKeyTypes, proof: bytes, base: bytes) -> None:
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidSignature
    key.verify(proof, base, padding.PKCS1v15(), SHA256())


def _rsa_pss(key: PublicKeyTypes, proof: bytes, base: bytes) -> None:
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidSignature
    key.verify(proof, base, padding.PSS(padding.MGF1(SHA512()), SHA512.digest_size), SHA512())


_CHECKS: Mapping[str, _Check] = {
    "ecdsa-p256-sha256": _ecdsa(ec.SECP256R1, SHA256()),
    "ecdsa-p384-sha384": _ecdsa(ec.SECP384R1, SHA384()),
    "rsa-v1_5-sha256": _rsa_v1_5,
    "rsa-pss-sha512": _rsa_pss,
}
