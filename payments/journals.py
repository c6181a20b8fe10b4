"""What each movement of money means in the books. One journal per attempt at most: its key says so."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from core.database import Tx
from ledger.chart import PROVIDER_FEES, Account, in_transit, payout_clearing, provider_float
from ledger.service import Leg, post
from payments.attempts import Case
from payments.tables import attempt


class Movement(msgspec.Struct, frozen=True):
    """What the provider says it moved: whole XAF, at which carrier, for which fee."""

    amount_xaf: int
    fee_xaf: int
    carrier: str


async def money_in(tx: Tx, case: Case, moved: Movement, *, kind: str, credit: Account) -> None:
    """Dr float, Dr provider fees, Cr `credit`: the fee is ours, the payer is credited in full (D10)."""
    held = provider_float(case.attempt.provider, moved.carrier)
    legs = [Leg(held, credit, moved.amount_xaf - moved.fee_xaf), Leg(PROVIDER_FEES, credit, moved.fee_xaf)]
    await _post(tx, case, f"attempt:{case.attempt.id}:settled", kind, legs)


async def money_out(tx: Tx, case: Case, moved: Movement, *, kind: str, debit: Account) -> None:
    """Dr `debit`, Dr provider fees, Cr float."""
    held = provider_float(case.attempt.provider, moved.carrier)
    legs = [Leg(debit, held, moved.amount_xaf), Leg(PROVIDER_FEES, held, moved.fee_xaf)]
    await _post(tx, case, f"attempt:{case.attempt.id}:settled", kind, legs)


async def into_transit(tx: Tx, case: Case) -> None:
    """A payout of unknown fate leaves clearing: Dr clearing, Cr in transit."""
    legs = [Leg(payout_clearing(case.payment.id), in_transit(case.attempt.provider), case.payment.amount_xaf)]
    await _post(tx, case, f"attempt:{case.attempt.id}:in_transit", f"{case.payment.kind}_in_transit", legs)


async def put_back(tx: Tx, case: Case) -> None:
    """A payout that came to nothing: its money returns to the account it was taken from."""
    legs = [Leg(await resting(tx, case), case.account, case.payment.amount_xaf)]
    await _post(tx, case, f"payment:{case.payment.id}:put_back", f"{case.payment.kind}_failed", legs)


async def resting(tx: Tx, case: Case) -> Account:
    """Where the money of a payout is while it is neither paid nor returned, whichever of its tries put it there."""
    moved = select(attempt.c.provider).where(attempt.c.payment_id == case.payment.id, attempt.c.in_transit)
    provider = await tx.value(moved.limit(1))
    return in_transit(provider) if provider else payout_clearing(case.payment.id)


async def _post(tx: Tx, case: Case, key: str, kind: str, legs: Sequence[Leg]) -> None:
    about = {"payment": str(case.payment.id), "attempt": str(case.attempt.id), "purpose": case.payment.purpose}
    await post(tx, key=key, kind=kind, legs=[leg for leg in legs if leg.amount], metadata=about)
