"""Idempotency-Key: a request that is repeated after a lost answer gets the first answer, and no second effect.

A key belongs to one person. Its answer is stored in the effect's own transaction; of what was asked only a
keyed hash is kept, because a body holds phone numbers (design/payments.md 20).
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import msgspec

from core import effects
from core.crypto import Keyring
from core.database import Database, Tx

View = TypeVar("View")


class Intention(msgspec.Struct, frozen=True):
    """What one person wants done once."""

    key: str
    request_hash: bytes

    async def answered(self, database: Database, view: type[View]) -> View | None:
        """The answer that this intention got before, if it did. Raises KeyReused for another body."""
        async with database.reading() as tx:
            stored = await effects.recall(tx, self.key, request_hash=self.request_hash)
        return None if stored is None else msgspec.convert(stored, view)

    async def once(self, tx: Tx, make: Callable[[], Awaitable[View]], view: type[View]) -> View:
        """The answer of `make`, now and ever after. Raises KeyReused, and StillRunning while another is at it."""
        stored = await effects.once(tx, self.key, make, request_hash=self.request_hash, wait=False)
        return msgspec.convert(stored, view)


def intention(keys: Keyring, person_id: UUID, idempotency_key: str, route: str, body: msgspec.Struct) -> Intention:
    """The intention behind `body`: the same in JSON and in MessagePack, whatever the order of the fields."""
    said = msgspec.json.encode(body, order="deterministic").decode()
    return Intention(f"api:{person_id}:{idempotency_key}", bytes.fromhex(keys.fingerprint("api", route, said)))
