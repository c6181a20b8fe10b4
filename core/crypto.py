"""Keys and what is made with them. Every key is derived from one master secret, one per purpose."""

import base64
import hmac
import os
from functools import cached_property

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Keyring:
    """The keys of one installation."""

    def __init__(self, master: bytes) -> None:
        if len(master) < 32:
            raise ValueError("the master secret needs at least 32 bytes")
        self._master = master

    def derive(self, purpose: str) -> bytes:
        """32 bytes bound to `purpose`."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(self._master)

    @cached_property
    def _data(self) -> AESGCM:
        return AESGCM(self.derive("data"))

    @cached_property
    def _index(self) -> bytes:
        return self.derive("blind-index")

    @cached_property
    def _code(self) -> bytes:
        return self.derive("code")

    @cached_property
    def fingerprint_key(self) -> bytes:
        """Keys the transcripts of USSD sessions and the hashes of texts: a plain hash of four digits is no secret."""
        return self.derive("fingerprint")

    @cached_property
    def pepper(self) -> bytes:
        """Goes into PINs before Argon2id (D5)."""
        return self.derive("pin-pepper")

    @cached_property
    def token_key(self) -> str:
        """Signs access tokens (HS256)."""
        return base64.urlsafe_b64encode(self.derive("access-token")).decode()

    def encrypt(self, plain: str) -> bytes:
        """AES-256-GCM with a fresh nonce in front."""
        nonce = os.urandom(12)
        return nonce + self._data.encrypt(nonce, plain.encode(), None)

    def decrypt(self, sealed: bytes) -> str:
        return self._data.decrypt(bytes(sealed[:12]), bytes(sealed[12:]), None).decode()

    def blind_index(self, value: str) -> bytes:
        """16 bytes that find an encrypted value again and tell nothing about it (D6)."""
        return hmac.digest(self._index, value.encode(), "sha256")[:16]

    def fingerprint(self, *parts: str) -> str:
        """A keyed hash of texts that must be recognised but not kept."""
        return hmac.digest(self.fingerprint_key, "\x00".join(parts).encode(), "sha256").hex()[:32]

    def digits(self, kind: str, ref: str, length: int) -> str:
        """`length` decimal digits bound to (kind, ref): codes that are derived, never stored (D15)."""
        number = int.from_bytes(hmac.digest(self._code, f"{kind}:{ref}".encode(), "sha256")[:8], "big")
        return f"{number % 10**length:0{length}d}"


def same(a: str, b: str) -> bool:
    """Constant-time comparison."""
    return hmac.compare_digest(a.encode(), b.encode())
