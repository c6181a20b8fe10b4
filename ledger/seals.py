"""Sealing: what is final in the books gets a hash that goes on from the one before, and that hash goes outside.

A seal is made beside the postings, never with them: they would queue up behind one chain. `ledger.inspection` compares
the books with their seals, `ledger.receipts` proves from a seal that a journal is in them.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, LargeBinary, Table, UniqueConstraint, text

from core.database import Database, Tx, metadata
from core.logs import logger
from ledger.canonical import read_journals
from ledger.heads import Head, HeadLog
from ledger.marks import Watermark
from ledger.merkle import root

seal = Table(
    "seal",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first_after", BigInteger, nullable=False),
    Column("last_journal", BigInteger, nullable=False),
    Column("journals", BigInteger, nullable=False),
    Column("leaves", LargeBinary, nullable=False),  # only to name what was changed
    Column("root", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("last_journal"),
    CheckConstraint(
        "first_after < last_journal AND journals > 0 AND octet_length(leaves) = 40 * journals", name="range"
    ),
)

BEGINNING = sha256().digest()  # what the first seal goes on from
_LEAF_BYTES = 40  # a journal's number in eight bytes, its hash in 32
_MOST = 2000  # journals in a seal: what a worker hashes while others wait for it
_MOST_HEADS = 1000  # published at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MINE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('seals', 10))")
_LAST = text("SELECT coalesce(max(last_journal), 0) FROM seal")
_END = text("""
SELECT max(journal_id) AS last, count(*) AS journals FROM (
    SELECT journal_id FROM posting WHERE leg = 1 AND journal_id > :after AND journal_id <= :final
    ORDER BY journal_id LIMIT :most) AS next
""")
_ADD = text("SELECT add_seal(:after, :up_to, :leaves, :root, :now)")
_HEADS = text("""
SELECT number, encode(head, 'hex') AS head, last_journal, sealed_at FROM seal
WHERE number >= :since ORDER BY number LIMIT :most
""")

log = logger(__name__)


class Seal(Struct, frozen=True):
    """What a head is made of, beside the head before. Covers the journals above `first_after` up to `last_journal`."""

    number: int
    first_after: int
    last_journal: int
    journals: int
    root: bytes
    sealed_at: datetime


def head_of(seal: Seal, *, previous: bytes) -> bytes:
    """The head of a seal that goes on from `previous`; the same sum as in migrations/sql/0008_seals.sql."""
    sealed_us = (seal.sealed_at - _EPOCH) // timedelta(microseconds=1)
    numbers = (seal.number, seal.first_after, seal.last_journal, seal.journals)
    facts = b"".join(number.to_bytes(8) for number in numbers)
    return sha256(b"\x02" + previous + facts + seal.root + sealed_us.to_bytes(8, signed=True)).digest()


def pack(leaves: dict[int, bytes]) -> bytes:
    """Hashes by their journal's number, as a seal keeps them."""
    return b"".join(number.to_bytes(8) + leaf for number, leaf in leaves.items())


def unpack(leaves: bytes) -> dict[int, bytes]:
    starts = range(0, len(leaves), _LEAF_BYTES)
    return {int.from_bytes(leaves[at : at + 8]): leaves[at + 8 : at + _LEAF_BYTES] for at in starts}


class Seals:
    """Seals what has become final and publishes the heads; called by the worker. Any number may run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watermark = Watermark(database)
        self._heads = HeadLog(database.settings.seal_log)

    async def advance(self) -> int:
        """How many journals were sealed."""
        final, sealed = await self._watermark.advance(), 0
        while journals := await self._seal(final):
            sealed += journals
        await self._publish()
        return sealed

    async def _seal(self, final: int) -> int:
        """Make one seal over the next journals up to `final`; how many. 0 when another worker is at it."""
        async with self._database.transaction() as tx:
            if not await tx.value(_MINE):
                return 0
            after = int(await tx.value(_LAST))
            end = await tx.one(_END, {"after": after, "final": final, "most": _MOST})
            if end.journals == 0:
                return 0
            # A number that nobody used is covered too: nothing may appear there later.
            up_to = final if end.journals < _MOST else end.last
            await add(tx, after=after, up_to=up_to)
        return int(end.journals)

    async def _publish(self) -> None:
        """Write outside what is not there yet; also what an earlier worker was killed before."""
        if not self._heads.wanted:
            return
        published = await asyncio.to_thread(self._heads.last)
        while True:
            heads = await self._since(published)
            if published is not None and (not heads or heads.pop(0) != published):
                log.error("ledger.published_head_differs", seal=published.seal)
                return
            if not heads:
                return
            await asyncio.to_thread(self._heads.append, heads)
            published = heads[-1]

    async def _since(self, published: Head | None) -> list[Head]:
        """The heads from the published one on. The books' copy of that one is the first."""
        async with self._database.reading() as tx:
            rows = await tx.all(_HEADS, {"since": published.seal if published else 1, "most": _MOST_HEADS})
        return [Head(row.number, row.head, row.last_journal, row.sealed_at) for row in rows]


async def add(tx: Tx, *, after: int, up_to: int) -> None:
    """Seal the journals above `after` up to `up_to`, which goes on from the last seal."""
    leaves = {x.journal: x.leaf() for x in await read_journals(await tx.driver(), after=after, up_to=up_to)}
    numbers: dict[str, Any] = {"after": after, "up_to": up_to, "now": tx.now}
    head = await tx.value(_ADD, {**numbers, "leaves": pack(leaves), "root": root([*leaves.values()])})
    # In groups, so that no run of digits can be taken for a phone number and masked.
    log.info("ledger.sealed", up_to=up_to, journals=len(leaves), head=grouped(head))


def grouped(head: bytes | Sequence[int]) -> str:
    """A head for people: `3f1c:09ab:…`"""
    return bytes(head).hex(":", 2)
