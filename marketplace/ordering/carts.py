"""Carts: what a customer is about to order. In PostgreSQL, so that any channel can go on where another stopped.

Every change makes a new version, and an order is of one version: confirming the same page twice is one order.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from core.database import Tx
from core.drivers import Row
from core.errors import InvalidAmount, InvalidInput, NotFound
from core.ids import new_id
from marketplace.catalogue import queries as catalogue
from marketplace.ordering import scheduling
from marketplace.ordering.errors import (
    DishUnavailable,
    EmptyCart,
    PlaceMissing,
    RestaurantClosed,
    TimeNotOffered,
)
from marketplace.ordering.pricing import Extras, Line, PricedLine, quoted
from marketplace.ordering.tables import cart, customer_order, order_line
from marketplace.places.queries import Place
from marketplace.places.service import DIRECTIONS_LENGTH
from marketplace.promotions import service as promotions

# Above this it is a mistyped digit, or a feast that one calls about.
MOST_OF_ONE = 50
MOST_LINES = 30


class Quote(msgspec.Struct, frozen=True):
    """What a cart costs today. Prices may change until the order is placed; then it is asked again."""

    cart_id: UUID
    cart_version: int
    restaurant_name: str
    lines: list[PricedLine]
    items_xaf: int
    delivery_xaf: int
    tax_xaf: int
    discount_xaf: int
    tip_xaf: int
    total_xaf: int
    place_label: str
    expires_at: datetime


class Cart(msgspec.Struct, frozen=True):
    """A cart; `quote` once it has a place, `order_id` once it was ordered and the payment is awaited."""

    cart_id: UUID
    version: int
    restaurant_id: UUID
    restaurant_name: str
    zone_id: int  # the restaurant's
    lines: list[Line]
    place: Place | None
    quote: Quote | None
    channel: str
    saved_at: datetime
    order_id: UUID | None = None
    extras: Extras = Extras()


# Above this a tip is a mistyped number.
MOST_TIP_XAF = 50_000

# The hottest statements of a USSD talk: plain SQL, each alone in its round trip.
_COLUMNS = (
    "restaurant_id, lines, quarter_id, landmark_id, directions, contact_phone, coupon_id, tip_xaf,"
    " deliver_at, channel, saved_at, discarded_at"
)
_VALUES = "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL"
_ADD = f"""
    INSERT INTO cart (id, person_id, version, {_COLUMNS}) VALUES ($1, $2, 1, {_VALUES}) RETURNING *
"""  # noqa: S608 - made of constants
_CHANGE = f"""
    UPDATE cart SET version = version + 1, ({_COLUMNS}) = ROW({_VALUES}) WHERE id = $1 AND person_id = $2 RETURNING *
"""  # noqa: S608 - made of constants
_NEWEST = """
    SELECT cart.*, placed.id AS order_id, placed.state AS order_state
    FROM cart LEFT JOIN customer_order AS placed ON placed.cart_id = cart.id AND cart_version = cart.version
    WHERE cart.person_id = $1 ORDER BY saved_at DESC LIMIT 1
