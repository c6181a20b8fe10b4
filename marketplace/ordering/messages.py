"""Every SMS that an order sends to its customer, its payer and its restaurant.

A customer's undisturbed order costs three: accepted, on the way (written by delivery) and delivered. What goes
wrong, and what goes back, comes on top.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from core.database import Tx
from core.gsm import SMS_SEPTETS, fold, septets, shorten
from core.texts import DEFAULT_LANGUAGE, say
from marketplace.catalogue import queries as catalogue
from marketplace.delivery.tables import delivery
from marketplace.notifications.rendering import Params
from marketplace.notifications.service import notify
from marketplace.ordering import scheduling
from marketplace.ordering.tables import order_line
from marketplace.ordering.transitions import OrderRow
from marketplace.people import service as people
from marketplace.people.service import Person
from marketplace.people.tables import driver
from payments.states import Failure

_NOTHING: Params = {}

# What an order's dishes are cut to, step by step, until they fit one SMS; then they go by number, as on the wall.
NAME_WIDTHS = (40, 24, 16, 12, 9)

# Why a payment failed, as far as the customer can do something about it.
_UNPAID = {
    Failure.REJECTED: "sms.order_unpaid_rejected",
    Failure.INSUFFICIENT_FUNDS: "sms.order_unpaid_balance",
    Failure.LIMIT: "sms.order_unpaid_limit",
}


# ---- to the customer -------------------------------------------------------------------------------------


async def scheduled(tx: Tx, order: OrderRow) -> None:
    """Paid, for later: what comes before the first of the three, which may be a day away."""
    assert order.deliver_at is not None, "only a meal for later is scheduled"
    when = {"restaurant": await _restaurant_name(tx, order), "when": scheduling.told(order.deliver_at)}
    await _customer(tx, order, "sms.order_scheduled", {**when, "total_xaf": order.total_xaf}, dial="3")


async def accepted(tx: Tx, order: OrderRow, *, minutes: int) -> None:
    """Paid and accepted: the first of the three."""
    restaurant = await _restaurant_name(tx, order)
    promised: Params = {"restaurant": restaurant, "minutes": minutes, "total_xaf": order.total_xaf}
    await _customer(tx, order, "sms.order_accepted", promised, dial="3")


async def delivered(tx: Tx, order: OrderRow, *, points: int) -> None:
    """The receipt: the last of the three."""
    receipt = {
        "items_xaf": order.items_xaf,
        "delivery_xaf": order.delivery_xaf,
        "tax_xaf": order.tax_xaf,
        "total_xaf": order.total_xaf,
        "points": points,
    }
    key = "sms.order_delivered_taxed" if order.tax_xaf else "sms.order_delivered"
    if order.discount_xaf or order.tip_xaf:
        key = "sms.order_delivered_extras"
        receipt |= {"discount_xaf": order.discount_xaf, "tip_xaf": order.tip_xaf}
    await _customer(tx, order, key, receipt)


async def unpaid(tx: Tx, order: OrderRow, failure: Failure | None, *, again: bool) -> None:
    """The payment failed; nothing was taken. With `again` it may be paid again on Track, else ordered again."""
    key = "sms.order_unpaid" if failure is None else _UNPAID.get(failure, "sms.order_unpaid")
    await _customer(tx, order, key, dial="3" if again else "1")


async def payment_expired(tx: Tx, order: OrderRow, *, again: bool) -> None:
    """No payment in time; a prompt may still be live. `again` as for a payment that failed."""
    await _customer(tx, order, "sms.order_unpaid_expired", dial="3" if again else "1")


async def refused(tx: Tx, order: OrderRow) -> None:
    await _refunded(tx, order, "sms.order_refused")


async def unanswered(tx: Tx, order: OrderRow) -> None:
    await _refunded(tx, order, "sms.order_unanswered")


async def cancelled(tx: Tx, order: OrderRow, *, refund_xaf: int) -> None:
    """Cancelled by the customer: `refund_xaf` goes back, the rest was owed already."""
    kept_xaf = order.total_xaf - refund_xaf
    key = "sms.order_cancelled" if not kept_xaf else "sms.order_cancelled_cooked"
    await _customer(tx, order, key, {"refund_xaf": refund_xaf, "kept_xaf": kept_xaf})
    await _payer(tx, order, refund_xaf)


async def cancelled_unpaid(tx: Tx, order: OrderRow) -> None:
    await _customer(tx, order, "sms.order_cancelled_unpaid")


async def cancelled_on_way(tx: Tx, order: OrderRow) -> None:
    await _customer(tx, order, "sms.order_cancelled_on_way", {"total_xaf": order.total_xaf})


async def made_good(tx: Tx, order: OrderRow) -> None:
    await _customer(tx, order, "sms.order_made_good", {"total_xaf": order.total_xaf})
    await _payer(tx, order, order.total_xaf)


async def not_delivered(tx: Tx, order: OrderRow) -> None:
    await _customer(tx, order, "sms.order_not_delivered")


async def resolved(tx: Tx, order: OrderRow, *, refund_xaf: int) -> None:
    """A dispute was decided: for the customer (all back) or for the others (nothing back)."""
    key = "sms.order_resolved_refund" if refund_xaf else "sms.order_resolved_pay"
    await _customer(tx, order, key, {"refund_xaf": refund_xaf})
    await _payer(tx, order, refund_xaf)


async def ask_received(tx: Tx, order: OrderRow) -> None:
    """Half an hour on the way and no code yet: ask both ends (D19)."""
    await _customer(tx, order, "sms.order_unconfirmed", dial="3")
    carrying = select(driver.c.person_id).join(delivery, delivery.c.driver_id == driver.c.id)
    driver_person_id = await tx.value(carrying.where(delivery.c.order_id == order.id))
    await _person(tx, order, driver_person_id, "sms.order_unconfirmed_driver")


async def _refunded(tx: Tx, order: OrderRow, key: str) -> None:
    restaurant = await _restaurant_name(tx, order)
    await _customer(tx, order, key, {"restaurant": restaurant, "total_xaf": order.total_xaf}, dial="2")
    await _payer(tx, order, order.total_xaf)


async def _payer(tx: Tx, order: OrderRow, refund_xaf: int) -> None:
    """Who paid for somebody else learns that the money is theirs again."""
    if refund_xaf and order.payer_id != order.person_id:
        await _person(tx, order, order.payer_id, "sms.refund_to_payer", {"refund_xaf": refund_xaf}, dial="4")


async def _customer(tx: Tx, order: OrderRow, key: str, params: Params = _NOTHING, *, dial: str = "") -> None:
    await _person(tx, order, order.person_id, key, params, dial=dial)


async def _person(
    tx: Tx, order: OrderRow, person_id: UUID, key: str, params: Params = _NOTHING, *, dial: str = ""
) -> None:
    """`dial` is the function behind the service code that the text offers (`3`: track)."""
    offered = {"dial": f"{tx.settings.service_code.removesuffix('#')}*{dial}#"} if dial else {}
    await _send(tx, order, await people.get(tx, person_id=person_id), key, {**params, **offered})


async def _send(tx: Tx, order: OrderRow, person: Person, key: str, params: Params) -> None:
    numbered = {**params, "number": order.number}
    await notify(tx, phone=person.phone, language=person.language, key=key, params=numbered, about=order.id)


# ---- to the restaurant -----------------------------------------------------------------------------------


async def offer(tx: Tx, order: OrderRow, *, phone_position: int = 0, minutes_left: int | None = None) -> None:
    """A new order, to one of the restaurant's phones; with `minutes_left`, the reminder of it."""
    staff = await catalogue.restaurant_staff(tx, restaurant_id=order.restaurant_id)
    if phone_position >= len(staff):
        return
    person = staff[phone_position]
    language = person.language or DEFAULT_LANGUAGE
    params: dict[str, str | int] = {"number": order.number, "items_xaf": order.items_xaf}
    key = "sms.order_offered"
    if minutes_left is not None:
        key, params = "sms.order_reminder", {**params, "minutes": minutes_left}
    room = SMS_SEPTETS - septets(fold(say(language, key, **params, items="")))
    params["items"] = await _items(tx, order, room)
    until = order.state_since + timedelta(minutes=tx.settings.restaurant_refuse_minutes)
    await notify(tx, phone=person.phone, language=language, key=key, params=params, about=order.id, useful_until=until)


async def tell_restaurant(tx: Tx, order: OrderRow, key: str, params: Params = _NOTHING) -> None:
    """One fact about the order to every phone that may have answered for it."""
    for person in await catalogue.restaurant_staff(tx, restaurant_id=order.restaurant_id):
        await _send(tx, order, person, key, params)


async def _items(tx: Tx, order: OrderRow, room: int) -> str:
    """The dishes in at most `room` septets: `2 Ndole+plantain, 1 Jus`, or by number: `2*12 1*13`.

    A feast by number may take a second part: a dish that the kitchen does not read is worse. No letters, so that
    nothing cuts it on its way out.
    """
    columns = order_line.c.quantity, order_line.c.name, order_line.c.dish_number
    lines = await tx.all(select(*columns).where(order_line.c.order_id == order.id).order_by(order_line.c.position))
    for width in NAME_WIDTHS:
        text = ", ".join(f"{line.quantity} {shorten(fold(line.name), width)}" for line in lines)
        if septets(text) <= room:
            return text
    return " ".join(f"{line.quantity}*{line.dish_number}" for line in lines)


async def _restaurant_name(tx: Tx, order: OrderRow) -> str:
    return (await catalogue.get_restaurant(tx, restaurant_id=order.restaurant_id)).name
