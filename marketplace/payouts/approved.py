"""Payouts above the day's limit: one finance user proposes, another approves (D27)."""

from uuid import UUID

from core import four_eyes
from core.database import Tx
from core.four_eyes import Proposal
from core.phones import mask_phone
from ledger.errors import InsufficientFunds
from marketplace.payouts import service
from marketplace.payouts.service import Owner, Payout, Wanted
from marketplace.people import service as people

KIND = "payout"  # of the proposals


async def propose(
    tx: Tx, *, owner: Owner, owner_id: UUID, phone: str, amount_xaf: int, reason: str, by: UUID, key: str | None = None
) -> Proposal:
    """Put a payout of any size before another finance user. Nothing is set aside meanwhile.

    Whoever approves sees the payee's number, masked. With `key` it is the payout of that key, however often it is
    proposed.

    Raises InsufficientFunds when that much is not there now, AlreadyProposed, InvalidInput.
    """
    payee = await people.recognise(tx, phone=phone)
    if amount_xaf > await service.free(tx, owner, owner_id):
        raise InsufficientFunds()
    details = {"owner": owner, "owner_id": str(owner_id), "payee_id": str(payee.id), "amount_xaf": amount_xaf}
    details |= {"phone": mask_phone(payee.phone), **({"key": key} if key else {})}
    return await four_eyes.propose(tx, kind=KIND, subject=f"{owner}:{owner_id}", details=details, reason=reason, by=by)


async def carry_out(tx: Tx, approved: Proposal) -> Payout:
    """Send it, in the transaction that approves it. Raises InsufficientFunds, PayoutTooSmall, PayoutRunning."""
    owner, amount_xaf = approved.details["owner"], approved.details["amount_xaf"]
    owner_id, payee_id = UUID(approved.details["owner_id"]), UUID(approved.details["payee_id"])
    await service.queue_up(tx, owner_id, payee_id)
    if amount_xaf > await service.free(tx, owner, owner_id):
        raise InsufficientFunds()
    key = approved.details.get("key", f"proposal:{approved.id}")
    return await service.start(tx, Wanted(owner, owner_id, payee_id, amount_xaf, "approved", key, approved.reason))
