"""What finance posts by hand: one proposes legs or a reversal and why, another approves, and only then it is booked.

A proposal is rehearsed: what could not be posted now is refused at once, with the reason, and leaves no trace. The
journal carries both people, by their staff ids, and the reason.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import text

from core import four_eyes
from core.database import Tx
from core.errors import Conflict, InvalidInput
from core.four_eyes import Proposal
from ledger import chart
from ledger.chart import Account, Family
from ledger.errors import AlreadyReversed
from ledger.service import Leg, Posted, post, reverse

# Of the proposals, and of the journals that come of them.
POSTING, REVERSAL = "manual_posting", "manual_reversal"

_OPENED = text("SELECT EXISTS (SELECT FROM account WHERE code = :code)")
_REVERSED = text("SELECT EXISTS (SELECT FROM posting WHERE reverses = :journal)")
_TOUCHED = text("""
SELECT DISTINCT code FROM entry JOIN account ON account.id = account_id WHERE journal_id = :journal ORDER BY code
""")


class UnknownAccount(InvalidInput):
    """No account of this code has been opened, and none can be from here."""

    text_key = "error.unknown_account"


class NotByHand(Conflict):
    """Another record says how much must be in this account: finance changes that one, and the account follows."""

    text_key = "error.not_by_hand"


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """`amount` minor units from the credited to the debited account, both by their codes."""

    debit: str
    credit: str
    amount: int


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be posted. `moving_on`: into the open period, should that of `effective_at` be closed."""

    lines: Sequence[Line]
    effective_at: datetime | None = None
    moving_on: bool = False


# ---- proposing -------------------------------------------------------------------------------------------


async def propose(tx: Tx, *, wish: Wish, reason: str, by: UUID) -> Proposal:
    """Put a journal before another finance user.

    Raises UnknownAccount, NotByHand, AlreadyProposed, InvalidInput, and whatever `ledger.service.post` would now.
    """
    made = await four_eyes.propose(
        tx, kind=POSTING, subject=_subject(wish), details=msgspec.to_builtins(wish), reason=reason, by=by
    )
    await _rehearse(tx, made)
    return made


async def propose_reversal(tx: Tx, *, journal_id: int, reason: str, by: UUID) -> Proposal:
    """Put the reversal of a journal before another finance user.

    Raises NotByHand, AlreadyProposed, InvalidInput, and whatever `ledger.service.reverse` would now.
    """
    subject = str(journal_id)
    made = await four_eyes.propose(tx, kind=REVERSAL, subject=subject, details={}, reason=reason, by=by)
    await _rehearse(tx, made)
    return made


class _Rehearsed(Exception):
    """Takes a rehearsal back."""


async def _rehearse(tx: Tx, proposal: Proposal) -> None:
    """Post it, and undo that: nothing knows better than the books themselves what they would refuse."""
    try:
        async with tx.attempt():
            await carry_out(tx, proposal)
            raise _Rehearsed
    except _Rehearsed:
        return


def _subject(wish: Wish) -> str:
    """Two open proposals of the same lines are one too many."""
    return hashlib.sha256(msgspec.json.encode(wish.lines)).hexdigest()


# ---- carrying out ----------------------------------------------------------------------------------------


async def carry_out(tx: Tx, approved: Proposal) -> Posted:
    """Post what was agreed, as the last act of the transaction that approves it. Raises as proposing it does."""
    if approved.kind == REVERSAL:
        return await _reverse(tx, approved)
    wish = msgspec.convert(approved.details, Wish)
    return await post(
        tx,
        key=_key(approved.id),
        kind=POSTING,
        legs=[Leg(await _account(tx, x.debit), await _account(tx, x.credit), x.amount) for x in wish.lines],
        effective_at=wish.effective_at,
        actor=_actor(approved),
        metadata=_about(approved),
        moving_on=wish.moving_on,
    )


async def _reverse(tx: Tx, approved: Proposal) -> Posted:
    journal_id = int(approved.subject)
    for row in await tx.all(_TOUCHED, {"journal": journal_id}):
        _by_hand(row.code)
    if await tx.value(_REVERSED, {"journal": journal_id}):  # the books refuse it too, but the money may be gone first
        raise AlreadyReversed()
    return await reverse(
        tx,
        journal_id=journal_id,
        key=_key(approved.id),
        kind=REVERSAL,
        actor=_actor(approved),
        metadata=_about(approved),
    )


async def _account(tx: Tx, code: str) -> Account:
    """One of ours, or one that somebody has already: a mistyped id must not open another."""
    family = _by_hand(code)
    if family.owned and not await tx.value(_OPENED, {"code": code}):
        raise UnknownAccount(account=code)
    return family.called(code)


def _by_hand(code: str) -> Family:
    family = chart.family(code)
    if family is None:
        raise UnknownAccount(account=code)
    if not family.by_hand:
        raise NotByHand(account=code)
    return family


def _key(proposal_id: UUID) -> str:
    return f"proposal:{proposal_id}"


def _actor(approved: Proposal) -> str:
    return f"staff:{approved.proposed_by}"


def _about(approved: Proposal) -> dict[str, str]:
    """Staff ids, never names: the journal stays for ever."""
    return {"reason": approved.reason, "approved_by": f"staff:{approved.decided_by}"}
