"""What two finance users decide where no provider will: payouts of unknown fate, and attempts left to a person.

A ruling on an attempt that nothing is booked for is treated as the provider's last word would be, so it takes the
same road through `settlement`. A ruling on money that did not fit moves it out of suspense, in a journal of its own.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, DateTime, ForeignKey, Row, Table, Text, Uuid, and_, insert, or_, select, update

from core import four_eyes
from core.database import Tx, metadata
from core.errors import Conflict, InvalidInput, NotFound
from core.four_eyes import Proposal
from ledger.chart import GOODWILL, SUSPENSE_MISMATCH, SUSPENSE_SURPLUS, SUSPENSE_UNMATCHED, Account
from ledger.service import Leg, post
from payments import attempts, holders, journals, reversals, service
from payments.attempts import Case
from payments.outcomes import Outcomes
from payments.providers.protocol import Provider, Record, Word
from payments.settlement import SURPLUS, Settlement
from payments.states import Failure, Kind, PaymentState, State
from payments.tables import attempt, payment, reversal

KIND = "attempt"  # of the proposals


class Ruling(StrEnum):
    """What people say became of an attempt, or shall become of its money."""

    # a payout that waits because its account is under another name than before
    TRUST = "trust"  # that is right: send it
    REFUSE = "refuse"  # it is not, or nobody knows: send nothing, its money is owed again
    # nothing is booked yet
    PAID = "paid"  # the money moved: seen at the provider, or confirmed by the payee
    UNPAID = "unpaid"  # it certainly did not; also of a payout that the provider took back: it is owed again
    # a collection that does not fit, in suspense:mismatch
    RETURN = "return"  # back to the phone that was asked
    RETURNED = "returned"  # somebody has sent it back at the provider: that movement is in suspense:unmatched
    KEEP = "keep"  # its payer has as much back already, of money that was then reversed; what is more goes back
    # a payout that does not fit, owed to suspense:mismatch
    ACCEPT = "accept"  # what arrived settles it; the rest is owed again, what is too much is our loss
    ABSORB = "absorb"  # it reached nobody it was meant for, or reached them twice, or was taken back: our affair
    RECOVER = "recover"  # the payee keeps it, or the payer has it back: their account with us bears it


class NotForPeople(Conflict):
    """The attempt is not one for people, or not with this ruling; `rulings` are those that it is open to."""

    text_key = "error.not_for_people"


class TooEarly(Conflict):
    """The provider may still tell: people decide `hours` after sending."""

    text_key = "error.decided_too_early"


class ProviderNotNamed(Conflict):
    """The fee is by the rates of `provider`, which PAYMENT_PROVIDERS does not name any more."""

    text_key = "error.provider_not_named"


# An attempt is in REVIEW for ever; this is what closed the case.
review_closed = Table(
    "review_closed",
    metadata,
    Column("attempt_id", Uuid, ForeignKey("attempt.id"), primary_key=True),  # booked money is ruled on once
    Column("proposal_id", Uuid, ForeignKey("proposal.id"), nullable=False, unique=True),
    Column("ruling", Text, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
)


_REVERSAL = select(reversal.c.id).where(reversal.c.attempt_id == attempt.c.id, reversal.c.closed_at.is_(None))
_CLOSED = select(review_closed.c.ruling).where(review_closed.c.attempt_id == attempt.c.id)
_KNOWN = select(
    attempt,
    payment.c.state.label("payment_state"),
    payment.c.account,
    _REVERSAL.scalar_subquery().label("reversal_id"),
    _CLOSED.scalar_subquery().label("ruled"),
).join_from(attempt, payment)


class _Facts(msgspec.Struct, frozen=True):
    """What decides how people may rule. `account`: where the payment's money comes from or goes to.

    `ruled`: what they have ruled on money that did not fit.
    """

    kind: Kind
    state: State
    evidence: str | None
    booked: bool
    reversed_: bool
    ruled: Ruling | None
    payment_state: PaymentState
    account: Account


class _Question(msgspec.Struct, frozen=True):
    """A case before people, what was booked for it, and its reversal that nobody has closed."""

    case: Case
    received_xaf: int
    reversal_id: UUID | None
    undone: bool  # it did not fit, and was taken back before anybody had ruled on it
    kept_xaf: int  # what KEEP keeps


class Waiting(msgspec.Struct, frozen=True):
    """An attempt that waits for people, and how they may rule."""

    attempt_id: UUID
    payment_id: UUID
    kind: Kind
    provider: str
    carrier: str
    state: State
    evidence: str | None
    amount_xaf: int
    received_xaf: int | None
    sent_at: datetime | None
    rulings: list[Ruling]


async def waiting(tx: Tx) -> list[Waiting]:
    """Every attempt that only people can end, the oldest first."""
    patient_since = tx.now - timedelta(hours=tx.settings.unknown_payout_hours)
    unknown = attempt.c.state == State.UNKNOWN, attempt.c.kind != Kind.COLLECT, attempt.c.sent_at <= patient_since
    renamed = attempt.c.state == State.PREPARED, attempt.c.evidence == holders.CHANGED
    left = attempt.c.state == State.REVIEW, attempt.c.id.not_in(select(review_closed.c.attempt_id))
    undone = attempt.c.id.in_(select(reversal.c.attempt_id).where(reversal.c.closed_at.is_(None)))
    wanted = _KNOWN.where(or_(and_(*unknown), and_(*renamed), and_(*left), undone))
    return [_waiting(row) for row in await tx.all(wanted.order_by(attempt.c.created_at))]


def _waiting(row: Row[Any]) -> Waiting:
    known = _facts(row)
    read = {"attempt_id": row.id, "kind": known.kind, "state": known.state, "rulings": sorted(_open_to(known))}
    names = set(Waiting.__struct_fields__) - read.keys()
    return Waiting(**read, **{name: row._mapping[name] for name in names})


async def propose(
    tx: Tx, *, attempt_id: UUID, ruling: Ruling, reason: str, by: UUID, amount_xaf: int | None = None
) -> Proposal:
    """Put a ruling before another finance user. `amount_xaf`: what moved, by default what was asked for.

    Raises NotForPeople, TooEarly, ProviderNotNamed, NotFound, AlreadyProposed, InvalidInput.
    """
    question = await _question(tx, attempt_id, ruling)
    if amount_xaf is not None and (ruling is not Ruling.PAID or amount_xaf <= 0):
        raise InvalidInput(field="amount_xaf")
    moved_xaf = amount_xaf or question.case.payment.amount_xaf
    details = {"ruling": ruling, **({"amount_xaf": moved_xaf} if ruling is Ruling.PAID else {})}
    return await four_eyes.propose(tx, kind=KIND, subject=str(attempt_id), details=details, reason=reason, by=by)


class Decisions:
    """Carries out what was approved. `providers` are only asked for their rates: nothing here talks to them."""

    def __init__(self, outcomes: Outcomes, providers: Sequence[Provider]) -> None:
        self._outcomes = outcomes
        self._settlement = Settlement(outcomes)
        self._providers = {provider.capabilities.name: provider for provider in providers}

    async def carry_out(self, tx: Tx, approved: Proposal) -> None:
        """Do it, in the transaction that approves it. Raises NotForPeople when it has settled itself meanwhile."""
        ruling = Ruling(approved.details["ruling"])
        question = await _question(tx, UUID(approved.subject), ruling)
        case = question.case
        if question.undone:
            await self._close_undone(tx, question, approved)
        elif question.reversal_id is not None:
            if ruling is Ruling.UNPAID and case.payment.purpose == SURPLUS:
                await self._settlement.unreturned(tx, case.payment, question.received_xaf)
            await reversals.close(tx, reversal_id=question.reversal_id, absorb=ruling is Ruling.ABSORB)
        elif ruling is Ruling.PAID:
            await _close_collection(tx, case)
            record = as_told(case, approved.details["amount_xaf"])
            await self._settlement.succeeded(tx, case, record, self._provider(case), evidence="DECIDED PAID")
        elif ruling is Ruling.TRUST:
            await holders.trust(tx, case)
        elif ruling is Ruling.REFUSE:
            await self._settlement.failed(tx, case, State.DEAD, Failure.WRONG_NUMBER, "NOT_SENT HOLDER")
        elif ruling is Ruling.UNPAID:
            await self._settlement.failed(tx, case, State.FAILED, Failure.UNSTATED, "DECIDED UNPAID")
        else:
            await _close_review(tx, case, approved)
            await self._move_out_of_suspense(tx, question, ruling)

    def _provider(self, case: Case) -> Provider:
        provider = self._providers.get(case.attempt.provider)
        if provider is None:
            raise ProviderNotNamed(provider=case.attempt.provider)
        return provider

    async def _close_undone(self, tx: Tx, question: _Question, approved: Proposal) -> None:
        """Its two entries in suspense:mismatch cancel: nobody bears anything, and what was set aside is owed again."""
        case = question.case
        ended = update(reversal).where(reversal.c.id == question.reversal_id).values(closed_at=tx.now)
        await tx.run(ended)
        await _close_review(tx, case, approved)
        await _close_collection(tx, case)
        await self._owe_again(tx, case)

    async def _owe_again(self, tx: Tx, case: Case) -> None:
        """The money of a payout that waited for people is no longer set aside for it."""
        if case.payment.kind is not Kind.COLLECT and case.payment.state is PaymentState.REVIEW:
            await self._settlement.conclude(tx, case, Failure.UNSTATED)

    async def _move_out_of_suspense(self, tx: Tx, question: _Question, ruling: Ruling) -> None:
        case, moved_xaf = question.case, question.received_xaf
        if ruling in (Ruling.RETURN, Ruling.KEEP):
            await self._give_back(tx, question, ruling)
        elif ruling is Ruling.RETURNED:
            await _close_collection(tx, case)
            await _post(tx, case, ruling, [Leg(SUSPENSE_MISMATCH, SUSPENSE_UNMATCHED, moved_xaf)])
        elif ruling is Ruling.RECOVER:
            await _post(tx, case, ruling, [Leg(case.account, SUSPENSE_MISMATCH, moved_xaf)])
        elif ruling is Ruling.ACCEPT:
            await self._accept(tx, case, moved_xaf)
        else:
            await self._absorb(tx, case, moved_xaf)

    async def _give_back(self, tx: Tx, question: _Question, ruling: Ruling) -> None:
        """What is not kept: from one suspense to the other, and out to the phone as any surplus."""
        case, kept_xaf = question.case, question.kept_xaf
        back_xaf = question.received_xaf - kept_xaf
        await _close_collection(tx, case)
        legs = [Leg(SUSPENSE_MISMATCH, SUSPENSE_SURPLUS, back_xaf), Leg(SUSPENSE_MISMATCH, GOODWILL, kept_xaf)]
        await _post(tx, case, ruling, legs)
        if back_xaf:
            await self._settlement.give_back(tx, case, back_xaf)

    async def _accept(self, tx: Tx, case: Case, moved_xaf: int) -> None:
        owed = await attempts.close(tx, case.payment, PaymentState.PAID)
        await self._outcomes.payout_done(tx, msgspec.structs.replace(owed, amount_xaf=moved_xaf))
        resting, asked_xaf = await journals.resting(tx, case), case.payment.amount_xaf
        rest_xaf = max(0, asked_xaf - moved_xaf)
        if rest_xaf and case.payment.purpose == SURPLUS:
            await self._settlement.unreturned(tx, case.payment, rest_xaf)
        legs = [
            Leg(resting, SUSPENSE_MISMATCH, min(asked_xaf, moved_xaf)),
            Leg(resting, case.account, rest_xaf),
            Leg(GOODWILL, SUSPENSE_MISMATCH, max(0, moved_xaf - asked_xaf)),
        ]
        await _post(tx, case, Ruling.ACCEPT, legs)

    async def _absorb(self, tx: Tx, case: Case, moved_xaf: int) -> None:
        await self._owe_again(tx, case)
        await _post(tx, case, Ruling.ABSORB, [Leg(GOODWILL, SUSPENSE_MISMATCH, moved_xaf)])


async def _question(tx: Tx, attempt_id: UUID, ruling: Ruling) -> _Question:
    """The case, locked, if it is open to `ruling`. Raises NotFound, NotForPeople, TooEarly, ProviderNotNamed."""
    case = await attempts.lock(tx, attempt_id)
    if case is None:
        raise NotFound()
    known = await tx.one(_KNOWN.where(attempt.c.id == attempt_id))
    facts = _facts(known)
    rulings = _open_to(facts)
    if ruling not in rulings:
        raise NotForPeople(rulings=", ".join(sorted(rulings)) or "-")
    if ruling is Ruling.PAID and case.attempt.provider not in tx.settings.payment_providers:
        raise ProviderNotNamed(provider=case.attempt.provider)
    if case.attempt.state is State.UNKNOWN:
        _be_patient(tx, case)
    received_xaf = known.received_xaf or 0
    kept_xaf = await _returned_already(tx, case, received_xaf) if ruling is Ruling.KEEP else 0
    return _Question(case, received_xaf, known.reversal_id, _is_undone(facts), kept_xaf)


async def _returned_already(tx: Tx, case: Case, received_xaf: int) -> int:
    """How much of what came its payer has back already. Raises NotForPeople when that is nothing."""
    kept_xaf = received_xaf - max(0, await service.refundable(tx, payment_id=case.payment.id))
    if kept_xaf <= 0:
        raise NotForPeople(rulings=f"{Ruling.RETURN}, {Ruling.RETURNED}")
    return kept_xaf


def _is_undone(known: _Facts) -> bool:
    return known.reversed_ and known.state is State.REVIEW and known.ruled is None


async def _close_review(tx: Tx, case: Case, approved: Proposal) -> None:
    closed = {"attempt_id": case.attempt.id, "proposal_id": approved.id, "closed_at": tx.now}
    await tx.run(insert(review_closed).values(**closed, ruling=approved.details["ruling"]))


def _open_to(known: _Facts) -> frozenset[Ruling]:
    """What people may rule, by what is known and booked."""
    pays_out = known.kind is not Kind.COLLECT
    if _is_undone(known):
        return frozenset({Ruling.UNPAID})
    if known.reversed_:
        ours = known.ruled is Ruling.ABSORB or (known.ruled and not pays_out)  # nobody else's account has borne it
        others = frozenset[Ruling]() if ours else frozenset({Ruling.UNPAID if pays_out else Ruling.RECOVER})
        return others | {Ruling.ABSORB}
    if known.state is State.PREPARED and known.evidence == holders.CHANGED:
        return frozenset({Ruling.TRUST, Ruling.REFUSE})
    if not known.booked:
        for_people = known.state is State.REVIEW or (known.state is State.UNKNOWN and pays_out)
        return frozenset({Ruling.PAID, Ruling.UNPAID}) if for_people else frozenset()
    if known.ruled or known.state is not State.REVIEW:
        return frozenset()
    if not pays_out:
        return frozenset({Ruling.RETURN, Ruling.RETURNED, Ruling.KEEP})
    if known.payment_state is PaymentState.REVIEW:
        return frozenset({Ruling.ACCEPT, Ruling.ABSORB})
    return frozenset({Ruling.ABSORB} if known.account == SUSPENSE_SURPLUS else {Ruling.ABSORB, Ruling.RECOVER})


def _facts(row: Row[Any]) -> _Facts:
    return _Facts(
        kind=Kind(row.kind),
        state=State(row.state),
        evidence=row.evidence,
        booked=row.settled_at is not None,
        reversed_=row.reversal_id is not None,
        ruled=Ruling(row.ruled) if row.ruled else None,
        payment_state=PaymentState(row.payment_state),
        account=msgspec.convert(row.account, Account),
    )


def _be_patient(tx: Tx, case: Case) -> None:
    hours = tx.settings.unknown_payout_hours
    if case.attempt.sent_at is None or tx.now < case.attempt.sent_at + timedelta(hours=hours):
        raise TooEarly(hours=hours)


def as_told(case: Case, amount_xaf: int) -> Record:
    """What people have established, in the provider's words."""
    return Record(
        ref=case.attempt.provider_ref or "",
        word=Word.SUCCESSFUL,
        our_id=str(case.attempt.id),
        collects=case.payment.kind is Kind.COLLECT,
        amount=Decimal(amount_xaf),
        net=None,
        currency="XAF",
        phone=case.payment.phone,
        carrier=case.attempt.carrier,
        failure=None,
    )


async def _close_collection(tx: Tx, case: Case) -> None:
    """Nobody waits for it any more: what it was for has expired long ago."""
    if case.payment.kind is Kind.COLLECT and case.payment.state is PaymentState.REVIEW:
        await attempts.close(tx, case.payment, PaymentState.CANCELLED)


async def _post(tx: Tx, case: Case, ruling: Ruling, legs: Sequence[Leg]) -> None:
    """The journal of a ruling; none where nothing moved (money in a currency that is not ours)."""
    moving = [leg for leg in legs if leg.amount]
    about = {"payment": str(case.payment.id), "attempt": str(case.attempt.id), "ruling": str(ruling)}
    if moving:
        await post(tx, key=f"attempt:{case.attempt.id}:ruled", kind=f"review_{ruling}", legs=moving, metadata=about)
