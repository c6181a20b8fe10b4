"""Payouts: what a restaurant or a driver has earned, sent to the phone that asks for it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.clock import day_start
from core.database import Tx
from core.effects import KeyReused
from core.errors import Conflict
from core.ids import new_reference
from ledger import chart
from ledger.chart import Account
from ledger.service import balance
from marketplace.notifications.service import notify
from marketplace.payouts.tables import payout
from marketplace.people import service as people
from payments import service as payments
from payments.outcomes import Payment
from payments.states import PaymentState

Owner = Literal["restaurant", "driver"]


class PayoutTooSmall(Conflict):
    """Less than `minimum_xaf`: of what was asked for, or of what there is."""

    text_key = "error.payout_too_small"


class PayoutLimit(Conflict):
    """More than `left_xaf`, which is what may still be sent today without two finance users (D27)."""

    text_key = "error.payout_limit"


class PayoutRunning(Conflict):
    """A payout of this same amount is still on its way."""

    text_key = "error.payout_running"


class Payout(msgspec.Struct, frozen=True):
    """A payout that was asked for: PENDING until the provider's last word, then PAID or FAILED."""

    id: UUID
    owner: Owner
    owner_id: UUID
    amount_xaf: int
    state: str
    created_at: datetime


async def request(
    tx: Tx, *, owner: Owner, owner_id: UUID, phone: str, amount_xaf: int | None = None, key: str
) -> Payout:
    """Send `amount_xaf` of what the restaurant or driver has earned to `phone` (E.164); None: all that may go today.

    The same `key` gives the same payout. Posts a journal: call it last. Raises PayoutTooSmall, PayoutLimit,
    PayoutRunning, InsufficientFunds, KeyReused, and what payments.request_payout raises.
    """
    await tx.queue_up(f"payout:{owner_id}")  # or two at once would both fit under the limit
    made = await tx.first(select(payout).where(payout.c.key == key))
    if made is not None:
        return _repeat(made, owner_id, amount_xaf)
    earned = payable(owner, owner_id)
    amount_xaf = await _allowed(tx, owner_id, earned, amount_xaf)
    made = await _insert(tx, owner=owner, owner_id=owner_id, phone=phone, amount_xaf=amount_xaf, key=key)
    await payments.request_payout(
        tx,
        purpose="payout",
        reference=made.id,
        amount_xaf=amount_xaf,
        phone=phone,
        debit=earned,
        key=f"payout:{made.id}",
    )
    return _payout(made)


def payable(owner: Owner, owner_id: UUID) -> Account:
    """The account that holds what they have earned."""
    return chart.restaurant_payable(owner_id) if owner == "restaurant" else chart.driver_payable(owner_id)


async def done(tx: Tx, payment: Payment) -> None:
    """An outcome: the money has arrived, or is back on the account it was taken from."""
    state = "PAID" if payment.state is PaymentState.PAID else "FAILED"
    key = "sms.payout_done" if state == "PAID" else "sms.payout_failed"
    await tx.run(update(payout).where(payout.c.id == payment.reference).values(state=state))
    person = await people.recognise(tx, phone=payment.phone)
    params = {"amount_xaf": payment.amount_xaf}
    await notify(tx, phone=person.phone, language=person.language, key=key, params=params, about=payment.reference)


async def _allowed(tx: Tx, owner_id: UUID, earned: Account, asked_xaf: int | None) -> int:
    """The amount that may go out now."""
    today = payout.c.owner_id == owner_id, payout.c.state != "FAILED", payout.c.created_at >= day_start(tx.now)
    used_xaf = await tx.value(select(func.sum(payout.c.amount_xaf)).where(*today)) or 0
    left_xaf = max(0, tx.settings.payout_daily_maximum_xaf - used_xaf)
    amount_xaf = min(left_xaf, await balance(tx, earned)) if asked_xaf is None else asked_xaf
    if amount_xaf > left_xaf or not left_xaf:
        raise PayoutLimit(left_xaf=left_xaf)
    if amount_xaf < tx.settings.payout_minimum_xaf:
        raise PayoutTooSmall(minimum_xaf=tx.settings.payout_minimum_xaf)
    return amount_xaf


async def _insert(tx: Tx, *, owner: Owner, owner_id: UUID, phone: str, amount_xaf: int, key: str) -> Row[Any]:
    """The payout's row. A unique index lets only one payout of an amount be under way."""
    payee = await people.recognise(tx, phone=phone)
    row = {"id": new_reference(), "key": key, "owner": owner, "owner_id": owner_id, "payee_id": payee.id}
    fresh = insert(payout).values(**row, amount_xaf=amount_xaf, state="PENDING", created_at=tx.now)
    made = await tx.first(fresh.on_conflict_do_nothing().returning(payout))
    if made is None:
        raise PayoutRunning()
    return made


def _repeat(made: Row[Any], owner_id: UUID, amount_xaf: int | None) -> Payout:
    if made.owner_id != owner_id or amount_xaf not in (None, made.amount_xaf):
        raise KeyReused()
    return _payout(made)


def _payout(row: Row[Any]) -> Payout:
    return Payout(**{name: row._mapping[name] for name in Payout.__struct_fields__})
