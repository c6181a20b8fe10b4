"""Where and when another attempt goes out by itself: only when the one before can have no effect any more (rule 10)."""

from datetime import datetime

import msgspec

from core.database import Tx
from payments import attempts, routing
from payments.attempts import Case
from payments.schedule import next_try
from payments.states import Failure, Kind

# The evidence of a payout whose rail was in maintenance, frozen or broken for too long.
AWAY = "NOT_SENT AWAY"


class Next(msgspec.Struct, frozen=True):
    """The next attempt of a payment."""

    provider: str
    at: datetime


async def next_attempt(tx: Tx, case: Case, failure: Failure) -> Next | None:
    """What follows a certain failure; None when it is time to tell the customer.

    Never after a payer's reasons, and never for money whose fate was unknown once. Another provider is tried at once
    (a prompt still waits its minute), the same one later. Our own float at one provider says nothing of the others,
    and a payout that waited in vain for its rail would wait there again.
    """
    pays_out = case.payment.kind is not Kind.COLLECT
    elsewhere_only = pays_out and (failure is Failure.LOW_FLOAT or case.attempt.evidence == AWAY)
    if case.attempt.in_transit or not (failure is Failure.TECHNICAL or elsewhere_only):
        return None
    owed, tries = case.payment, await attempts.tries(tx, case.payment.id)
    rail = await routing.again(tx, kind=owed.kind, carrier=owed.carrier, amount_xaf=owed.amount_xaf, tries=tries)
    if rail is None:
        return None
    fresh = rail.name not in tries and not rail.away and not rail.broken
    if elsewhere_only and not fresh:
        return None
    at = tx.now if fresh else next_try(sum(tries.values()), tx.now)
    deadline = case.attempt.deadline
    return None if at is None or (deadline is not None and at >= deadline) else Next(rail.name, at)