"""


async def save(
    tx: Tx,
    *,
    person_id: UUID,
    restaurant_id: UUID,
    lines: Sequence[Line],
    place: Place | None,
    channel: str,
    cart_id: UUID | None = None,
    extras: Extras = Extras(),  # noqa: B008 - frozen
) -> Cart:
    """A new cart, or the next version of `cart_id`. The same dish twice is one line.

    Raises EmptyCart, InvalidAmount, InvalidInput, RestaurantClosed, DishUnavailable, and NotFound for what does not
    exist or is not this customer's.
    """
    if not 0 <= extras.tip_xaf <= MOST_TIP_XAF:
        raise InvalidAmount()
    contents = msgspec.json.encode(await _checked(tx, restaurant_id, lines)).decode()
    row = await (await tx.driver()).fetchrow(
        _CHANGE if cart_id else _ADD,
        cart_id or new_id(),
        person_id,
        restaurant_id,
        contents,
        *place_columns(place).values(),
        extras.coupon_id,
        extras.tip_xaf,
        extras.deliver_at,
        channel,
        tx.now,
        record_class=Row,
    )
    if row is None:
        raise NotFound()
    return await _cart(tx, row)


async def add_coupon(tx: Tx, *, person_id: UUID, cart_id: UUID, typed: str) -> Cart:
    """The next version of the cart, with the coupon of this number or word.

    Raises what `save` and promotions.find raise.
    """
    row = await tx.first(select(cart).where(cart.c.id == cart_id, cart.c.person_id == person_id))
    if row is None:
        raise NotFound()
    place = place_of(row)
    today = await quoted(tx, place=place, **contents_of(row))
    where = {"restaurant_id": row.restaurant_id, "items_xaf": today.items_xaf}
    discount = await promotions.find(tx, typed=typed, person_id=person_id, **where)
    return await save(
        tx,
        person_id=person_id,
        restaurant_id=row.restaurant_id,
        lines=lines_of(row),
        place=place,
        channel=row.channel,
        cart_id=cart_id,
        extras=msgspec.structs.replace(extras_of(row), coupon_id=discount.coupon_id),
    )


async def hours(tx: Tx, *, cart_id: UUID) -> dict[date, list[datetime]]:
    """When the cart's meal can be had, by day of Douala. Raises NotFound, and what `quote` raises."""
    row = await tx.first(select(cart).where(cart.c.id == cart_id))
    if row is None:
        raise NotFound()
    today = await quoted(tx, place=place_of(row), **contents_of(row) | {"extras": Extras()})
    return scheduling.offered(tx, restaurant=today.restaurant, km=today.tariff.km)


async def open_cart(tx: Tx, *, person_id: UUID) -> Cart | None:
    """The customer's newest cart, if it is younger than `cart_minutes` and can still be ordered.

    An ordered one counts while its payment is awaited: whoever confirms it again gets the same order.
    """
    row = await (await tx.driver()).fetchrow(_NEWEST, person_id, record_class=Row)
    if row is None or expired(tx, row) or row.order_state not in (None, "AWAITING_PAYMENT"):
        return None
    try:
        return await _cart(tx, row, order_id=row.order_id)
    except (RestaurantClosed, DishUnavailable, TimeNotOffered):
        return None


async def quote(tx: Tx, *, cart_id: UUID) -> Quote:
    """What the cart costs now. Raises NotFound, PlaceMissing, RestaurantClosed, DishUnavailable."""
    row = await tx.first(select(cart).where(cart.c.id == cart_id))
    if row is None:
        raise NotFound()
    return await _quote(tx, row, place_of(row), None)


async def repeat_last(tx: Tx, *, person_id: UUID, channel: str) -> Cart:
    """A cart with what the customer ordered last, to the same place. Raises NotFound, and what `save` raises."""
    mine = select(customer_order).where(customer_order.c.person_id == person_id)
    last = await tx.first(mine.order_by(customer_order.c.placed_at.desc()).limit(1))
    if last is None:
        raise NotFound()
    dishes = select(order_line.c.dish_id, order_line.c.quantity).where(order_line.c.order_id == last.id)
    return await save(
        tx,
        person_id=person_id,
        restaurant_id=last.restaurant_id,
        lines=[Line(line.dish_id, line.quantity) for line in await tx.all(dishes.order_by(order_line.c.position))],
        place=place_of(last),
        channel=channel,
    )


async def discard(tx: Tx, *, person_id: UUID) -> None:
    """Start anew: the customer's carts are not offered again. Orders made of them stay."""
    mine = cart.c.person_id == person_id, cart.c.saved_at > tx.now - _lifetime(tx), cart.c.discarded_at.is_(None)
    await tx.run(update(cart).where(*mine).values(discarded_at=tx.now))


