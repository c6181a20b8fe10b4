"""A receipt proves that a journal is in the books as it says: everything that its seal's head is computed from.

It can be checked with nothing but itself and a head that was published; docs/tamper-evidence.md shows how in twenty
lines that need none of our code.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Struct
from sqlalchemy import text

from core.database import Tx
from ledger.canonical import WrittenJournal, WrittenLeg, read_journals
from ledger.merkle import WrongPath, path, root_from
from ledger.seals import BEGINNING, Seal, head_of, unpack

FORMAT = "mboa-receipt-1"
_CHANGED = "The journal, the proof or the seal was changed: they do not lead to the head."

_SEAL = text("""
SELECT number, first_after, last_journal, journals, root, sealed_at, head, leaves,
       (SELECT head FROM seal AS before WHERE before.number = seal.number - 1) AS previous
FROM seal WHERE first_after < :journal AND last_journal >= :journal
""")


class NoReceipt(Exception):
    """Why there is no receipt, or why one proves nothing; a sentence."""


class NoSuchJournal(NoReceipt):
    """There is nothing under this number."""


class NotSealedYet(NoReceipt):
    """It is too new; a moment later there is a receipt."""


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the journal is in its seal's Merkle tree (RFC 6962), and its neighbours from the bottom, in hexadecimal."""

    index: int
    path: Sequence[str]


class SealShown(Struct, frozen=True, forbid_unknown_fields=True):
    """A seal, with the head that it goes on from; hashes in hexadecimal."""

    number: int
    previous: str
    first_after: int
    last_journal: int
    journals: int
    root: str
    sealed_at: Annotated[datetime, msgspec.Meta(tz=True)]


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    format: str
    journal: WrittenJournal
    proof: Proof
    seal: SealShown
    head: str

    def file(self) -> bytes:
        """As it is handed out."""
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"


async def issue(tx: Tx, *, journal_id: int) -> Receipt:
    """The receipt of a journal. Raises NoSuchJournal, NotSealedYet, or NoReceipt when it is not as it was sealed."""
    driver = await tx.driver()
    found = await read_journals(driver, after=journal_id - 1, up_to=journal_id)
    if not found:
        raise NoSuchJournal(f"There is no journal {journal_id}.")
    row = await tx.first(_SEAL, {"journal": journal_id})
    if row is None:
        raise NotSealedYet(f"Journal {journal_id} is not sealed yet; a worker does that every few seconds.")
    leaves = unpack(row.leaves)
    if leaves.get(journal_id) != found[0].leaf():
        raise NoReceipt(f"Journal {journal_id} is not what seal {row.number} saw: see `gateway doctor --deep`.")
    index = list(leaves).index(journal_id)
    receipt = Receipt(
        format=FORMAT,
        journal=found[0],
        proof=Proof(index, [hash_.hex() for hash_ in path([*leaves.values()], index)]),
        seal=SealShown(
            number=row.number,
            previous=(row.previous or BEGINNING).hex(),
            first_after=row.first_after,
            last_journal=row.last_journal,
            journals=row.journals,
            root=row.root.hex(),
            sealed_at=row.sealed_at,
        ),
        head=row.head.hex(),
    )
    verify(receipt.file())
    return receipt


def verify(file: bytes, *, head: str = "") -> Receipt:
    """The receipt in `file`, if it proves its journal, and `head` (where one is given) is the head it leads to.

    Needs no database. Raises NoReceipt.
    """
    try:
        receipt = msgspec.json.decode(file, type=Receipt)
        if receipt.format != FORMAT:
            raise NoReceipt(f"This is a receipt of the form {receipt.format}; only {FORMAT} is known here.")
        computed, shown = _head(receipt), bytes.fromhex(receipt.head)
    except (ValueError, OverflowError, RecursionError):  # msgspec's errors are ValueErrors
        raise NoReceipt("This is not a receipt, or not all of one.") from None
    except WrongPath:
        raise NoReceipt(_CHANGED) from None
    if computed != shown:
        raise NoReceipt(_CHANGED)
    if head and head.strip().replace(":", "").lower() != shown.hex():  # logs have it in groups
        raise NoReceipt(f"The receipt leads to another head than the one given: {shown.hex()}")
    return receipt


def _head(receipt: Receipt) -> bytes:
    """What the head must be, from everything else in the receipt. Raises WrongPath, ValueError, OverflowError."""
    shown, proof = receipt.seal, receipt.proof
    neighbours = [bytes.fromhex(hash_) for hash_ in proof.path]
    root = root_from(receipt.journal.leaf(), index=proof.index, size=shown.journals, path=neighbours)
    numbers = (shown.number, shown.first_after, shown.last_journal, shown.journals)
    if not shown.first_after < receipt.journal.journal <= shown.last_journal or root != bytes.fromhex(shown.root):
        raise WrongPath
    return head_of(Seal(*numbers, root, shown.sealed_at), previous=bytes.fromhex(shown.previous))


def tell(receipt: Receipt) -> list[str]:
    """What a receipt says, for people."""
    return [
        f"Journal {receipt.journal.journal} ({receipt.journal.legs[0].kind}),"
        f" recorded {receipt.journal.legs[0].recorded_at}:",
        *(_moved(leg) for leg in receipt.journal.legs),
        f"It is in seal {receipt.seal.number} of {receipt.seal.sealed_at}, whose head is",
        receipt.head,
    ]


def _moved(leg: WrittenLeg) -> str:
    return f"  {leg.amount} {leg.currency} from {leg.credit_account} to {leg.debit_account}"
