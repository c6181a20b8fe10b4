"""Reading orders. These run on every USSD home page, so they are plain SQL, one statement each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from core.database import Tx
from core.errors import NotFound
from core.sealed import seal, seal_encrypted_phone
from marketplace.ordering.states import OPEN, State


class OrderLine(msgspec.Struct, frozen=True):
    """`quantity` of one dish, at the price of the day it was ordered."""

    dish_id: UUID
    dish_number: int
    name: str
    quantity: int
    price_xaf: int  # of one


class Order(msgspec.Struct, frozen=True):
    """An order as people see it. It may be kept in receipts and sessions, so it holds no phone number in the clear."""

    id: UUID
    number: int
    state: State
    person_id: UUID
    restaurant_id: UUID
    restaurant_number: int
    restaurant_name: str
    lines: list[OrderLine]
    items_xaf: int
    delivery_xaf: int
    tax_xaf: int
    discount_xaf: int
    tip_xaf: int
    total_xaf: int
    pay_with: str
    place_label: str
    placed_at: datetime
    deliver_at: datetime | None  # wanted at; None: as soon as it can be had
    eta_at: datetime | None
    # Sealed, and only for the customer while the meal is on its way: what the driver asks for, and how to call them.
    delivery_code: str | None
    driver_phone: str | None


class Standing(msgspec.Struct, frozen=True):
    """What there is of a customer, without the details. A cart that is there may turn out to be ordered."""

    has_cart: bool
    has_live_order: bool
    has_ordered: bool
    is_staff: bool = False  # answers for a restaurant, or drives
    to_rate: UUID | None = None  # the newest delivered order, where no page has asked for its stars yet
    may_register: bool = False  # a guest who was brought a meal, and whom no page has offered a PIN yet


_ORDER = """
SELECT o.id, o.number, o.state, o.person_id, o.restaurant_id, r.number AS restaurant_number, r.name AS restaurant_name,
       o.items_xaf, o.delivery_xaf, o.tax_xaf, o.discount_xaf, o.tip_xaf, o.total_xaf, o.pay_with, o.place_label,
       o.placed_at, o.deliver_at, o.eta_at,
       CASE WHEN o.state = 'PICKED_UP' AND d.code_nonce IS NOT NULL THEN d.id || '.' || d.code_nonce END AS code,
       CASE WHEN o.state = 'PICKED_UP' THEN carrier.phone END AS carrier,
       (SELECT json_agg(json_build_object('dish_id', l.dish_id, 'dish_number', l.dish_number, 'name', l.name,
                                          'quantity', l.quantity, 'price_xaf', l.price_xaf) ORDER BY l.position)
          FROM order_line l WHERE l.order_id = o.id) AS lines
  FROM customer_order o
  JOIN restaurant r ON r.id = o.restaurant_id
  LEFT JOIN delivery d ON d.order_id = o.id
  LEFT JOIN driver ON driver.id = d.driver_id
  LEFT JOIN person carrier ON carrier.id = driver.person_id
"""
_STANDING = """
SELECT EXISTS (SELECT FROM cart WHERE person_id = $1 AND saved_at > $2 AND discarded_at IS NULL) AS has_cart,
       EXISTS (SELECT FROM customer_order WHERE person_id = $1 AND state = ANY($3)) AS has_live_order,
       EXISTS (SELECT FROM customer_order WHERE person_id = $1) AS has_ordered,
       EXISTS (SELECT FROM restaurant_phone WHERE person_id = $1)
           OR EXISTS (SELECT FROM driver WHERE person_id = $1) AS is_staff,
       (SELECT id FROM customer_order AS o
         WHERE person_id = $1 AND placed_at > $4 AND state IN ('DELIVERED', 'CLOSED')
           AND NOT EXISTS (SELECT FROM order_rating WHERE order_id = o.id)
         ORDER BY placed_at DESC LIMIT 1) AS to_rate,
       EXISTS (SELECT FROM person WHERE id = $1 AND pin_hash IS NULL AND register_asked_at IS NULL)
           AND EXISTS (SELECT FROM customer_order WHERE person_id = $1 AND state IN ('DELIVERED', 'CLOSED'))
           AS may_register
"""
_LIVE = _ORDER + "WHERE o.person_id = $1 AND o.state = ANY($2) ORDER BY o.placed_at DESC"
_TRACKED = (
    _ORDER
    + """
 WHERE o.person_id = $1 AND (o.state = ANY($2) OR o.state = 'PAYMENT_EXPIRED' AND EXISTS (
       SELECT FROM cart c WHERE c.id = o.cart_id AND c.version = o.cart_version
          AND c.saved_at > $3 AND c.discarded_at IS NULL))
 ORDER BY o.placed_at DESC
