"""Placing an order: one per version of a cart, at the price the customer saw, with everything agreed frozen."""

from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects import postgresql

from core.database import Tx
from core.errors import NotFound
from core.ids import new_id, order_number
from ledger import chart
from marketplace.catalogue.queries import Restaurant
from marketplace.ordering import carts, messages, queries, settlement
from marketplace.ordering.errors import CartExpired, NumbersExhausted, PaymentPending, PriceChanged
from marketplace.ordering.pricing import Price, price
from marketplace.ordering.queries import Order
from marketplace.ordering.tables import cart, customer_order, order_line
from marketplace.ordering.transitions import COLUMNS, OrderRow, move, record
from marketplace.people import service as people
from marketplace.people.service import Person
from marketplace.places.service import remember_place
from marketplace.promotions import service as promotions
from payments import service as payments

# Tries for a free 4-digit number. Of 9000, a restaurant and a customer hold a few dozen.
NUMBER_TRIES = 50


async def place(
    tx: Tx,
    *,
    person_id: UUID,
    cart_id: UUID,
    cart_version: int,
    total_xaf: int,
    pay_with: Literal["mobile_money", "wallet"],
    channel: str,
    payer_phone: str | None = None,
    session_id: str | None = None,
) -> Order:
    """Order this version of the cart for `total_xaf`, the total the customer has seen. A repeat gets the same order.

    With mobile money, `payer_phone` (E.164, by default the customer's) is asked for the money, after the USSD
    session `session_id` if there is one. In the wallet (the channel has checked the PIN) it is reserved at once.
    The place becomes one of the customer's saved places.
    Raises PriceChanged, CartExpired, PaymentPending, PlaceMissing, RestaurantClosed, DishUnavailable,
    InsufficientFunds, NotFound, and what payments.request_collection raises.
    """
    # The lock makes simultaneous confirmations queue; the unique index on cart and version stands behind it.
    draft = await tx.first(select(cart).where(cart.c.id == cart_id, cart.c.person_id == person_id).with_for_update())
    if draft is None:
        raise NotFound()
    order_id = await _placed(tx, cart_id, cart_version)
    if order_id is None:
        today = await agree(tx, draft, cart_version, total_xaf)
        payer = await _payer(tx, person_id, None if pay_with == "wallet" else payer_phone)
        chosen = {"payer_id": payer.id, "pay_with": pay_with, "channel": channel}
        order = await _insert(tx, _frozen(tx, draft, today) | chosen, today)
        order_id = order.id
        if today.discount:
            await promotions.reserve(tx, order_id=order_id, person_id=person_id, discount=today.discount)
        await remember_place(tx, person_id=person_id, place=carts.place_of(draft))
        if pay_with == "wallet":
            await offer(tx, order_id=order_id, actor="customer")
            await settlement.reserve(tx, order)
        else:
            await _ask_for_payment(tx, order, payer, session_id)
    return await queries.get(tx, order_id=order_id)


async def _placed(tx: Tx, cart_id: UUID, version: int) -> UUID | None:
    """The order of this version of the cart. Raises PaymentPending when one of another version awaits its payment."""
    columns = customer_order.c.id, customer_order.c.cart_version, customer_order.c.state, customer_order.c.number
    orders = await tx.all(select(*columns).where(customer_order.c.cart_id == cart_id))
    for order in orders:
        if order.cart_version == version:
            return UUID(str(order.id))
    for order in orders:
        if order.state == "AWAITING_PAYMENT":
            raise PaymentPending(number=order.number)
    return None


async def agree(tx: Tx, draft: Row[Any], version: int, total_xaf: int, *, order_id: UUID | None = None) -> Price:
    """Today's price, if it is the one that the customer has seen, for the cart that they have seen.

    `order_id` is the order that was made of it before, if one was.
    """
    if draft.version != version or carts.expired(tx, draft):
        raise CartExpired()
    today = await price(tx, place=carts.place_of(draft), order_id=order_id, **carts.contents_of(draft))
    if today.total_xaf != total_xaf:
        raise PriceChanged(total_xaf=today.total_xaf)
    return today


