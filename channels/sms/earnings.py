"""What restaurants and drivers have earned, and asking for it: the same words for both."""

from channels.sms.exchange import Ask, Reply
from core.money import parse_xaf
from ledger.service import balance
from marketplace.payouts import service as payouts


async def owed(ask: Ask) -> Reply:
    """`SOLDE`, `GAIN`: what can be paid out."""
    assert ask.role != "customer", "customers are not owed anything"
    return Reply("sms.owed", {"balance_xaf": await balance(ask.tx, payouts.payable(ask.role, ask.subject_id))})


async def pay_out(ask: Ask) -> Reply:
    """`PAYE 50000`, or `PAYE` for all of it; to the phone that asks."""
    assert ask.role != "customer", "customers are not owed anything"
    amount_xaf = parse_xaf(ask.parts["amount"]) if "amount" in ask.parts else None
    paid = await payouts.request(
        ask.tx,
        owner=ask.role,
        owner_id=ask.subject_id,
        phone=ask.person.phone,
        amount_xaf=amount_xaf,
        key=ask.key,
    )
    return Reply("sms.payout_asked", {"amount_xaf": paid.amount_xaf})
