"""Holding the books against their seals: which journal was changed, deleted or slipped in behind everybody's back.

Trusts nothing in the database alone: every hash is computed again, and the heads are compared with those outside.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Row, text

from core.database import Tx
from ledger.canonical import WrittenJournal, read_journals
from ledger.heads import Head, HeadLog
from ledger.merkle import root
from ledger.seals import BEGINNING, Seal, head_of, unpack

# A damaged ledger should not fill the screen.
_MOST = 100
_AT_ONCE = 500  # seals
_READ = 5000  # journals

_SEALS = text("""
SELECT number, first_after, last_journal, journals, root, sealed_at, head FROM seal
WHERE number > :after ORDER BY number LIMIT :most
""")
_LEAVES = text("SELECT number, leaves FROM seal WHERE number BETWEEN :first AND :last")
# No seal ever looks there, and reports do. Every number in sight was given out before: the sequence is read later.
_OUTSIDE = text("""
SELECT journal_id, min(kind) AS kind FROM posting
WHERE journal_id <= 0 OR journal_id > (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_id)
GROUP BY journal_id ORDER BY journal_id LIMIT :most
""")


class Sealed(Struct, frozen=True):
    """How far the books are sealed, and what is wrong there: a sentence each."""

    seals: int
    last_journal: int
    head: bytes
    sealed_at: datetime | None
    findings: list[str]


class _Kept(Struct, frozen=True):
    """A seal as the database has it."""

    seal: Seal
    head: bytes


async def inspect(tx: Tx, *, seal_log: str = "") -> Sealed:
    """Compute everything that was sealed again; `seal_log` is the file with the published heads."""
    published = _read(HeadLog(seal_log))  # before the seals: a worker makes more meanwhile
    findings = [
        f"journal {row.journal_id} ({row.kind}) was inserted: nobody was given that number"
        for row in await tx.all(_OUTSIDE, {"most": _MOST})
    ]
    heads: dict[int, bytes] = {}
    last: _Kept | None = None
    async for batch in _batches(tx):
        for kept in batch:
            findings += _link(last, kept)
            heads[kept.seal.number] = kept.head
            last = kept
        findings += await _contents(tx, [kept.seal for kept in batch])
    findings = [*_published(heads, published), *findings]
    if last is None:
        return Sealed(0, 0, BEGINNING, None, findings[:_MOST])
    return Sealed(len(heads), last.seal.last_journal, last.head, last.seal.sealed_at, findings[:_MOST])


async def _batches(tx: Tx) -> AsyncIterator[list[_Kept]]:
    """All seals in their order, as many at a time as make some thousand journals."""
    after = 0
    while rows := await tx.all(_SEALS, {"after": after, "most": _AT_ONCE}):
        for batch in _split([_kept(row) for row in rows]):
            yield batch
        after = rows[-1].number


def _kept(row: Row[Any]) -> _Kept:
    seal = Seal(row.number, row.first_after, row.last_journal, row.journals, row.root, row.sealed_at)
    return _Kept(seal, row.head)


def _split(kept: Sequence[_Kept]) -> Iterator[list[_Kept]]:
    batch, journals = list[_Kept](), 0
    for one in kept:
        batch.append(one)
        journals += one.seal.journals
        if journals >= _READ:
            yield batch
            batch, journals = [], 0
    if batch:
        yield batch


def _link(last: _Kept | None, kept: _Kept) -> Iterator[str]:
    """What is wrong between a seal and the one before it."""
    seal = kept.seal
    number, journal, head = (last.seal.number, last.seal.last_journal, last.head) if last else (0, 0, BEGINNING)
    if seal.number != number + 1:
        yield f"seals {number + 1} to {seal.number - 1} are missing"
    elif seal.first_after != journal or kept.head != head_of(seal, previous=head):
        yield f"seal {seal.number} does not go on from the one before: it was changed"


async def _contents(tx: Tx, seals: Sequence[Seal]) -> list[str]:
    """What is wrong with the journals of consecutive seals."""
    rows = await tx.all(_LEAVES, {"first": seals[0].number, "last": seals[-1].number})
    leaves = {row.number: unpack(row.leaves) for row in rows}
    after, up_to = min(seal.first_after for seal in seals), max(seal.last_journal for seal in seals)
    journals = await read_journals(await tx.driver(), after=after, up_to=up_to)
    numbers = [journal.journal for journal in journals]
    findings: list[str] = []
    for seal in seals:
        covered = journals[bisect_right(numbers, seal.first_after) : bisect_right(numbers, seal.last_journal)]
        findings += _compare(seal, leaves[seal.number], covered)
    return findings


def _compare(seal: Seal, leaves: dict[int, bytes], journals: Sequence[WrittenJournal]) -> Iterator[str]:
    """The journals that a seal covers, against what it saw."""
    if root([*leaves.values()]) != seal.root or len(leaves) != seal.journals:
        span = f"journals {seal.first_after + 1} to {seal.last_journal}"
        yield f"seal {seal.number} ({span}): its list of hashes was changed, and does not give its root"
    missing = dict(leaves)
    for journal in journals:
        kind = journal.legs[0].kind
        leaf = missing.pop(journal.journal, None)
        if leaf is None:
            yield f"journal {journal.journal} ({kind}) was inserted after seal {seal.number} was made"
        elif leaf != journal.leaf():
            yield f"journal {journal.journal} ({kind}) was changed after seal {seal.number} was made"
    for number in missing:
        yield f"journal {number} was deleted after seal {seal.number} was made"


def _read(outside: HeadLog) -> Sequence[Head] | Exception:
    """The published heads, or why they cannot be read."""
    try:
        return list(outside.read()) if outside.wanted else []
    except (OSError, ValueError) as problem:
        return problem


def _published(heads: Mapping[int, bytes], outside: Sequence[Head] | Exception) -> list[str]:
    """What is wrong with the heads by those outside. Only the first that differs: later ones go on from it."""
    if isinstance(outside, Exception):
        return [f"the published heads cannot be read: {outside}"] if heads else []
    for line in outside:
        if line.seal not in heads:
            return [f"seal {line.seal} was published and is not in the database"]
        if line.head != heads[line.seal].hex():
            return [f"seal {line.seal} has another head than was published: it and all after it were made anew"]
    return []
