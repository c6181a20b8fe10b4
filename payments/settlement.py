"""What becomes of an attempt, and of the payment behind it: one transaction per fact, its journal last.

Every method gets a `Case` whose rows are locked. It takes a step of the table in `states`, or does nothing:
whoever comes second, a poller, a callback or a late answer, finds the step taken.
"""

from datetime import datetime, timedelta
from math import ceil

from msgspec import structs
from sqlalchemy import select

from core.database import Tx
from core.errors import GatewayError
from core.logs import logger
from ledger.chart import SUSPENSE_MISMATCH, SUSPENSE_SURPLUS
from payments import attempts, failover, journals, reversals, service
from payments.attempts import Case
from payments.errors import AmountOutOfLimits, UnsupportedCarrier
from payments.journals import Movement
from payments.outcomes import Handler, Outcomes, Payment
from payments.providers.protocol import Answer, Proof, Provider, Record, Word
from payments.schedule import ABSENT_AFTER, ABSENT_TIMES, exhausted, next_read
from payments.states import LIVE, Failure, Kind, PaymentState, State
from payments.tables import attempt

# A success whose amount nobody told: the provider's later word against it is for a person.
_NO_AMOUNT = "NO_AMOUNT"

# The purpose of a refund that nobody asked for: money that came late or twice goes back by itself.
SURPLUS = "surplus"

# Where a look-up's "nothing here" may end an attempt: in every other state more is known.
_MAY_BE_ABSENT = (State.UNKNOWN, State.QUARANTINED, State.REVIEW)

log = logger(__name__)


