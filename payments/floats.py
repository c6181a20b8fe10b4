"""Whether a payout is covered: by what lies at its carrier, less what is already on its way out of there."""

from collections.abc import Mapping

from sqlalchemy import func, select

from core.database import Tx
from payments.attempts import Case
from payments.providers.protocol import Provider
from payments.states import State
from payments.tables import attempt

_UNDER_WAY = (State.SENT, State.PENDING, State.UNKNOWN)


async def enough(tx: Tx, case: Case, provider: Provider, there: Mapping[str, int] | None) -> bool:
    """Whether `there`, the provider's balances, cover this payout and its fee. Unread balances hold nothing up.

    Payouts at one carrier queue here until they are SENT, so that no two count on the same francs. What is under way
    may be off the provider's balance already; counting it still only makes a payout wait.
    """
    if there is None:
        return True
    carrier, name = case.payment.carrier, provider.capabilities.name
    await tx.queue_up(f"float:{name}:{carrier}")
    at_carrier = attempt.c.provider == name, attempt.c.carrier == carrier
    out = attempt.c.kind != "collect", attempt.c.state.in_(_UNDER_WAY)
    leaving_xaf = await tx.value(select(func.coalesce(func.sum(attempt.c.amount_xaf), 0)).where(*at_carrier, *out))
    needed_xaf = case.payment.amount_xaf + provider.fee_xaf(case.spoken, carrier, case.payment.amount_xaf)
    return there.get(carrier, 0) >= int(leaving_xaf) + needed_xaf