async def offer(tx: Tx, *, order_id: UUID, actor: str) -> OrderRow:
    """The money is there: PAID, and at once OFFERED to the restaurant by SMS; for later, when it is time.

    Raises WrongState.
    """
    order = await move(tx, order_id=order_id, to="PAID", actor=actor)
    if order.offer_at is None or order.offer_at <= tx.now:
        return await offer_now(tx, order_id=order_id)
    waits = update(customer_order).where(customer_order.c.id == order_id).values(due_at=order.offer_at)
    await tx.run(waits)
    await messages.scheduled(tx, order)
    return order


async def offer_now(tx: Tx, *, order_id: UUID) -> OrderRow:
    """OFFERED to the restaurant by SMS. Raises WrongState."""
    order = await move(tx, order_id=order_id, to="OFFERED", actor="system")
    await messages.offer(tx, order)
    return order


async def _payer(tx: Tx, person_id: UUID, payer_phone: str | None) -> Person:
    """Who pays, and gets back what is refunded."""
    if payer_phone is None:
        return await people.get(tx, person_id=person_id)
    return await people.recognise(tx, phone=payer_phone)


async def _ask_for_payment(tx: Tx, order: OrderRow, payer: Person, session_id: str | None) -> None:
    await payments.request_collection(
        tx,
        purpose="order",
        reference=order.id,
        amount_xaf=order.total_xaf,
        phone=payer.phone,
        credit=chart.escrow(order.id),
        key=f"order:{order.id}",
        session_id=session_id,
    )


def _frozen(tx: Tx, draft: Row[Any], today: Price) -> dict[str, Any]:
    """The cart as it was confirmed, and what later changes of prices, tariff and commission must not touch."""
    copied = ("person_id", "restaurant_id", "quarter_id", "landmark_id", "directions", "contact_phone")
    return {
        **{name: draft._mapping[name] for name in copied},
        "cart_id": draft.id,
        "cart_version": draft.version,
        "place_label": today.place_label,
        "items_xaf": today.items_xaf,
        "delivery_xaf": today.tariff.fee_xaf,
        "tax_xaf": today.tax_xaf,
        "discount_xaf": today.discount_xaf,
        "discount_funder": today.discount and today.discount.funder,
        "tip_xaf": today.tip_xaf,
        "deliver_at": draft.deliver_at,
        "offer_at": today.offer_at,
        "total_xaf": today.total_xaf,
        "commission_bp": commission_bp(tx.settings.commission_bp, today.restaurant),
        "driver_pay_xaf": today.tariff.driver_pay_xaf,
        "tariff_version": today.tariff.version,
        "km": today.tariff.km,
    }


def commission_bp(steps: tuple[tuple[int, int], ...], restaurant: Restaurant) -> int:
    """The restaurant's own rate, else by its lifetime of delivered orders: `steps` of (above, rate) (D7)."""
    if restaurant.commission_bp is not None:
        return restaurant.commission_bp
    return next((rate for above, rate in steps if restaurant.delivered_orders > above), steps[-1][1])


async def _insert(tx: Tx, frozen: dict[str, Any], today: Price) -> OrderRow:
    """The order's row, lines and first event."""
    order = await _numbered(tx, frozen)
    columns = ("dish_id", "dish_number", "name", "quantity", "price_xaf")
    lines = [
        {"order_id": order.id, "position": position, **{name: getattr(line, name) for name in columns}}
        for position, line in enumerate(today.lines, start=1)
    ]
    await tx.run(insert(order_line), lines)
    await record(tx, order_id=order.id, came_from="QUOTED", to="AWAITING_PAYMENT", actor="customer", details={})
    return order


async def _numbered(tx: Tx, frozen: dict[str, Any]) -> OrderRow:
    """The row, under a number that no open order of this customer or restaurant has."""
    row = {"id": new_id(), "state": "AWAITING_PAYMENT", "state_since": tx.now, "placed_at": tx.now, **frozen}
    for _ in range(NUMBER_TRIES):
        numbered = postgresql.insert(customer_order).values(number=order_number(), **row)
        made = await tx.first(numbered.on_conflict_do_nothing().returning(*COLUMNS))
        if made is not None:
            return OrderRow(**made._mapping)
    raise NumbersExhausted()