class Settlement:
    """Applies what is learned about attempts, and tells the house through its handlers."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    # -- what is learned

    async def answered(self, tx: Tx, case: Case, answer: Answer) -> None:
        """The provider answered a request for money. It may come late: then a reference is still welcome."""
        if answer.proof is Proof.ACCEPTED:
            await _accepted(tx, case, answer)
        elif case.attempt.provider_ref is not None:
            log.warning("payments.contradiction", attempt=str(case.attempt.id), answer=answer.detail)
        elif answer.proof is Proof.UNKNOWN:
            await self.lost(tx, case, f"UNKNOWN {answer.detail}")
        else:
            to = State.FAILED if answer.proof is Proof.REFUSED else State.DEAD
            await self.failed(tx, case, to, answer.failure or Failure.UNSTATED, f"{answer.proof} {answer.detail}")

    async def lost(self, tx: Tx, case: Case, evidence: str) -> None:
        """Nobody can say whether the request had its effect: it is never sent again, only read."""
        pays_out = case.payment.kind is not Kind.COLLECT and case.payment.state is PaymentState.OPEN
        changes = {"evidence": evidence, "in_transit": pays_out, "next_check_at": _first_read(tx, case)}
        if pays_out:
            changes["deadline"] = tx.now + timedelta(hours=tx.settings.unknown_payout_hours)
        moved = await attempts.move(tx, case, State.UNKNOWN, **changes)
        if moved is not None and pays_out:
            await journals.into_transit(tx, moved)

    async def read(self, tx: Tx, case: Case, record: Record, provider: Provider) -> None:
        """The provider shows the movement behind this attempt."""
        if case.attempt.provider_ref is None:
            case = await attempts.note(tx, case, provider_ref=record.ref)
        if case.attempt.settled_at is not None and record.word is not Word.PENDING:
            await _rest(tx, case)
            if record.word is Word.FAILED:
                await reversals.record(tx, case)
        elif record.word is Word.SUCCESSFUL:
            await self.succeeded(tx, case, record, provider)
        elif record.word is Word.FAILED and case.attempt.evidence != _NO_AMOUNT:
            await self.failed(tx, case, State.FAILED, record.failure or Failure.UNSTATED, "READ FAILED")
            await _rest(tx, case)
        else:
            pending = await attempts.move(tx, case, State.PENDING, evidence="READ PENDING")
            await self.undecided(tx, pending or case)

    async def absent(self, tx: Tx, case: Case) -> None:
        """The provider holds nothing under our id: certain when it says so again, late enough (rule 7)."""
        tried = case.attempt
        if tried.provider_ref is not None or tried.sent_at is None or tried.state not in _MAY_BE_ABSENT:
            await self.undecided(tx, case)
            return
        case = await attempts.note(tx, case, absences=tried.absences + 1)
        if case.attempt.absences >= ABSENT_TIMES and tx.now >= tried.sent_at + ABSENT_AFTER:
            await self.failed(tx, case, State.DEAD, Failure.TECHNICAL, "ABSENT")
        else:
            await self.undecided(tx, case)

    async def undecided(self, tx: Tx, case: Case) -> None:
        """A look that settled nothing: a deadline has its consequence, and after a week nobody looks any more."""
        tried = case.attempt
        overdue = tried.deadline is not None and tx.now >= tried.deadline
        if overdue and case.payment.kind is Kind.COLLECT and tried.state in (State.PENDING, State.UNKNOWN):
            await attempts.move(tx, case, State.QUARANTINED)
            await self._close_undecided(tx, case, PaymentState.EXPIRED)
        elif overdue and tried.state is State.UNKNOWN:  # a payout: two finance users decide, while the reads go on
            await attempts.move(tx, case, State.REVIEW)
            await self._close_undecided(tx, case, PaymentState.REVIEW)
        elif exhausted(tried.reads) and (tried.state is State.REVIEW or tried.settled_at is not None):
            await attempts.note(tx, case, next_check_at=None)
        elif exhausted(tried.reads):
            silent = await attempts.move(tx, case, State.REVIEW, evidence="SILENT", next_check_at=None)
            if silent and tried.state in LIVE:
                await self._close_undecided(tx, case, PaymentState.REVIEW)

    async def failed(self, tx: Tx, case: Case, to: State, failure: Failure, evidence: str) -> None:
        """The attempt certainly moved no money: try once more where that is safe, else tell the house."""
        moved = await attempts.move(tx, case, to, failure=failure, evidence=evidence, next_check_at=None)
        if moved is None or await _another_is_live(tx, moved):
            return
        if not _waits(case):
            if case.payment.state is PaymentState.REVIEW:  # its customer was told long ago
                await attempts.close(tx, case.payment, PaymentState.FAILED, failure)
            return
        is_open = case.payment.state is PaymentState.OPEN
        again = await failover.next_attempt(tx, moved, failure) if is_open else None
        if again is None:
            await self.conclude(tx, moved, failure)
        else:
            deadline = moved.attempt.deadline
            await attempts.prepare(tx, moved.payment, provider=again.provider, at=again.at, deadline=deadline)

    # -- what follows from it

    async def conclude(self, tx: Tx, case: Case, failure: Failure) -> None:
        """The payment came to nothing; a payout's money goes back to where it was taken from."""
        owed = await attempts.close(tx, case.payment, PaymentState.FAILED, failure)
        if owed.kind is Kind.COLLECT:
            await self._tell(tx, self._outcomes.failed, owed)
            return
        if owed.purpose == SURPLUS:
            await self.unreturned(tx, owed, owed.amount_xaf)
        else:
            await self._tell(tx, self._outcomes.payout_done, owed)
        await journals.put_back(tx, case)

    async def unreturned(self, tx: Tx, refund: Payment, amount_xaf: int) -> None:
        """So much of a surplus has not reached its payer's phone: it is for the wallet."""
        collected = await attempts.returned_by(tx, refund)
        await self._tell(tx, self._outcomes.surplus, structs.replace(collected, amount_xaf=amount_xaf))

    async def _close_undecided(self, tx: Tx, case: Case, to: PaymentState) -> None:
        """Stop waiting for an open payment; whoever waits for a collection is told.

        An attempt that was released closes nothing: the payment is open for the prompt that came after it.
        """
        if case.payment.state is not PaymentState.OPEN or case.attempt.released_at is not None:
            return
        owed = await attempts.close(tx, case.payment, to)
        if owed.kind is Kind.COLLECT:
            await self._tell(tx, self._outcomes.expired, owed)

    async def succeeded(
        self, tx: Tx, case: Case, record: Record, provider: Provider, evidence: str = "READ SUCCESSFUL"
    ) -> None:
        """Money moved. What does not fit goes to suspense and to a person; nothing is released for it."""
        moved = _movement(case, record, provider)
        if moved is None:
            await self._unmeasured(tx, case)
            return
        is_open = _waits(case)
        fits = _fits(case.payment, record) and (is_open or await _may_go_back(tx, case))
        settled = await attempts.move(
            tx,
            case,
            State.SUCCEEDED if fits else State.REVIEW,
            evidence=evidence,
            carrier=moved.carrier,
            received_xaf=moved.amount_xaf,
            fee_xaf=moved.fee_xaf,
            settled_at=tx.now,
            next_check_at=None,
        )
        if settled is None:
            return
        if not fits:
            await self._mismatched(tx, settled, moved)
        elif case.payment.kind is not Kind.COLLECT:
            await self._paid_out(tx, settled, moved)
        elif is_open:
            await self._collected(tx, settled, moved)
        else:
            await self._send_back(tx, settled, moved)

    async def _unmeasured(self, tx: Tx, case: Case) -> None:
        """Money moved, but nobody says how much: nothing to book. A person is asked, and the reads go on."""
        left = await attempts.move(tx, case, State.REVIEW, evidence=_NO_AMOUNT)
        if left is not None:
            await self._close_undecided(tx, left, PaymentState.REVIEW)
            await self.undecided(tx, left)

    async def _collected(self, tx: Tx, case: Case, moved: Movement) -> None:
        owed = await attempts.close(tx, case.payment, PaymentState.PAID)
        if await self._tell(tx, self._outcomes.paid, owed):
            await journals.money_in(tx, case, moved, kind="collection", credit=case.account)
        else:
            await attempts.close(tx, owed, PaymentState.CANCELLED)
            await self._send_back(tx, case, moved)

    async def _paid_out(self, tx: Tx, case: Case, moved: Movement) -> None:
        owed = await attempts.close(tx, case.payment, PaymentState.PAID)
        await self._tell(tx, self._outcomes.payout_done, owed)
        await journals.money_out(tx, case, moved, kind=owed.kind, debit=await journals.resting(tx, case))

    async def _send_back(self, tx: Tx, case: Case, moved: Movement) -> None:
        """Late or double success: the money waits in suspense while a refund takes it back to the phone."""
        await journals.money_in(tx, case, moved, kind="collection_surplus", credit=SUSPENSE_SURPLUS)
        await self.give_back(tx, case, moved.amount_xaf)

    async def give_back(self, tx: Tx, case: Case, amount_xaf: int) -> None:
        """Out of suspense:surplus to the phone that paid it; to the wallet what no provider would carry there."""
        try:
            await service.request_refund(
                tx,
                purpose=SURPLUS,
                reference=case.payment.reference,
                payment_id=case.payment.id,
                amount_xaf=amount_xaf,
                debit=SUSPENSE_SURPLUS,
                key=f"surplus:{case.attempt.id}",
                attempt_id=case.attempt.id,
            )
        except (UnsupportedCarrier, AmountOutOfLimits):
            await self._tell(tx, self._outcomes.surplus, structs.replace(case.payment, amount_xaf=amount_xaf))

    async def _mismatched(self, tx: Tx, case: Case, moved: Movement) -> None:
        """Another amount, currency or phone, a payout whose money was put back, a surplus that its payer has back."""
        log.error("payments.mismatch", attempt=str(case.attempt.id), received_xaf=moved.amount_xaf)
        await self._close_undecided(tx, case, PaymentState.REVIEW)
        if not moved.amount_xaf:
            return
        if case.payment.kind is Kind.COLLECT:
            await journals.money_in(tx, case, moved, kind="collection_mismatch", credit=SUSPENSE_MISMATCH)
        else:
            await journals.money_out(tx, case, moved, kind=f"{case.payment.kind}_mismatch", debit=SUSPENSE_MISMATCH)

    async def _tell(self, tx: Tx, handler: Handler, owed: Payment) -> bool:
        """Tell the house an outcome; False when it refuses. That undoes only what the handler did: facts stand."""
        try:
            async with tx.attempt():
                await handler(tx, owed)
        except GatewayError as refusal:
            if refusal.retryable:
                raise
            log.error("payments.unwanted", payment=str(owed.id), state=owed.state, refusal=refusal.code)
            return False
        return True