def expired(tx: Tx, row: Any) -> bool:
    """Whether the cart of `row` was discarded, or is older than `cart_minutes` (D2)."""
    return row.discarded_at is not None or row.saved_at <= tx.now - _lifetime(tx)


def _lifetime(tx: Tx) -> timedelta:
    return timedelta(minutes=tx.settings.cart_minutes)


# ---- rows ------------------------------------------------------------------------------------------------


def place_columns(place: Place | None) -> dict[str, Any]:
    """A place as carts and orders store it, in the order of their columns."""
    if place is None:
        return {"quarter_id": None, "landmark_id": None, "directions": "", "contact_phone": None}
    if len(place.directions) > DIRECTIONS_LENGTH:
        raise InvalidInput(field="directions")
    return msgspec.structs.asdict(place)


def place_of(row: Any) -> Place:
    """The place that `place_columns` stored. Raises PlaceMissing."""
    if row.quarter_id is None:
        raise PlaceMissing()
    return Place(row.quarter_id, row.landmark_id, row.directions, row.contact_phone)


def contents_of(row: Any) -> dict[str, Any]:
    """Everything of a cart but its place, as the price is asked with."""
    return {
        "person_id": row.person_id,
        "restaurant_id": row.restaurant_id,
        "lines": lines_of(row),
        "extras": extras_of(row),
    }


def lines_of(row: Any) -> list[Line]:
    return msgspec.convert(row.lines, list[Line])


def extras_of(row: Any) -> Extras:
    return Extras(row.coupon_id, row.tip_xaf, row.deliver_at)


async def _checked(tx: Tx, restaurant_id: UUID, lines: Sequence[Line]) -> list[Line]:
    """One line per dish of this restaurant's menu. Raises EmptyCart, NotFound."""
    quantities: dict[UUID, int] = {}
    for line in lines:
        quantities[line.dish_id] = quantities.get(line.dish_id, 0) + line.quantity
    if not 1 <= len(quantities) <= MOST_LINES or not all(1 <= n <= MOST_OF_ONE for n in quantities.values()):
        raise EmptyCart(most=MOST_OF_ONE)
    menu = {dish.id for dish in await catalogue.known_dishes(tx, restaurant_id=restaurant_id, available_only=False)}
    if not quantities.keys() <= menu:
        raise NotFound()
    return [Line(dish_id, quantity) for dish_id, quantity in quantities.items()]


async def _cart(tx: Tx, row: Any, *, order_id: UUID | None = None) -> Cart:
    place = place_of(row) if row.quarter_id else None
    restaurant = await catalogue.known_restaurant(tx, restaurant_id=row.restaurant_id)
    return Cart(
        cart_id=row.id,
        version=row.version,
        restaurant_id=row.restaurant_id,
        restaurant_name=restaurant.name,
        zone_id=restaurant.zone_id,
        lines=lines_of(row),
        place=place,
        quote=await _quote(tx, row, place, order_id) if place else None,
        channel=row.channel,
        saved_at=row.saved_at,
        order_id=order_id,
        extras=extras_of(row),
    )


async def _quote(tx: Tx, row: Any, place: Place, order_id: UUID | None) -> Quote:
    today = await quoted(tx, place=place, order_id=order_id, **contents_of(row))
    return Quote(
        cart_id=row.id,
        cart_version=row.version,
        restaurant_name=today.restaurant.name,
        lines=today.lines,
        items_xaf=today.items_xaf,
        delivery_xaf=today.tariff.fee_xaf,
        tax_xaf=today.tax_xaf,
        discount_xaf=today.discount_xaf,
        tip_xaf=today.tip_xaf,
        total_xaf=today.total_xaf,
        place_label=today.place_label,
        expires_at=min(tx.now + timedelta(minutes=tx.settings.quote_minutes), row.saved_at + _lifetime(tx)),
    )
