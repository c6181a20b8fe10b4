"""What people do with orders: place, pay again, accept or refuse, cook, cancel, confirm, dispute.

`place`, `pay_again` and the reads live in modules of their own; channels find everything here.
"""

from datetime import timedelta
from uuid import UUID

from core.database import Tx
from core.errors import InvalidInput, NotFound
from marketplace.delivery import service as delivery
from marketplace.ordering import messages, settlement
from marketplace.ordering.errors import WrongState
from marketplace.ordering.paying_again import pay_again
from marketplace.ordering.placing import place
from marketplace.ordering.queries import (
    Order,
    at_restaurant,
    find_by_number,
    get,
    just_delivered,
    last_order,
    live_orders,
    recent_orders,
    tracked_orders,
)
from marketplace.ordering.transitions import OrderRow, lock, move
from payments import service as payments

__all__ = [
    "Order",
    "accept",
    "at_restaurant",
    "cancel",
    "cancel_at_our_cost",
    "confirm_received",
    "dispute",
    "find_by_number",
    "get",
    "just_delivered",
    "last_order",
    "live_orders",
    "pay_again",
    "place",
    "ready",
    "recent_orders",
    "refuse",
    "resolve",
    "tracked_orders",
]

# Nobody promises a meal beyond this; more is a mistyped number.
LONGEST_PREPARATION_MINUTES = 180
# What a restaurant promises with one key.
USUAL_MINUTES = (20, 40)
# Why it cannot, as it may say.
REFUSALS = ("sold_out", "too_busy", "closing", "other")


# ---- the restaurant --------------------------------------------------------------------------------------


async def accept(tx: Tx, *, order_id: UUID, minutes: int, by_person: UUID) -> None:
    """The restaurant will have it ready in `minutes`; a driver is looked for. Raises WrongState, InvalidInput.

    An order from a wallet is paid now; raises HoldClosed when what was reserved for it is free again.
    """
    if not 1 <= minutes <= LONGEST_PREPARATION_MINUTES:
        raise InvalidInput(field="minutes")
    km = (await lock(tx, order_id)).km
    ride = tx.settings.ride_base_minutes + tx.settings.ride_minutes_per_km * km
    promised = {"preparation_minutes": minutes, "eta_at": tx.now + timedelta(minutes=minutes + ride)}
    actor = f"restaurant:{by_person}"
    order = await move(tx, order_id=order_id, to="ACCEPTED", actor=actor, changes=promised, minutes=minutes)
    await messages.accepted(tx, order, minutes=minutes)
    await delivery.begin(tx, order_id=order_id, prep_minutes=minutes)
    await settlement.claim(tx, order)


async def refuse(tx: Tx, *, order_id: UUID, by_person: UUID, reason: str = "other") -> None:
    """The restaurant cannot, for one of REFUSALS; the payer gets everything back. Raises WrongState, InvalidInput."""
    if reason not in REFUSALS:
        raise InvalidInput(field="reason")
    order = await move(tx, order_id=order_id, to="REJECTED", actor=f"restaurant:{by_person}", reason=reason)
    await messages.refused(tx, order)
    await settlement.refund(tx, order)


async def ready(tx: Tx, *, order_id: UUID, by_person: UUID) -> None:
    """The food can be fetched. Raises WrongState."""
    await move(tx, order_id=order_id, to="READY", actor=f"restaurant:{by_person}")
    await delivery.hasten(tx, order_id=order_id)


# ---- the customer ----------------------------------------------------------------------------------------


async def cancel(tx: Tx, *, order_id: UUID, person_id: UUID) -> None:
    """Cancel; what goes back depends on how far the order is (D18). A repeat changes nothing.

    Raises WrongState once nothing is left to cancel, NotFound when the order is not this customer's, and
    payments.errors.PaymentBusy in the moment a payment is being worked on.
    """
    before = await lock(tx, order_id)
    if before.person_id != person_id:
        raise NotFound()
    if before.state == "CANCELLED":
        return
    order = await move(tx, order_id=order_id, to="CANCELLED", actor="customer", was=before.state)
    match before.state:
        case "AWAITING_PAYMENT":
            await _cancel_unpaid(tx, order)
        case "PAID" | "OFFERED":
            await _cancel_free(tx, order, known=before.state == "OFFERED")
        case "ACCEPTED" | "READY":
            await _cancel_cooked(tx, order)
        case _:
            await _cancel_on_way(tx, order)


