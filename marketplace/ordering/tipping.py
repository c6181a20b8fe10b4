"""A tip after the meal: all of it the driver's, from the wallet at once or by another prompt (A4.15)."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, insert, select, update

from core.database import Tx
from core.errors import Conflict, InvalidAmount, NotFound
from core.ids import new_reference
from ledger import chart
from ledger.service import Leg, post
from marketplace.delivery.tables import delivery
from marketplace.notifications.service import notify
from marketplace.ordering.carts import MOST_TIP_XAF
from marketplace.ordering.errors import WrongState
from marketplace.ordering.tables import customer_order, tip
from marketplace.ordering.transitions import OrderRow, lock
from marketplace.people import pin_resets
from marketplace.people import service as people
from marketplace.people.drivers import get_driver
from payments import service as payments
from payments.outcomes import Payment

PayWith = Literal["mobile_money", "wallet"]


class TipGiven(Conflict):
    """The driver of order `number` has a tip of this customer already, or one is being paid."""

    text_key = "error.tip_given"


class Tip(msgspec.Struct, frozen=True):
    """PENDING until its payer has approved it, then PAID, FAILED or EXPIRED."""

    id: UUID
    order_id: UUID
    driver_id: UUID
    amount_xaf: int
    state: str


async def give(
    tx: Tx,
    *,
    order_id: UUID,
    person_id: UUID,
    amount_xaf: int,
    pay_with: PayWith,
    payer_phone: str | None = None,
    session_id: str | None = None,
) -> Tip:
    """Tip the driver who brought this order, once, within `tip_hours` of it.

    With mobile money, `payer_phone` (E.164, by default the customer's) is asked for it. From the wallet, the channel
    has checked the PIN. Raises InvalidAmount, WrongState, TipGiven, NotFound, InsufficientFunds, and what
    payments.request_collection raises.
    """
    if not tx.settings.attempt_minimum_xaf <= amount_xaf <= MOST_TIP_XAF:
        raise InvalidAmount()
    order, driver_id = await _delivered(tx, order_id, person_id)
    row = {"id": new_reference(), "order_id": order_id, "driver_id": driver_id, "amount_xaf": amount_xaf}
    state = "PAID" if pay_with == "wallet" else "PENDING"
    made = _tip(await tx.one(insert(tip).values(**row, state=state, created_at=tx.now).returning(tip)))
    if pay_with == "wallet":
        await _pay(tx, made, order)
    else:
        phone = payer_phone or (await people.get(tx, person_id=person_id)).phone
        await _ask(tx, made, phone, session_id)
    return made


async def _delivered(tx: Tx, order_id: UUID, person_id: UUID) -> tuple[OrderRow, UUID]:
    """The order, locked, and its driver, if they may be tipped."""
    order = await lock(tx, order_id)
    if order.person_id != person_id:
        raise NotFound()
    handed_over = delivery.c.handed_over_at > tx.now - timedelta(hours=tx.settings.tip_hours)
    driver_id = await tx.value(select(delivery.c.driver_id).where(delivery.c.order_id == order_id, handed_over))
    if order.state not in ("DELIVERED", "CLOSED") or driver_id is None:
        raise WrongState(number=order.number, state=order.state)
    live = select(tip.c.id).where(tip.c.order_id == order_id, tip.c.state.in_(("PENDING", "PAID")))
    if await tx.first(live) is not None:
        raise TipGiven(number=order.number)
    return order, driver_id


async def _pay(tx: Tx, made: Tip, order: OrderRow) -> None:
    await pin_resets.require_awake(tx, person_id=order.person_id)
    await _tell_driver(tx, made, order.number)
    leg = Leg(chart.wallet(order.person_id), chart.driver_payable(made.driver_id), made.amount_xaf)
    about = {"order": str(order.id), "number": str(order.number)}
    await post(tx, key=f"tip:{made.id}", kind="tip", legs=[leg], metadata=about)


async def _ask(tx: Tx, made: Tip, phone: str, session_id: str | None) -> None:
    await payments.request_collection(
        tx,
        purpose="tip",
        reference=made.id,
        amount_xaf=made.amount_xaf,
        phone=phone,
        credit=chart.driver_payable(made.driver_id),
        key=f"tip:{made.id}",
        session_id=session_id,
    )


# ---- outcomes (ordering.outcomes hands them on) ----------------------------------------------------------


async def paid(tx: Tx, payment: Payment) -> None:
    """The payer has approved; the driver is credited by this same transaction, after us."""
    made = await _settle(tx, payment, "PAID")
    number = await tx.value(select(customer_order.c.number).where(customer_order.c.id == made.order_id))
    await _tell_driver(tx, made, number)


async def failed(tx: Tx, payment: Payment) -> None:
    await _settle(tx, payment, "FAILED")


async def expired(tx: Tx, payment: Payment) -> None:
    await _settle(tx, payment, "EXPIRED")


async def _settle(tx: Tx, payment: Payment, state: str) -> Tip:
    settled = update(tip).where(tip.c.id == payment.reference).values(state=state)
    return _tip(await tx.one(settled.returning(tip)))


async def _tell_driver(tx: Tx, made: Tip, number: int) -> None:
    carrier = await get_driver(tx, driver_id=made.driver_id)
    params = {"number": number, "amount_xaf": made.amount_xaf}
    await notify(tx, phone=carrier.phone, language=carrier.language, key="sms.tip", params=params, about=made.order_id)


def _tip(row: Row[Any]) -> Tip:
    return Tip(**{name: row._mapping[name] for name in Tip.__struct_fields__})
