"""Reserving part of a balance, and what becomes of it: captured, released or expired, exactly one of them.

A hold lies on the payer's own account row, so nothing becomes hot and nothing moves until it is captured. It never
draws on an overdraft.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import text

from core.database import Database, Tx
from ledger.chart import Account
from ledger.errors import HoldClosed, InvalidLegAmount, LedgerBusy
from ledger.journals import MAX_AMOUNT, Journal, Leg, Posted, many, places
from ledger.service import call, check_in

_OPEN = f"SELECT hold_id, replayed FROM open_hold({places(7)})"  # noqa: S608 - placeholders only
_END = "SELECT end_hold($1, $2, $3)"
_CAPTURE = f"SELECT posted_id, replayed FROM capture_hold({places(19)})"  # noqa: S608 - placeholders only
_OVERDUE = text("SELECT id FROM hold WHERE state = 'open' AND expires_at <= :now ORDER BY expires_at LIMIT :most")


_FIND = text("SELECT id, state, amount FROM hold WHERE key = :key")
_HELD = "SELECT held FROM account WHERE code = $1"
_AVAILABLE = "SELECT balance - held FROM account_balance WHERE code = $1"


class Held(Struct, frozen=True):
    """A hold in the books; `replayed` when this key had already opened it."""

    hold_id: int
    replayed: bool


class Hold(Struct, frozen=True):
    """A hold and what has become of it: open, captured, released or expired."""

    id: int
    state: Literal["open", "captured", "released", "expired"]
    amount: int


async def hold(tx: Tx, *, key: str, kind: str, account: Account, amount: int, expires_at: datetime) -> Held:
    """Keep `amount` minor units of `account` for one purpose, at most until `expires_at`.

    The same key with the same content gives the first hold, whatever has become of it. Raises InsufficientFunds,
    KeyReused, LedgerBusy, InvalidLegAmount, HoldExpired for one that would be over before it begins.
    """
    if type(amount) is not int or not 0 < amount <= MAX_AMOUNT:
        raise InvalidLegAmount()
    content = (kind, account.code, amount, expires_at.astimezone(UTC))
    request_hash = hashlib.sha256(msgspec.json.encode(content)).digest()
    row = await call(tx, _OPEN, key, request_hash, kind, account.code, amount, expires_at, tx.now)
    return Held(row[0], row[1])


async def capture(
    tx: Tx,
    *,
    hold_id: int,
    key: str,
    kind: str,
    legs: Sequence[Leg],
    actor: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Posted:
    """Post a journal out of a hold and set the rest of it free.

    The legs debit the held account with 1 to the held amount in total. Raises HoldClosed, HoldExpired, HoldExceeded,
    NotFound, and as `ledger.service.post` does.
    """
    journal = Journal(key=key, kind=kind, legs=legs, actor=actor, metadata=metadata)
    check_in(tx, journal)
    row = await call(tx, _CAPTURE, hold_id, *many([journal], now=tx.now))
    return Posted(row[0], row[1])


async def find(tx: Tx, *, key: str) -> Hold | None:
    """The hold of this key, as it stands now."""
    row = await tx.first(_FIND, {"key": key})
    return None if row is None else Hold(row.id, row.state, row.amount)


async def available(tx: Tx, account: Account) -> int:
    """The balance in minor units without what is held of it; 0 for an account that was never used."""
    connection = await tx.driver()
    return int(await connection.fetchval(_AVAILABLE, account.code) or 0)


async def held(tx: Tx, account: Account) -> int:
    """What is held of the account in minor units, all holds together."""
    connection = await tx.driver()
    return int(await connection.fetchval(_HELD, account.code) or 0)


async def release(tx: Tx, *, hold_id: int) -> None:
    """Set a hold free; doing it again changes nothing. Raises HoldClosed when it ended otherwise, NotFound."""
    await call(tx, _END, hold_id, "released", tx.now)


async def expire(database: Database, *, most: int = 500) -> int:
    """End holds whose time is over, each in a transaction of its own; how many."""
    async with database.reading() as tx:
        overdue = [row.id for row in await tx.all(_OVERDUE, {"now": tx.now, "most": most})]
    ended = 0
    for hold_id in overdue:
        try:
            async with database.transaction() as tx:
                ended += bool((await call(tx, _END, hold_id, "expired", tx.now))[0])
        except (HoldClosed, LedgerBusy):  # captured or released since we looked; or locked, and it comes round again
            continue
    return ended