async def _cancel_unpaid(tx: Tx, order: OrderRow) -> None:
    """No money yet. Should some still come, payments sends it back by itself."""
    payment = await payments.find(tx, reference=order.id)
    assert payment is not None, "an order that awaits its payment has one"
    await payments.cancel(tx, payment_id=payment.id)
    await messages.cancelled_unpaid(tx, order)


async def _cancel_free(tx: Tx, order: OrderRow, *, known: bool) -> None:
    """Everything goes back; a restaurant that knows of it is told."""
    await messages.cancelled(tx, order, refund_xaf=order.total_xaf)
    if known:
        await messages.tell_restaurant(tx, order, "sms.order_withdrawn")
    await settlement.refund(tx, order)


async def _cancel_cooked(tx: Tx, order: OrderRow) -> None:
    """The restaurant keeps the price of the food, the driver is called off and gets no tip."""
    await delivery.call_off(tx, order_id=order.id, actor="customer")
    await messages.cancelled(tx, order, refund_xaf=order.delivery_xaf + order.tip_xaf)
    await messages.tell_restaurant(tx, order, "sms.order_withdrawn_paid")
    await settlement.keep_food(tx, order)


async def _cancel_on_way(tx: Tx, order: OrderRow) -> None:
    """Everyone has done their part, and is paid for it."""
    await delivery.call_off(tx, order_id=order.id, actor="customer")
    await messages.cancelled_on_way(tx, order)
    await settlement.release(tx, order)


async def confirm_received(tx: Tx, *, order_id: UUID, person_id: UUID) -> None:
    """The customer says that the meal has arrived: as good as the code. A repeat changes nothing.

    Raises WrongState, NotFound when the order is not this customer's.
    """
    order = await lock(tx, order_id)
    if order.person_id != person_id:
        raise NotFound()
    if order.state in ("DELIVERED", "CLOSED"):
        return
    await delivery.received(tx, order_id=order_id, actor="customer")
    await settlement.deliver(tx, order_id=order_id, how="customer", actor="customer")


# ---- support ---------------------------------------------------------------------------------------------


async def cancel_at_our_cost(tx: Tx, *, order_id: UUID, staff_id: UUID) -> None:
    """The platform's fault, with the meal on its way: everyone is paid, and the payer gets the total back (D18).

    Raises WrongState before the pickup: until then a restaurant refuses, or the customer cancels.
    """
    actor = f"staff:{staff_id}"
    before = await lock(tx, order_id)
    if before.state != "PICKED_UP":
        raise WrongState(number=before.number, state=before.state)
    order = await move(tx, order_id=order_id, to="CANCELLED", actor=actor, was=before.state, fault="platform")
    await delivery.call_off(tx, order_id=order_id, actor=actor)
    await messages.made_good(tx, order)
    await settlement.make_good(tx, order)


async def dispute(tx: Tx, *, order_id: UUID, actor: str) -> None:
    """Something is wrong with a meal on its way: nothing is released until somebody has decided. Raises WrongState."""
    await move(tx, order_id=order_id, to="DISPUTED", actor=actor)


async def resolve(tx: Tx, *, order_id: UUID, staff_id: UUID, refund: bool) -> None:
    """Decide a dispute: the payer gets everything back, or everyone else is paid. Raises WrongState."""
    actor = f"staff:{staff_id}"
    if refund:
        order = await move(tx, order_id=order_id, to="RESOLVED_REFUND", actor=actor)
        await delivery.call_off(tx, order_id=order_id, actor=actor)
        await messages.resolved(tx, order, refund_xaf=order.total_xaf)
        await settlement.refund(tx, order)
    else:
        order = await move(tx, order_id=order_id, to="RESOLVED_PAY", actor=actor)
        await delivery.received(tx, order_id=order_id, actor=actor)
        await messages.resolved(tx, order, refund_xaf=0)
        await settlement.release(tx, order)
