"""Payouts: what a restaurant, a driver or a customer has with us, sent to a phone.

A payout larger than one operation goes out in instalments, one after another: the next is due a minute after the
last one has arrived, and nothing of it is set aside before. One that is refused ends the payout: its payee is told what
stays owed, and may ask again.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.clock import day_start
from core.database import Database, Tx
from core.effects import KeyReused
from core.errors import GatewayError
from core.ids import new_reference
from core.logs import logger
from ledger import chart
from ledger.chart import Account
from ledger.holds import available
from marketplace.notifications.service import notify
from marketplace.payouts.errors import PayoutLimit, PayoutRunning, PayoutTooSmall
from marketplace.payouts.tables import payout
from marketplace.people import service as people
from marketplace.people import sim_freeze
from payments import service as payments
from payments.outcomes import Payment
from payments.states import PaymentState

Owner = Literal["restaurant", "driver", "customer"]
Purpose = Literal["earnings", "withdrawal", "batch", "approved"]

_TEXTS = {"PAID": "sms.payout_done", "FAILED": "sms.payout_failed", "PARTLY_PAID": "sms.payout_partly"}

FROZEN_PAUSE = timedelta(hours=1)  # between two looks at a payout whose number is on a new SIM card

log = logger(__name__)


class Payout(msgspec.Struct, frozen=True):
    """A payout that was asked for: PENDING until the provider's last word, then PAID, FAILED or PARTLY_PAID."""

    id: UUID
    owner: Owner
    owner_id: UUID
    payee_id: UUID
    amount_xaf: int
    asked_xaf: int
    paid_xaf: int
    purpose: Purpose
    note: str
    state: str
    created_at: datetime


class Wanted(msgspec.Struct, frozen=True):
    """A payout before it is one."""

    owner: Owner
    owner_id: UUID
    payee_id: UUID
    amount_xaf: int
    purpose: Purpose
    key: str
    note: str = ""


async def request(
    tx: Tx,
    *,
    owner: Owner,
    owner_id: UUID,
    phone: str,
    amount_xaf: int | None = None,
    key: str,
    purpose: Purpose = "earnings",
    note: str = "",
) -> Payout:
    """Send `amount_xaf` of what they have earned to `phone` (E.164); None: all that may go today.

    The same `key` gives the same payout. Posts a journal: call it last. Raises PayoutTooSmall, PayoutLimit,
    PayoutRunning, InsufficientFunds, KeyReused, and what payments.request_payout raises.
    """
    payee = await people.recognise(tx, phone=phone)
    await queue_up(tx, owner_id, payee.id)  # or two at once would both fit under the limit
    made = await tx.first(select(payout).where(payout.c.key == key))
    if made is not None:
        return repeat(made, owner_id, amount_xaf)
    left_xaf = await left_today(tx, owner_id=owner_id, payee_id=payee.id)
    if amount_xaf is None:
        amount_xaf = min(left_xaf, await free(tx, owner, owner_id))
    if amount_xaf > left_xaf or not left_xaf:
        raise PayoutLimit(left_xaf=left_xaf)
    return await start(tx, Wanted(owner, owner_id, payee.id, amount_xaf, purpose, key, note))


async def start(tx: Tx, wanted: Wanted) -> Payout:
    """Write the payout and send its first instalment. Whoever calls has looked at the limits.

    Raises as `request`, and SimChanged while the payee's number is on a new SIM card.
    """
    await sim_freeze.require_same_sim(tx, person_id=wanted.payee_id)
    if wanted.amount_xaf < tx.settings.payout_minimum_xaf:
        raise PayoutTooSmall(minimum_xaf=tx.settings.payout_minimum_xaf)
    row = {"id": new_reference(), **msgspec.structs.asdict(wanted), "state": "PENDING", "created_at": tx.now}
    fresh = insert(payout).values(**row, asked_xaf=0, paid_xaf=0).on_conflict_do_nothing()
    made = await tx.first(fresh.returning(payout))  # a unique index lets one payout of an amount be under way
    if made is None:
        raise PayoutRunning()
    return await _send_next(tx, _payout(made))


async def sweep(database: Database, limit: int = 50) -> int:
    """Send the instalments that are due; how many payouts were looked at."""
    due = select(payout.c.id).where(payout.c.due_at <= database.clock.now()).order_by(payout.c.due_at).limit(limit)
    async with database.reading() as tx:
        ids = [row.id for row in await tx.all(due)]
    for payout_id in ids:
        try:
            await _continue(database, payout_id)
        except Exception:  # its trouble must not stop the others; it comes round again
            log.exception("payouts.continue", payout=str(payout_id))
    return len(ids)


def payable(owner: Owner, owner_id: UUID) -> Account:
    """The account that holds what they have with us."""
    accounts = {"restaurant": chart.restaurant_payable, "driver": chart.driver_payable, "customer": chart.wallet}
    return accounts[owner](owner_id)


async def done(tx: Tx, payment: Payment) -> None:
    """An outcome: the money has arrived, or is back on the account it was taken from."""
    row = await tx.one(select(payout).where(payout.c.id == payment.reference).with_for_update())
    # Where more arrived than was asked for (people have accepted that), the rest was no part of the payout.
    arrived = min(payment.amount_xaf, row.asked_xaf - row.paid_xaf) if payment.state is PaymentState.PAID else 0
    made = msgspec.structs.replace(_payout(row), paid_xaf=row.paid_xaf + arrived)
    if arrived and made.asked_xaf < made.amount_xaf:
        pause = timedelta(seconds=tx.settings.prompt_gap_seconds)
        await _set(tx, made, paid_xaf=made.paid_xaf, due_at=tx.now + pause)
    else:
        await _end(tx, made)


