"""Carts, orders with everything that was agreed frozen on them, their lines and their history."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata
from marketplace.ordering.states import OPEN, TRANSITIONS
from marketplace.promotions.tables import coupon

cart = Table(
    "cart",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id"), nullable=False),
    Column("version", Integer, nullable=False),  # raised by every change: an order is of one version
    Column("lines", JSONB, nullable=False),  # [{"dish_id", "quantity"}]
    Column("quarter_id", Integer, ForeignKey("quarter.id")),
    Column("landmark_id", Integer, ForeignKey("landmark.id")),
    Column("directions", Text, nullable=False, server_default=""),
    Column("contact_phone", LargeBinary),  # encrypted
    Column("coupon_id", Uuid, ForeignKey(coupon.c.id)),
    Column("tip_xaf", Integer, nullable=False, server_default="0"),
    Column("deliver_at", DateTime(timezone=True)),  # NULL: as soon as it can be had
    Column("channel", Text, nullable=False),
    Column("saved_at", DateTime(timezone=True), nullable=False),
    Column("discarded_at", DateTime(timezone=True)),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("length(directions) <= 60", name="directions"),
    CheckConstraint("tip_xaf >= 0", name="tip"),
    Index("ix_cart_person_id", "person_id", "saved_at"),
    Index("ix_cart_saved_at", "saved_at", postgresql_where=text("discarded_at IS NULL")),
)

# A cart that was left behind, and its customer reminded of it.
cart_reminder = Table(
    "cart_reminder",
    metadata,
    Column("cart_id", Uuid, ForeignKey("cart.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("sent_at", DateTime(timezone=True), nullable=False),
    Index("ix_cart_reminder_person_id", "person_id", "sent_at"),
)

customer_order = Table(
    "customer_order",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", SmallInteger, nullable=False),  # for keypads; unique among open orders only
    Column("state", Text, nullable=False),
    Column("state_since", DateTime(timezone=True), nullable=False),
    # What the sweeper does next (deadlines.py): when, and how many steps of this state are done.
    Column("due_at", DateTime(timezone=True)),
    Column("due_step", SmallInteger, nullable=False, server_default="0"),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("payer_id", Uuid, ForeignKey("person.id"), nullable=False),  # the number that pays; refunds go to it
    Column("pay_with", Text, nullable=False),
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id"), nullable=False),
    Column("cart_id", Uuid, ForeignKey("cart.id"), nullable=False),
    Column("cart_version", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("quarter_id", Integer, ForeignKey("quarter.id"), nullable=False),
    Column("landmark_id", Integer, ForeignKey("landmark.id")),
    Column("directions", Text, nullable=False),
    Column("contact_phone", LargeBinary),  # encrypted
    Column("place_label", Text, nullable=False),
    # Frozen at placement: what the customer agreed to, and how it will be shared out.
    Column("items_xaf", Integer, nullable=False),
    Column("delivery_xaf", Integer, nullable=False),
    Column("tax_xaf", Integer, nullable=False),
    Column("discount_xaf", Integer, nullable=False, server_default="0"),
    Column("discount_funder", Text),
    Column("tip_xaf", Integer, nullable=False, server_default="0"),
    Column("total_xaf", Integer, nullable=False),
    Column("commission_bp", SmallInteger, nullable=False),
    Column("driver_pay_xaf", Integer, nullable=False),
    Column("tariff_version", Integer, ForeignKey("tariff.version"), nullable=False),
    Column("km", SmallInteger, nullable=False),
    Column("deliver_at", DateTime(timezone=True)),  # NULL: as soon as it can be had
    Column("offer_at", DateTime(timezone=True)),  # when the restaurant learns of it
    Column("preparation_minutes", SmallInteger),  # as the restaurant promised when it accepted
    Column("eta_at", DateTime(timezone=True)),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("cart_id", "cart_version"),
    CheckConstraint(f"state IN {tuple(TRANSITIONS)}", name="state"),
    CheckConstraint("number BETWEEN 1000 AND 9999", name="number"),
    CheckConstraint("pay_with IN ('mobile_money', 'wallet')", name="pay_with"),
    CheckConstraint("items_xaf > 0 AND delivery_xaf >= 0 AND tax_xaf >= 0", name="amounts"),
    CheckConstraint("total_xaf = items_xaf + delivery_xaf + tax_xaf + tip_xaf - discount_xaf", name="total"),
    CheckConstraint("tip_xaf >= 0", name="tip"),
    CheckConstraint(
        "discount_xaf BETWEEN 0 AND items_xaf AND (discount_xaf = 0) = (discount_funder IS NULL)", name="discount"
    ),
    CheckConstraint("discount_funder IN ('platform', 'restaurant')", name="discount_funder"),
    CheckConstraint("(deliver_at IS NULL) = (offer_at IS NULL) AND offer_at < deliver_at", name="scheduled"),
    CheckConstraint("driver_pay_xaf BETWEEN 0 AND delivery_xaf", name="driver_pay"),
    CheckConstraint("commission_bp BETWEEN 0 AND 10000", name="commission"),
    Index("ix_customer_order_person_id", "person_id", "placed_at"),
    Index("ix_customer_order_restaurant_id", "restaurant_id", "placed_at"),
)
_open = customer_order.c.state.in_(OPEN)
Index(
    "uq_customer_order_number_of_person",
    customer_order.c.person_id,
    customer_order.c.number,
    unique=True,
    postgresql_where=_open,
)
Index(
    "uq_customer_order_number_of_restaurant",
    customer_order.c.restaurant_id,
    customer_order.c.number,
    unique=True,
    postgresql_where=_open,
)
Index("ix_customer_order_due_at", customer_order.c.due_at, postgresql_where=customer_order.c.due_at.is_not(None))

order_line = Table(
    "order_line",
    metadata,
    Column("order_id", Uuid, ForeignKey("customer_order.id"), primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("dish_id", Uuid, ForeignKey("dish.id"), nullable=False),
    Column("dish_number", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", SmallInteger, nullable=False),
    Column("price_xaf", Integer, nullable=False),  # of one
    CheckConstraint("quantity >= 1", name="quantity"),
    CheckConstraint("price_xaf > 0", name="price"),
)

# One row per change of state. No personal data: an actor is a role, or a role and an id.
order_event = Table(
    "order_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("order_id", Uuid, ForeignKey("customer_order.id"), nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ix_order_event_order_id", "order_id"),
)

# What a customer gives the driver after the meal; a tip at the confirmation is a part of the order's total.
tip = Table(
    "tip",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("customer_order.id"), nullable=False),
    Column("driver_id", Uuid, ForeignKey("driver.id"), nullable=False),
    Column("amount_xaf", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED')", name="state"),
    CheckConstraint("amount_xaf > 0", name="amount"),
)
Index("uq_tip_order_id", tip.c.order_id, unique=True, postgresql_where=tip.c.state.in_(("PENDING", "PAID")))

# A cart that several phones fill: who wants what, until its host orders.
group_order = Table(
    "group_order",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", SmallInteger, nullable=False),  # for keypads; unique among open groups
    Column("host_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
    CheckConstraint("number BETWEEN 1000 AND 9999", name="number"),
)
_gathering = group_order.c.state == "open"
Index("uq_group_order_number", group_order.c.number, unique=True, postgresql_where=_gathering)
Index("uq_group_order_host_id", group_order.c.host_id, unique=True, postgresql_where=_gathering)

group_line = Table(
    "group_line",
    metadata,
    Column("group_id", Uuid, ForeignKey("group_order.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("dish_id", Uuid, ForeignKey("dish.id"), primary_key=True),
    Column("quantity", SmallInteger, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("quantity >= 1", name="quantity"),
)