async def _rest(tx: Tx, case: Case) -> None:
    """A callback rang for what had ended, and the provider stands by it: no more reads, unless it rang again."""
    tried = case.attempt
    if tried.state not in LIVE and tried.next_check_at and tried.next_check_at > tx.now:
        await attempts.note(tx, case, next_check_at=None)


def _waits(case: Case) -> bool:
    """Whether the payment still waits for this attempt; a payout left to a person does, its money is set aside."""
    in_review = PaymentState.REVIEW, State.REVIEW
    left = case.payment.kind is not Kind.COLLECT and (case.payment.state, case.attempt.state) == in_review
    return left or case.payment.state is PaymentState.OPEN


async def _accepted(tx: Tx, case: Case, answer: Answer) -> None:
    """The provider has it: PENDING, unless more is known already. Its reference is kept in any case."""
    accepted = {"provider_ref": answer.ref, "evidence": f"ACCEPTED {answer.detail}"}
    moved = await attempts.move(tx, case, State.PENDING, **accepted, next_check_at=_first_read(tx, case))
    if moved is None and case.attempt.provider_ref is None:
        await attempts.note(tx, case, provider_ref=answer.ref)


def _first_read(tx: Tx, case: Case) -> datetime:
    """When to read what was just sent: at once when a callback overtook the answer and rang for it."""
    planned = next_read(0, tx.now)
    return min(planned, case.attempt.next_check_at or planned)


