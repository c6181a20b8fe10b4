"""Wallet money back to the customer's own number, where the operator allows that (D13)."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import RequestBody

from channels.api.encoding import problems
from channels.api.idempotency import intention
from channels.api.inputs import IdempotencyKey, TheCaller, TheDatabase, TheLimits
from channels.api.views import Amount, Body, shown
from core.database import Tx
from marketplace.payouts import withdrawals


class NewWithdrawal(Body):
    amount_xaf: Amount


class WithdrawalView(msgspec.Struct, frozen=True):
    """PENDING until the provider's last word, then PAID or FAILED; what failed is in the wallet again."""

    id: UUID
    amount_xaf: int
    state: str
    created_at: datetime


class WithdrawableView(msgspec.Struct, frozen=True):
    """What may go back to the customer's own number."""

    withdrawable_xaf: int


@get("/wallet/withdrawals", responses=problems(401, 403))
async def read_withdrawable(caller: TheCaller, database: TheDatabase) -> WithdrawableView:
    """How much of the wallet came from the customer's own number and may go back there; 0 where that is not offered."""
    async with database.reading() as tx:
        return WithdrawableView(await withdrawals.withdrawable(tx, person_id=caller.subject))


@post("/wallet/withdrawals", responses=problems(401, 403, 409))
async def withdraw(
    data: RequestBody[NewWithdrawal],
    caller: TheCaller,
    idempotency_key: IdempotencyKey,
    database: TheDatabase,
    limits: TheLimits,
) -> WithdrawalView:
    """Send wallet money to the customer's own phone; the outcome comes by SMS."""
    asked = intention(database.keys, caller.subject, idempotency_key, "withdrawals", data)
    if answer := await asked.answered(database, WithdrawalView):
        return answer
    await limits.spend("payments", str(caller.subject))

    async def send(tx: Tx) -> WithdrawalView:
        made = await withdrawals.withdraw(tx, person_id=caller.subject, amount_xaf=data.amount_xaf, key=asked.key)
        return shown(made, WithdrawalView)

    async with database.transaction() as tx:
        return await asked.once(tx, lambda: send(tx), WithdrawalView)