"""
)
_DELIVERED = _ORDER + "WHERE o.person_id = $1 AND o.state = 'DELIVERED' ORDER BY o.state_since DESC LIMIT $2"
_LAST = _ORDER + "WHERE o.person_id = $1 ORDER BY o.placed_at DESC LIMIT 1"
_RECENT = _ORDER + "WHERE o.person_id = $1 ORDER BY o.placed_at DESC LIMIT $2"
_ONE = _ORDER + "WHERE o.id = $1"
_AT_RESTAURANT = _ORDER + "WHERE o.restaurant_id = $1 AND o.state = ANY($2) ORDER BY o.placed_at"
# A number may have been used before: the open order is meant, else the newest.
_BY_NUMBER = _ORDER + "WHERE o.number = $1 AND {owner} = $2 ORDER BY o.state = ANY($3) DESC, o.placed_at DESC LIMIT 1"


async def standing(tx: Tx, *, person_id: UUID) -> Standing:
    """What a returning customer may go on with; one statement, since every dial asks it."""
    since = tx.now - timedelta(minutes=tx.settings.cart_minutes)
    delivered_since = tx.now - timedelta(days=tx.settings.rating_days)
    row = await (await tx.driver()).fetchrow(_STANDING, person_id, since, OPEN, delivered_since)
    return Standing(**row)


async def live_orders(tx: Tx, *, person_id: UUID) -> list[Order]:
    """The customer's open orders, newest first."""
    return await _read(tx, _LIVE, person_id, OPEN, with_code=True)


async def tracked_orders(tx: Tx, *, person_id: UUID) -> list[Order]:
    """The customer's open orders and those that may be paid again, newest first."""
    since = tx.now - timedelta(minutes=tx.settings.cart_minutes)
    return await _read(tx, _TRACKED, person_id, OPEN, since, with_code=True)


async def just_delivered(tx: Tx, *, person_id: UUID, limit: int = 3) -> list[Order]:
    """What the customer got in the last `order_close_hours`, newest first."""
    return await _read(tx, _DELIVERED, person_id, limit)


async def last_order(tx: Tx, *, person_id: UUID) -> Order | None:
    """The customer's newest order, whatever became of it: what "repeat" repeats."""
    found = await _read(tx, _LAST, person_id, with_code=True)
    return found[0] if found else None


async def recent_orders(tx: Tx, *, person_id: UUID, limit: int = 20) -> list[Order]:
    """The customer's orders, newest first."""
    return await _read(tx, _RECENT, person_id, limit, with_code=True)


async def get(tx: Tx, *, order_id: UUID, person_id: UUID | None = None) -> Order:
    """One order; with `person_id` as that customer sees it. Raises NotFound, also when it is not theirs."""
    found = await _read(tx, _ONE, order_id, with_code=person_id is not None)
    if not found or person_id not in (None, found[0].person_id):
        raise NotFound()
    return found[0]


async def find_by_number(
    tx: Tx,
    *,
    number: int,
    person_id: UUID | None = None,
    restaurant_id: UUID | None = None,
    driver_id: UUID | None = None,
) -> Order | None:
    """The order that this customer, restaurant or driver means by `number`; the code only for the customer."""
    owners = {"o.person_id": person_id, "o.restaurant_id": restaurant_id, "d.driver_id": driver_id}
    owner, owner_id = next((column, value) for column, value in owners.items() if value)
    found = await _read(tx, _BY_NUMBER.format(owner=owner), number, owner_id, OPEN, with_code=person_id is not None)
    return found[0] if found else None


async def at_restaurant(tx: Tx, *, restaurant_id: UUID, states: Sequence[State]) -> list[Order]:
    """The restaurant's orders in `states`, oldest first: `OFFERED` are those that wait for its answer."""
    return await _read(tx, _AT_RESTAURANT, restaurant_id, states)


async def _read(tx: Tx, query: str, *arguments: Any, with_code: bool = False) -> list[Order]:
    rows = await (await tx.driver()).fetch(query, *arguments)
    return [_order(dict(row), with_code) for row in rows]


def _order(row: dict[str, Any], with_code: bool) -> Order:
    code, carrier = row.pop("code"), row.pop("carrier")
    lines = msgspec.convert(row.pop("lines"), list[OrderLine])
    sealed = seal("delivery_code", code) if code and with_code else None
    called = seal_encrypted_phone(carrier) if carrier and with_code else None
    return Order(**row, lines=lines, delivery_code=sealed, driver_phone=called)