async def _another_is_live(tx: Tx, case: Case) -> bool:
    live = attempt.c.state.in_(LIVE), attempt.c.released_at.is_(None)
    others = attempt.c.payment_id == case.payment.id, attempt.c.id != case.attempt.id
    return await tx.value(select(attempt.c.id).where(*others, *live).limit(1)) is not None


async def _may_go_back(tx: Tx, case: Case) -> bool:
    """Whether what nobody waits for can be returned in full: not where what went back already was then reversed."""
    return case.payment.kind is Kind.COLLECT and await service.refundable(tx, payment_id=case.payment.id) >= 0


def _fits(owed: Payment, record: Record) -> bool:
    """Whether what moved is what was asked for. What the provider leaves out cannot differ, except the amount."""
    same_currency = record.currency in (None, "XAF")
    return record.amount == owed.amount_xaf and same_currency and record.phone in (None, owed.phone)


def _movement(case: Case, record: Record, provider: Provider) -> Movement | None:
    """Whole XAF that moved, and the fee: the provider's figure, else the rate. None when no amount can be read."""
    if record.amount is None:
        return None
    amount_xaf = int(record.amount) if record.currency in (None, "XAF") else 0
    carrier = record.carrier or case.attempt.carrier
    fee_xaf = provider.fee_xaf(case.spoken, carrier, amount_xaf)
    if case.payment.kind is Kind.COLLECT and record.net and record.net <= record.amount:
        fee_xaf = max(0, ceil(amount_xaf - record.net))  # a fraction of the amount is nobody's fee
    return Movement(amount_xaf=amount_xaf, fee_xaf=min(fee_xaf, amount_xaf), carrier=carrier)