# ---- limits ----------------------------------------------------------------------------------------------


async def queue_up(tx: Tx, *ids: UUID) -> None:
    """One request at a time of an owner, and to a payee."""
    for one in sorted(set(ids)):
        await tx.queue_up(f"payout:{one}")


async def left_today(tx: Tx, *, owner_id: UUID, payee_id: UUID) -> int:
    """What may still go out today to this beneficiary, by owner or by number, without two finance users (D27)."""
    beneficiary = or_(payout.c.owner_id == owner_id, payout.c.payee_id == payee_id)
    today = beneficiary, payout.c.state != "FAILED", payout.c.created_at >= day_start(tx.now)
    used_xaf = await tx.value(select(func.sum(payout.c.amount_xaf)).where(*today)) or 0
    return max(0, tx.settings.payout_daily_maximum_xaf - int(used_xaf))


async def sendable(tx: Tx, *, owner: Owner, owner_id: UUID, payee_id: UUID) -> int:
    """What would go out if they asked for all of it now."""
    left_xaf = await left_today(tx, owner_id=owner_id, payee_id=payee_id)
    return max(0, min(left_xaf, await free(tx, owner, owner_id)))


async def free(tx: Tx, owner: Owner, owner_id: UUID) -> int:
    """What they have with us, less the instalments that are still to go out."""
    ahead = func.sum(payout.c.amount_xaf - payout.c.asked_xaf)
    waiting = payout.c.owner_id == owner_id, payout.c.state == "PENDING"
    promised_xaf = await tx.value(select(ahead).where(*waiting)) or 0
    return await available(tx, payable(owner, owner_id)) - int(promised_xaf)


# ---- instalments -----------------------------------------------------------------------------------------


async def _continue(database: Database, payout_id: UUID) -> None:
    async with database.transaction() as tx:
        due = payout.c.id == payout_id, payout.c.due_at <= tx.now
        row = await tx.first(select(payout).where(*due).with_for_update(skip_locked=True))
        if row is None:
            return
        following = _payout(row)
        if await sim_freeze.frozen_until(tx, person_id=following.payee_id):  # it may be lifted before its time
            await _set(tx, following, due_at=tx.now + FROZEN_PAUSE)
            return
        try:
            async with tx.attempt():
                await _send_next(tx, following)
        except GatewayError as refusal:  # spent meanwhile, or no provider moves such money any more
            if refusal.retryable:
                raise
            log.warning("payouts.refused", payout=str(payout_id), refusal=refusal.code)
            await _end(tx, following)


async def _send_next(tx: Tx, made: Payout) -> Payout:
    """Set the next instalment aside and have it sent."""
    amount_xaf = _instalment(tx, made)
    payee = await people.get(tx, person_id=made.payee_id)
    await _set(tx, made, asked_xaf=made.asked_xaf + amount_xaf, due_at=None)
    await payments.request_payout(
        tx,
        purpose="payout",
        reference=made.id,
        amount_xaf=amount_xaf,
        phone=payee.phone,
        debit=payable(made.owner, made.owner_id),
        key=f"payout:{made.id}:{made.asked_xaf}",
    )
    return msgspec.structs.replace(made, asked_xaf=made.asked_xaf + amount_xaf)


def _instalment(tx: Tx, made: Payout) -> int:
    """As few and as equal as one operation's limit lets them be: a small rest would be refused."""
    left_xaf, most_xaf = made.amount_xaf - made.asked_xaf, tx.settings.attempt_maximum_xaf
    return -(-left_xaf // -(-left_xaf // most_xaf))


async def _end(tx: Tx, made: Payout) -> None:
    """No more of it goes out; the payee is told what arrived."""
    state = "PAID" if made.paid_xaf == made.amount_xaf else "PARTLY_PAID" if made.paid_xaf else "FAILED"
    await _set(tx, made, state=state, paid_xaf=made.paid_xaf, due_at=None)
    person = await people.get(tx, person_id=made.payee_id)
    params = {"amount_xaf": made.paid_xaf or made.amount_xaf}
    if state == "PARTLY_PAID":
        params["rest_xaf"] = made.amount_xaf - made.paid_xaf
    key = _TEXTS[state] if (made.owner, state) != ("customer", "PAID") else "sms.withdrawal_done"
    await notify(tx, phone=person.phone, language=person.language, key=key, params=params, about=made.id)


async def _set(tx: Tx, made: Payout, **values: Any) -> None:
    await tx.run(update(payout).where(payout.c.id == made.id).values(**values))


def repeat(made: Row[Any], owner_id: UUID, amount_xaf: int | None) -> Payout:
    """The payout that a key has made already. Raises KeyReused."""
    if made.owner_id != owner_id or amount_xaf not in (None, made.amount_xaf):
        raise KeyReused()
    return _payout(made)


def _payout(row: Row[Any]) -> Payout:
    return Payout(**{name: row._mapping[name] for name in Payout.__struct_fields__})
