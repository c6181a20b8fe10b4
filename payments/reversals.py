"""What a provider had called successful and then called failed: booked at once, decided by a person.

The attempt stays as it is. The money rests in suspense:mismatch, owed by it (a collection was taken back) or owed to
it (a payout came back), until `close` says who bears it.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.errors import NotFound
from core.ids import new_id
from core.logs import logger
from ledger.chart import GOODWILL, PROVIDER_FEES, SUSPENSE_MISMATCH, Account, provider_float
from ledger.service import Leg, post
from payments import attempts
from payments.attempts import Case
from payments.states import Kind
from payments.tables import attempt, reversal

log = logger(__name__)


async def record(tx: Tx, case: Case) -> None:
    """Book that a settled movement was undone. Once per attempt, however often it is seen. Posts a journal."""
    booked = await tx.one(select(attempt.c.received_xaf, attempt.c.fee_xaf).where(attempt.c.id == case.attempt.id))
    key = f"attempt:{case.attempt.id}:reversed"
    row = {"id": new_id(), "attempt_id": case.attempt.id, "amount_xaf": booked.received_xaf, "journal_key": key}
    made = await tx.run(insert(reversal).values(**row, seen_at=tx.now).on_conflict_do_nothing())
    if not made or not booked.received_xaf:
        return
    log.error("payments.reversed", attempt=str(case.attempt.id), amount_xaf=booked.received_xaf)
    about = {"payment": str(case.payment.id), "attempt": str(case.attempt.id)}
    await post(tx, key=key, kind=f"{case.payment.kind}_reversed", legs=_undone(case, booked), metadata=about)


async def close(tx: Tx, *, reversal_id: UUID, absorb: bool) -> None:
    """End a reversal: we bear it, or (`absorb` False) the account that the payment credited or debited does.

    For a collection that is a debit of that account, for a payout its money is owed again. A repeat changes nothing.
    Posts a journal: call it last. Raises NotFound, InsufficientFunds.
    """
    row = await tx.first(select(reversal).where(reversal.c.id == reversal_id).with_for_update())
    case = await attempts.lock(tx, row.attempt_id) if row else None
    if row is None or case is None:
        raise NotFound()
    if row.closed_at is not None:
        return
    await tx.run(update(reversal).where(reversal.c.id == reversal_id).values(closed_at=tx.now))
    bears: Account = GOODWILL if absorb else case.account
    leg = Leg(bears, SUSPENSE_MISMATCH, row.amount_xaf)
    if case.payment.kind is not Kind.COLLECT:
        leg = Leg(SUSPENSE_MISMATCH, bears, row.amount_xaf)
    if row.amount_xaf:
        await post(tx, key=f"reversal:{reversal_id}:closed", kind="reversal_closed", legs=[leg])


def _undone(case: Case, booked: Row[Any]) -> list[Leg]:
    """The opposite of the journal that settled it; what the provider kept of its fee shows in the reconciliation."""
    held = provider_float(case.attempt.provider, case.attempt.carrier)
    if case.payment.kind is Kind.COLLECT:
        net_xaf = booked.received_xaf - booked.fee_xaf
        legs = [Leg(SUSPENSE_MISMATCH, held, net_xaf), Leg(SUSPENSE_MISMATCH, PROVIDER_FEES, booked.fee_xaf)]
    else:
        legs = [Leg(held, SUSPENSE_MISMATCH, booked.received_xaf), Leg(held, PROVIDER_FEES, booked.fee_xaf)]
    return [leg for leg in legs if leg.amount]
