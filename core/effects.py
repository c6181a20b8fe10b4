"""Exactly-once effects: the key and the result are stored in the effect's own transaction.

A repeat finds the key and gets the first result back; a repeat while the first still runs waits on the
unique index (or is refused, with `wait=False`). Nothing here checks first and acts later.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, DateTime, LargeBinary, Table, Text, delete, false, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from core.database import Tx, metadata
from core.errors import Conflict, GatewayError

effect = Table(
    "effect",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),  # of the input, so that a key cannot serve two requests
    Column("result", JSONB),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("foreclosed", Boolean, nullable=False, server_default="false"),  # it never happened, and never will
)


class KeyReused(GatewayError):
    """The same idempotency key came with another request."""

    status = 422
    text_key = "error.key_reused"


class Foreclosed(Conflict):
    """It took too long and was given up: what this key stands for has not happened, and will not."""

    text_key = "error.foreclosed"


class StillRunning(Conflict):
    """The first request with this key has not finished."""

    text_key = "error.still_running"
    retryable = True


async def once(
    tx: Tx, key: str, make: Callable[[], Awaitable[Any]], *, request_hash: bytes = b"", wait: bool = True
) -> Any:
    """Run `make` at most once for `key` and return its result as plain JSON types, now and ever after.

    Raises KeyReused when `key` was used with another `request_hash`, Foreclosed when it was given up, StillRunning
    when `wait` is False and another transaction holds the key. When `make` raises, the key is free again.
    """
    if not wait and not await tx.value(select(func.pg_try_advisory_xact_lock(func.hashtextextended(key, 0)))):
        raise StillRunning()
    fresh = insert(effect).values(key=key, request_hash=request_hash, created_at=tx.now)
    if await tx.run(fresh.on_conflict_do_nothing()) == 0:
        return await recall(tx, key, request_hash=request_hash)
    try:
        result = msgspec.to_builtins(await make())
    except GatewayError as refusal:
        if refusal.keeps_writes:  # what it wrote is committed; the key must be free all the same
            await tx.run(delete(effect).where(effect.c.key == key))
        raise
    await tx.run(update(effect).where(effect.c.key == key).values(result=result))
    return result


async def recall(tx: Tx, key: str, *, request_hash: bytes = b"") -> Any:
    """The stored result of `key`, or None when nothing happened under it yet.

    Raises KeyReused when `key` belongs to another `request_hash`, Foreclosed when it was given up.
    """
    columns = effect.c.request_hash, effect.c.result, effect.c.foreclosed
    stored = await tx.first(select(*columns).where(effect.c.key == key))
    if stored is not None and stored.foreclosed:
        raise Foreclosed()
    if stored is not None and stored.request_hash != request_hash:
        raise KeyReused()
    return stored.result if stored is not None else None


async def happened(tx: Tx, key: str) -> bool:
    """Whether the effect of `key` is committed."""
    return await tx.value(select(effect.c.key).where(effect.c.key == key, effect.c.foreclosed == false())) is not None


async def foreclose(tx: Tx, key: str) -> bool:
    """See to it that `key` never happens; False when it has happened already.

    Waits for a transaction that is about to make it happen, as long as this one waits for locks.
    """
    never = insert(effect).values(key=key, request_hash=b"", created_at=tx.now, foreclosed=True)
    if await tx.run(never.on_conflict_do_nothing()):
        return True
    return not await happened(tx, key)
