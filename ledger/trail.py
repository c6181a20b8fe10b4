"""The audit trail of what finance does by hand: who wanted what and why, who decided, and what was booked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import text

from core.database import Tx
from ledger.manual import POSTING, REVERSAL, Wish
from ledger.periods import REOPENING
from ledger.rendering import Column, Row, Table

_TRAIL = text("""
SELECT proposal.id, proposal.kind, subject, details, reason, proposed_by, proposed_at, state, decided_by, decided_at,
       journal.id AS journal_id
FROM proposal LEFT JOIN journal ON journal.key = 'proposal:' || proposal.id
WHERE proposal.kind = ANY(:kinds) AND proposed_at >= :since AND proposed_at < :until
ORDER BY proposed_at, proposal.id
""")


class Deed(Struct, frozen=True):
    """One line of the trail; `what` are the legs, or the journal or the period that it is about."""

    id: UUID
    kind: str
    what: list[str]
    reason: str
    proposed_by: UUID
    proposed_at: datetime
    state: str
    decided_by: UUID | None
    decided_at: datetime | None
    journal_id: int | None


async def trail(tx: Tx, *, since: datetime, until: datetime) -> list[Deed]:
    """Everything proposed from `since` to before `until`, whatever became of it, the oldest first."""
    rows = await tx.all(_TRAIL, {"kinds": [POSTING, REVERSAL, REOPENING], "since": since, "until": until})
    return [msgspec.convert({**row._mapping, "what": _what(**row._mapping)}, Deed) for row in rows]


def _what(*, kind: str, subject: str, details: dict[str, object], **_: object) -> list[str]:
    if kind != POSTING:
        return [subject]
    lines = msgspec.convert(details, Wish).lines
    return [f"{line.debit} < {line.credit} {line.amount}" for line in lines]


def trail_table(deeds: Sequence[Deed], *, names: Mapping[UUID, str], since: datetime, until: datetime) -> Table:
    """The trail for `rendering.render`. `names`: what staff are called; the ledger knows only their ids."""
    return Table(
        name="audit_trail",
        facts={"since": since, "until": until},
        columns=(
            Column("proposed_at"),
            Column("proposed_by"),
            Column("deed", words=True),
            Column("what"),
            Column("reason"),
            Column("state", words=True),
            Column("decided_by"),
            Column("decided_at"),
            Column("journal", number=True),
        ),
        rows=[_row(deed, names) for deed in deeds],
    )


def _row(deed: Deed, names: Mapping[UUID, str]) -> Row:
    proposed = (deed.proposed_at, _name(deed.proposed_by, names))
    what = (deed.kind, "; ".join(deed.what), deed.reason, deed.state)
    return (*proposed, *what, _name(deed.decided_by, names), deed.decided_at, deed.journal_id)


def _name(staff_id: UUID | None, names: Mapping[UUID, str]) -> str | None:
    return None if staff_id is None else names.get(staff_id, str(staff_id))
