"""Wallet money back to the number it came from, where the operator of this installation allows that (D13)."""

from uuid import UUID

from sqlalchemy import func, select, text

from core.clock import day_start
from core.database import Tx
from ledger import chart
from marketplace.payouts import service
from marketplace.payouts.errors import NotWithdrawable, WithdrawalsClosed
from marketplace.payouts.service import Payout
from marketplace.payouts.tables import payout
from marketplace.people import pin_resets
from marketplace.people import service as people
from marketplace.wallets.service import WalletLimit
from marketplace.wallets.tables import top_up

# What this number's mobile money has paid and the wallet has got back: orders that came to nothing, and surplus.
# Goodwill, referrals and other people's top-ups are spent here.
_RETURNED = text("""
SELECT coalesce(sum(credit), 0)::bigint FROM entry
JOIN account AS mine ON mine.id = entry.account_id JOIN account AS source ON source.id = entry.other_account
WHERE mine.code = :wallet AND (source.code = 'suspense:surplus' OR EXISTS (
    SELECT FROM customer_order WHERE source.code = 'escrow:' || customer_order.id AND pay_with = 'mobile_money'))
""")


async def withdraw(tx: Tx, *, person_id: UUID, amount_xaf: int, key: str) -> Payout:
    """Send `amount_xaf` of the customer's wallet to their own number. The same `key` gives the same withdrawal.

    Posts a journal: call it last. Raises WithdrawalsClosed, WalletResting, NotWithdrawable, WalletLimit,
    PayoutTooSmall, PayoutRunning, InsufficientFunds, KeyReused.
    """
    if not tx.settings.wallet_withdrawals:
        raise WithdrawalsClosed()
    await people.get(tx, person_id=person_id)
    await pin_resets.require_awake(tx, person_id=person_id)
    await service.queue_up(tx, person_id)
    made = await tx.first(select(payout).where(payout.c.key == key))
    if made is not None:
        return service.repeat(made, person_id, amount_xaf)
    await _check(tx, person_id, amount_xaf)
    return await service.start(tx, service.Wanted("customer", person_id, person_id, amount_xaf, "withdrawal", key))


async def withdrawable(tx: Tx, *, person_id: UUID) -> int:
    """What may still go back to this number: what came from it, less what went there, as far as it is unspent.

    0 where withdrawals are not offered.
    """
    if not tx.settings.wallet_withdrawals:
        return 0
    own = top_up.c.person_id == person_id, top_up.c.payer_id == person_id, top_up.c.state == "PAID"
    topped_up = await tx.value(select(func.sum(top_up.c.amount_xaf)).where(*own)) or 0
    returned = await tx.value(_RETURNED, {"wallet": chart.wallet(person_id).code})
    gone, _, _ = await _withdrawn(tx, person_id)
    return max(0, min(int(topped_up + returned) - gone, await service.free(tx, "customer", person_id)))


async def _check(tx: Tx, person_id: UUID, amount_xaf: int) -> None:
    _, month_xaf, day_xaf = await _withdrawn(tx, person_id)
    left_xaf = min(tx.settings.wallet_daily_maximum_xaf - day_xaf, tx.settings.wallet_monthly_maximum_xaf - month_xaf)
    if amount_xaf > left_xaf:
        raise WalletLimit(left_xaf=max(0, left_xaf))
    own_xaf = await withdrawable(tx, person_id=person_id)
    if amount_xaf > own_xaf:
        raise NotWithdrawable(left_xaf=own_xaf)


async def _withdrawn(tx: Tx, person_id: UUID) -> tuple[int, int, int]:
    """What was withdrawn or is on its way: ever, in this month of Douala, and today."""
    amount, since, today = func.sum(payout.c.amount_xaf), payout.c.created_at, day_start(tx.now)
    sums = select(
        amount.label("ever"),
        amount.filter(since >= today.replace(day=1)).label("month"),
        amount.filter(since >= today).label("day"),
    )
    mine = payout.c.owner == "customer", payout.c.owner_id == person_id, payout.c.state != "FAILED"
    used = await tx.one(sums.where(*mine))
    return int(used.ever or 0), int(used.month or 0), int(used.day or 0)
