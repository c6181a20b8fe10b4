"""Four eyes (D27): what one person proposes, another approves, and it happens once.

    async with database.transaction() as tx:
        await approvals.approve(tx, proposal_id=proposal_id, by=staff_id)

Approving and doing are one transaction: if the deed is refused, the proposal stays open. What a kind means is said
where `Approvals` is put together; here is only who said what, and when.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import CheckConstraint, Column, DateTime, Index, Row, Table, Text, Uuid, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from core.database import Tx, metadata
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from core.ids import new_id

REASON_LENGTH = 200


class State(StrEnum):
    """What became of a proposal. Only an open one can become anything."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # refused by the very person who proposed it


proposal = Table(
    "proposal",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),  # what it is about: an attempt, a payout, a journal's key
    Column("details", JSONB, nullable=False),  # what is to be done; no personal data
    Column("reason", Text, nullable=False),
    Column("proposed_by", Uuid, nullable=False),  # a staff user; this room knows no people
    Column("proposed_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_by", Uuid),
    Column("decided_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('open', 'approved', 'rejected', 'withdrawn')", name="state"),
    CheckConstraint("state <> 'approved' OR decided_by <> proposed_by", name="four_eyes"),
    CheckConstraint(
        "(state = 'open') = (decided_by IS NULL) AND (state = 'open') = (decided_at IS NULL)", name="decided"
    ),
    CheckConstraint(f"length(reason) BETWEEN 1 AND {REASON_LENGTH}", name="reason"),
    # One open question about a thing: two people must not approve two answers to it.
    Index("uq_proposal_open", "kind", "subject", unique=True, postgresql_where=text("state = 'open'")),
)


class SelfApproval(Forbidden):
    """Whoever proposed it may not approve it."""

    text_key = "error.self_approval"


class AlreadyDecided(Conflict):
    """The proposal is `state` already; it happened then, or will never."""

    text_key = "error.already_decided"


class AlreadyProposed(Conflict):
    """Another proposal of this kind about the same thing is still open."""

    text_key = "error.already_proposed"


class Proposal(msgspec.Struct, frozen=True):
    """What somebody wants done, and who agreed."""

    id: UUID
    kind: str
    subject: str
    details: dict[str, Any]
    reason: str
    proposed_by: UUID
    proposed_at: datetime
    state: State
    decided_by: UUID | None
    decided_at: datetime | None


Deed: TypeAlias = Callable[[Tx, Proposal], Awaitable[object]]


class Approvals(msgspec.Struct, frozen=True):
    """What is done for each kind of proposal once a second person has agreed."""

    deeds: Mapping[str, Deed]

    async def approve(self, tx: Tx, *, proposal_id: UUID, by: UUID) -> Proposal:
        """Agree and do it, both or neither. Raises what `approve` raises, and what the deed does."""
        agreed = await approve(tx, proposal_id=proposal_id, by=by)
        await self.deeds[agreed.kind](tx, agreed)
        return agreed


async def propose(tx: Tx, *, kind: str, subject: str, details: dict[str, Any], reason: str, by: UUID) -> Proposal:
    """Put `details` before another person. Raises AlreadyProposed, InvalidInput for a reason empty or too long."""
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_LENGTH:
        raise InvalidInput(field="reason")
    row = {"id": new_id(), "kind": kind, "subject": subject, "details": details, "reason": reason}
    fresh = insert(proposal).values(**row, proposed_by=by, proposed_at=tx.now, state=State.OPEN)
    made = await tx.first(fresh.on_conflict_do_nothing().returning(proposal))
    if made is None:
        raise AlreadyProposed()
    return _proposal(made)


async def approve(tx: Tx, *, proposal_id: UUID, by: UUID) -> Proposal:
    """Agree, and do what it says in this same transaction.

    Raises SelfApproval, AlreadyDecided (also for whoever comes second at the same moment), NotFound.
    """
    found = await _open(tx, proposal_id)
    if found.proposed_by == by:
        raise SelfApproval()
    return await _decide(tx, found, State.APPROVED, by)


async def reject(tx: Tx, *, proposal_id: UUID, by: UUID) -> Proposal:
    """Refuse, or withdraw what one proposed oneself. Raises AlreadyDecided, NotFound."""
    found = await _open(tx, proposal_id)
    return await _decide(tx, found, State.WITHDRAWN if found.proposed_by == by else State.REJECTED, by)


async def open_proposals(tx: Tx, *, kind: str | None = None) -> list[Proposal]:
    """What waits for a second person, the oldest first; of one kind, or all."""
    waiting = select(proposal).where(proposal.c.state == State.OPEN).order_by(proposal.c.proposed_at, proposal.c.id)
    return _proposals(await tx.all(waiting if kind is None else waiting.where(proposal.c.kind == kind)))


async def about(tx: Tx, *, subject: str) -> list[Proposal]:
    """Everything that was ever proposed about `subject`, the oldest first."""
    named = select(proposal).where(proposal.c.subject == subject)
    return _proposals(await tx.all(named.order_by(proposal.c.proposed_at, proposal.c.id)))


async def _open(tx: Tx, proposal_id: UUID) -> Proposal:
    """The proposal, locked. Raises NotFound, AlreadyDecided."""
    row = await tx.first(select(proposal).where(proposal.c.id == proposal_id).with_for_update())
    if row is None:
        raise NotFound()
    if row.state != State.OPEN:
        raise AlreadyDecided(state=row.state)
    return _proposal(row)


async def _decide(tx: Tx, found: Proposal, state: State, by: UUID) -> Proposal:
    decided = {"state": state, "decided_by": by, "decided_at": tx.now}
    await tx.run(update(proposal).where(proposal.c.id == found.id).values(**decided))
    return msgspec.structs.replace(found, **decided)


def _proposals(rows: Sequence[Row[Any]]) -> list[Proposal]:
    return [_proposal(row) for row in rows]


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(**{**row._mapping, "state": State(row.state)})
