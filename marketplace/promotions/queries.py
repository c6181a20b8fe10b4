"""Which coupons a person may use now, to be shown before anybody has typed one."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import case, exists, func, or_, select, true

from core.database import Tx
from marketplace.catalogue.tables import restaurant
from marketplace.ordering.tables import customer_order
from marketplace.promotions.service import NOTHING_CAME
from marketplace.promotions.tables import coupon, coupon_person, coupon_use

MOST_SHOWN = 10


class Standing(msgspec.Struct, frozen=True):
    """A coupon as staff see it: how often it is used, and what it has taken off orders."""

    number: int
    code: str
    percent: int | None
    amount_xaf: int | None
    funder: str
    usage_limit: int | None
    used: int
    given_xaf: int
    valid_until: datetime


class Offer(msgspec.Struct, frozen=True):
    """A coupon: `percent` or `amount_xaf` off dishes of at least `min_items_xaf`, perhaps at one restaurant only."""

    number: int
    percent: int | None
    amount_xaf: int | None
    min_items_xaf: int
    restaurant_name: str | None


async def offers(tx: Tx, *, person_id: UUID) -> list[Offer]:
    """What counts now for this person, those that end first at the top."""
    used = select(func.count()).where(
        coupon_use.c.coupon_id == coupon.c.id,
        coupon_use.c.person_id == person_id,
        coupon_use.c.released_at.is_(None),
    )
    chosen = exists().where(coupon_person.c.coupon_id == coupon.c.id, coupon_person.c.person_id == person_id)
    known = exists().where(customer_order.c.person_id == person_id, customer_order.c.state.not_in(NOTHING_CAME))
    counts = (
        coupon.c.valid_from <= tx.now,
        coupon.c.valid_until > tx.now,
        or_(coupon.c.usage_limit.is_(None), coupon.c.used < coupon.c.usage_limit),
        case((coupon.c.audience == "new", ~known), (coupon.c.audience == "chosen", chosen), else_=true()),
        used.scalar_subquery() < coupon.c.per_person_limit,
    )
    columns = (coupon.c.number, coupon.c.percent, coupon.c.amount_xaf, coupon.c.min_items_xaf)
    found = (
        select(*columns, restaurant.c.name.label("restaurant_name"))
        .outerjoin(restaurant, restaurant.c.id == coupon.c.restaurant_id)
        .where(*counts)
        .order_by(coupon.c.valid_until, coupon.c.number)
        .limit(MOST_SHOWN)
    )
    return [Offer(**row._mapping) for row in await tx.all(found)]


async def standings(tx: Tx) -> list[Standing]:
    """Every coupon, the newest first."""
    live = coupon_use.c.coupon_id == coupon.c.id, coupon_use.c.released_at.is_(None)
    given = select(func.coalesce(func.sum(coupon_use.c.discount_xaf), 0)).where(*live).scalar_subquery()
    columns = [coupon.c[name] for name in Standing.__struct_fields__ if name != "given_xaf"]
    found = select(*columns, given.label("given_xaf")).order_by(coupon.c.created_at.desc(), coupon.c.number)
    return [Standing(**row._mapping) for row in await tx.all(found)]
