"""Coupons (docs/decisions/0021): looked up by number or word, weighed against a cart, reserved with its order.

A reservation locks the coupon's row, so that a limit holds however many order at once; what comes to nothing gives it
back in the transaction that says so.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, exists, func, insert, select, true, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import Conflict, InvalidInput
from core.gsm import plain
from core.ids import new_id
from marketplace.ordering.tables import customer_order
from marketplace.promotions.errors import (
    CouponElsewhere,
    CouponForNewcomers,
    CouponMinimum,
    CouponOver,
    CouponUsed,
    UnknownCoupon,
)
from marketplace.promotions.tables import coupon, coupon_person, coupon_use

Funder = Literal["platform", "restaurant"]
Audience = Literal["all", "new", "chosen"]

MOST_DIGITS = 6  # of a coupon's number; a longer row of digits is none, and no column would hold it

# What came to nothing makes nobody a customer of ours.
NOTHING_CAME = ("PAYMENT_EXPIRED", "REJECTED", "NO_ANSWER", "CANCELLED", "RESOLVED_REFUND")


class CouponTaken(Conflict):
    """Another coupon has this number or this word."""

    text_key = "error.coupon_taken"


class NewCoupon(msgspec.Struct, frozen=True, kw_only=True):
    """What a coupon promises: `percent` of the dishes or `amount_xaf` off them, never more than `max_discount_xaf`.

    `number` is what keypads dial, `code` what is printed. A coupon of the restaurant lowers its share (D7), one of the
    platform is the platform's expense. `restaurant_id` says where it counts, None: everywhere.
    """

    number: int
    code: str
    percent: int | None = None
    amount_xaf: int | None = None
    max_discount_xaf: int | None = None
    min_items_xaf: int = 0
    usage_limit: int | None = None
    per_person_limit: int = 1
    valid_from: datetime
    valid_until: datetime
    audience: Audience = "all"
    funder: Funder = "platform"
    restaurant_id: UUID | None = None


class Discount(msgspec.Struct, frozen=True):
    """What a coupon takes off the dishes of one order, and at whose expense."""

    coupon_id: UUID
    amount_xaf: int
    funder: Funder


async def add(tx: Tx, *, new: NewCoupon, staff_id: UUID, chosen: tuple[UUID, ...] = ()) -> UUID:
    """A new coupon; `chosen` are the persons that one for chosen people is for. Raises CouponTaken, InvalidInput."""
    coupon_id = new_id()
    row = msgspec.structs.asdict(new) | {"code": plain(new.code), "created_by": staff_id, "created_at": tx.now}
    try:
        async with tx.attempt():
            await tx.run(insert(coupon).values(id=coupon_id, **row))
    except IntegrityError as problem:
        raise (CouponTaken() if "uq_" in str(problem.orig) else InvalidInput(field="coupon")) from None
    if chosen:
        await tx.run(insert(coupon_person), [{"coupon_id": coupon_id, "person_id": one} for one in chosen])
    return coupon_id


async def find(tx: Tx, *, typed: str, person_id: UUID, restaurant_id: UUID, items_xaf: int) -> Discount:
    """What the coupon of this number or word is worth to this person now.

    Raises UnknownCoupon, CouponOver, CouponUsed, CouponForNewcomers, CouponElsewhere, CouponMinimum.
    """
    words = plain(typed).replace(" ", "")
    is_number = words.isascii() and words.isdigit() and len(words) <= MOST_DIGITS
    named = coupon.c.number == int(words) if is_number else coupon.c.code == words
    row = await tx.first(select(coupon).where(named)) if len(words) <= 20 else None
    if row is None:
        raise UnknownCoupon()
    return await _weighed(tx, row, person_id, restaurant_id, items_xaf, None)


async def worth(
    tx: Tx,
    *,
    coupon_id: UUID,
    person_id: UUID,
    restaurant_id: UUID,
    items_xaf: int,
    order_id: UUID | None = None,
    locked: bool = False,
) -> Discount | None:
    """What the coupon takes off these dishes now; None when it no longer counts.

    `locked` keeps it so until the transaction ends. `order_id` is the order that it is for, if there is one already:
    while that holds the coupon, it is worth what was agreed.
    """
    held = await _held(tx, order_id) if order_id else None
    if held:
        return held
    statement: Select[Any] = select(coupon).where(coupon.c.id == coupon_id)
    row = await tx.one(statement.with_for_update() if locked else statement)
    if locked and row.audience == "new":
        await tx.queue_up(f"newcomer:{person_id}")  # or two coupons at once would both be of a first order
    try:
        return await _weighed(tx, row, person_id, restaurant_id, items_xaf, order_id)
    except (Conflict, UnknownCoupon):
        return None


async def _held(tx: Tx, order_id: UUID) -> Discount | None:
    use = select(coupon.c.id, coupon_use.c.discount_xaf, coupon.c.funder).join(coupon)
    row = await tx.first(use.where(coupon_use.c.order_id == order_id, coupon_use.c.released_at.is_(None)))
    return Discount(row.id, row.discount_xaf, row.funder) if row else None


async def reserve(tx: Tx, *, order_id: UUID, person_id: UUID, discount: Discount) -> None:
    """Count the coupon as used by this order. It was locked when its worth was told."""
    row = {"coupon_id": discount.coupon_id, "person_id": person_id, "discount_xaf": discount.amount_xaf}
    use = postgresql.insert(coupon_use).values(order_id=order_id, **row, reserved_at=tx.now)
    again = {"reserved_at": tx.now, "released_at": None}
    await tx.run(use.on_conflict_do_update(index_elements=["order_id"], set_=again))
    await tx.run(_used(discount.coupon_id, +1))


async def release(tx: Tx, *, order_id: UUID) -> None:
    """Nothing came of the order: its coupon may be used again. A repeat changes nothing."""
    live = coupon_use.c.order_id == order_id, coupon_use.c.released_at.is_(None)
    given_back = update(coupon_use).where(*live).values(released_at=tx.now).returning(coupon_use.c.coupon_id)
    coupon_id = await tx.value(given_back)
    if coupon_id is not None:
        await tx.run(_used(coupon_id, -1))


def _used(coupon_id: UUID, by: int) -> Any:
    return update(coupon).where(coupon.c.id == coupon_id).values(used=coupon.c.used + by)


# ---- whether it counts -----------------------------------------------------------------------------------


async def _weighed(
    tx: Tx, row: Row[Any], person_id: UUID, restaurant_id: UUID, items_xaf: int, order_id: UUID | None
) -> Discount:
    used_up = row.usage_limit is not None and row.used >= row.usage_limit
    if used_up or not row.valid_from <= tx.now < row.valid_until:
        raise CouponOver()
    if row.restaurant_id not in (None, restaurant_id):
        raise CouponElsewhere()
    least_xaf = max(row.min_items_xaf, -(-100 // row.percent) if row.percent else 0)  # less is not even a franc off
    if items_xaf < least_xaf:
        raise CouponMinimum(minimum_xaf=least_xaf)
    await _for_person(tx, row, person_id, order_id)
    return Discount(row.id, _amount_xaf(row, items_xaf), row.funder)


async def _for_person(tx: Tx, row: Row[Any], person_id: UUID, order_id: UUID | None) -> None:
    """Raises what speaks against this person. The order that the coupon is for makes nobody a customer already."""
    chosen = exists().where(coupon_person.c.coupon_id == row.id, coupon_person.c.person_id == person_id)
    ordered = customer_order.c.person_id == person_id, customer_order.c.state.not_in(NOTHING_CAME)
    another = customer_order.c.id != order_id if order_id else true()
    uses = coupon_use.c.coupon_id == row.id, coupon_use.c.person_id == person_id, coupon_use.c.released_at.is_(None)
    found = await tx.one(
        select(
            chosen.label("chosen"),
            exists().where(*ordered, another).label("known"),
            select(func.count()).where(*uses).scalar_subquery().label("uses"),
        )
    )
    if row.audience == "chosen" and not found.chosen:
        raise UnknownCoupon()
    if row.audience == "new" and found.known:
        raise CouponForNewcomers()
    if found.uses >= row.per_person_limit:
        raise CouponUsed()


def _amount_xaf(row: Row[Any], items_xaf: int) -> int:
    """Rounded down, and never more than the dishes cost: the ride is always paid."""
    amount_xaf = items_xaf * row.percent // 100 if row.percent else row.amount_xaf
    return int(min(amount_xaf, row.max_discount_xaf or amount_xaf, items_xaf))
