"""Coupons, whom some of them are for, and the orders they were used for."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from core.database import metadata

coupon = Table(
    "coupon",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),  # the code for keypads
    Column("code", Text, nullable=False, unique=True),  # plain: lower case, letters and digits
    Column("percent", SmallInteger),  # of the dishes; or
    Column("amount_xaf", Integer),  # so much off them
    Column("max_discount_xaf", Integer),
    Column("min_items_xaf", Integer, nullable=False),
    Column("usage_limit", Integer),  # of all people together; NULL: none
    Column("per_person_limit", SmallInteger, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), nullable=False),
    Column("audience", Text, nullable=False),
    Column("funder", Text, nullable=False),  # whose income it lowers
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id")),  # only there
    Column("used", Integer, nullable=False, server_default="0"),  # the live rows of coupon_use
    Column("created_by", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("number BETWEEN 1000 AND 999999", name="number"),
    CheckConstraint("code ~ '^[a-z][a-z0-9]{2,19}$'", name="code"),
    CheckConstraint("(percent IS NULL) <> (amount_xaf IS NULL)", name="kind"),
    CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
    CheckConstraint("amount_xaf > 0 AND max_discount_xaf > 0 AND min_items_xaf >= 0", name="amounts"),
    CheckConstraint("usage_limit > 0 AND per_person_limit > 0", name="limits"),
    CheckConstraint("used >= 0 AND used <= usage_limit", name="used"),
    CheckConstraint("valid_from < valid_until", name="valid"),
    CheckConstraint("audience IN ('all', 'new', 'chosen')", name="audience"),
    CheckConstraint("funder = 'platform' OR funder = 'restaurant' AND restaurant_id IS NOT NULL", name="funder"),
)

# Whom a coupon for chosen people is for.
coupon_person = Table(
    "coupon_person",
    metadata,
    Column("coupon_id", Uuid, ForeignKey("coupon.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), primary_key=True),
)

# Taken when the order is placed, given back when nothing was cooked for it.
coupon_use = Table(
    "coupon_use",
    metadata,
    Column("order_id", Uuid, ForeignKey("customer_order.id"), primary_key=True),
    Column("coupon_id", Uuid, ForeignKey("coupon.id"), nullable=False),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("discount_xaf", Integer, nullable=False),
    Column("reserved_at", DateTime(timezone=True), nullable=False),
    Column("released_at", DateTime(timezone=True)),
    CheckConstraint("discount_xaf > 0", name="discount"),
    Index("ix_coupon_use_coupon_id", "coupon_id", "person_id"),
)
