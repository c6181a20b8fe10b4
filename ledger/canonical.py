"""A journal in the one form that is sealed: every column of every leg, as sorted JSON, the same in a restored copy.

Accounts stand there by their codes, so that a receipt can be read. What is NULL is left out.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import Meta, Struct

from ledger.merkle import leaf_hash

_ENCODER = msgspec.json.Encoder(order="sorted")

# The columns of `WrittenLeg`, in its order.
_LEGS = """
SELECT journal_id, leg, amount, debited.currency,
       debited.code, debited.kind, debit_seq, debit_balance,
       credited.code, credited.kind, credit_seq, credit_balance,
       effective_at, recorded_at, posting.kind, key, encode(request_hash, 'hex'), actor, reverses, metadata
FROM posting
LEFT JOIN account AS debited ON debited.id = debit_account
LEFT JOIN account AS credited ON credited.id = credit_account
WHERE journal_id > $1 AND journal_id <= $2 ORDER BY journal_id, leg
"""


class WrittenLeg(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One posting. Amounts and balances are in minor units; a hot account's side has no sequence and no balance."""

    leg: int
    amount: int
    currency: str | None = None  # None, like an account's code, where somebody has deleted the account
    debit_account: str | None = None
    debit_kind: str | None = None
    debit_seq: int | None = None
    debit_balance: int | None = None
    credit_account: str | None = None
    credit_kind: str | None = None
    credit_seq: int | None = None
    credit_balance: int | None = None
    effective_at: datetime | None = None
    recorded_at: datetime | None = None
    kind: str | None = None
    # of the journal, on its first leg
    key: str | None = None
    request_hash: str | None = None  # in hexadecimal
    actor: str | None = None
    reverses: int | None = None
    metadata: dict[str, Any] | None = None


class WrittenJournal(Struct, frozen=True, forbid_unknown_fields=True):
    """A journal as it stands in the books."""

    journal: int
    legs: Annotated[Sequence[WrittenLeg], Meta(min_length=1)]

    def leaf(self) -> bytes:
        """Its hash in a seal's Merkle tree."""
        return leaf_hash(_ENCODER.encode(self))


async def read_journals(connection: asyncpg.Connection, *, after: int, up_to: int) -> list[WrittenJournal]:
    """The journals above `after` up to `up_to`, in their order."""
    rows = await connection.fetch(_LEGS, after, up_to)
    return [
        WrittenJournal(number, [WrittenLeg(*row[1:]) for row in legs]) for number, legs in groupby(rows, itemgetter(0))
    ]
