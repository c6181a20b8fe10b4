"""Coupons, scheduled and shared orders, tips, favourites."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _places()
    _coupons()
    _orders()
    _groups()


def downgrade() -> None:
    _old_orders()
    for table in ("group_line", "group_order", "coupon_person", "coupon", "favourite"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_restaurant_hours"), "restaurant")
    op.drop_column("restaurant", "closes_minute")
    op.drop_column("restaurant", "opens_minute")
    op.drop_column("saved_place", "name")


def _places() -> None:
    op.add_column("saved_place", sa.Column("name", sa.Text))
    op.create_check_constraint("name", "saved_place", "length(name) BETWEEN 1 AND 20")
    op.add_column("restaurant", sa.Column("opens_minute", sa.SmallInteger, nullable=False, server_default="480"))
    op.add_column("restaurant", sa.Column("closes_minute", sa.SmallInteger, nullable=False, server_default="1320"))
    hours = "0 <= opens_minute AND opens_minute < closes_minute AND closes_minute <= 1440"
    op.create_check_constraint("hours", "restaurant", hours)
    op.create_table(
        "favourite",
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id"), primary_key=True),
        sa.Column("since", INSTANT, nullable=False),
    )


def _coupons() -> None:
    op.create_table(
        "coupon",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("code", sa.Text, nullable=False, unique=True),
        sa.Column("percent", sa.SmallInteger),
        sa.Column("amount_xaf", sa.Integer),
        sa.Column("max_discount_xaf", sa.Integer),
        sa.Column("min_items_xaf", sa.Integer, nullable=False),
        sa.Column("usage_limit", sa.Integer),
        sa.Column("per_person_limit", sa.SmallInteger, nullable=False),
        sa.Column("valid_from", INSTANT, nullable=False),
        sa.Column("valid_until", INSTANT, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("funder", sa.Text, nullable=False),
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id")),
        sa.Column("used", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("number BETWEEN 1000 AND 999999", name="number"),
        sa.CheckConstraint("code ~ '^[a-z][a-z0-9]{2,19}$'", name="code"),
        sa.CheckConstraint("(percent IS NULL) <> (amount_xaf IS NULL)", name="kind"),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
        sa.CheckConstraint("amount_xaf > 0 AND max_discount_xaf > 0 AND min_items_xaf >= 0", name="amounts"),
        sa.CheckConstraint("usage_limit > 0 AND per_person_limit > 0", name="limits"),
        sa.CheckConstraint("used >= 0 AND used <= usage_limit", name="used"),
        sa.CheckConstraint("valid_from < valid_until", name="valid"),
        sa.CheckConstraint("audience IN ('all', 'new', 'chosen')", name="audience"),
        sa.CheckConstraint("funder = 'platform' OR funder = 'restaurant' AND restaurant_id IS NOT NULL", name="funder"),
    )
    op.create_table(
        "coupon_person",
        sa.Column("coupon_id", sa.Uuid, sa.ForeignKey("coupon.id"), primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
    )


def _orders() -> None:
    op.add_column("cart", sa.Column("coupon_id", sa.Uuid, sa.ForeignKey("coupon.id")))
    op.add_column("cart", sa.Column("deliver_at", INSTANT))
    op.add_column("cart", sa.Column("tip_xaf", sa.Integer, nullable=False, server_default="0"))
    op.create_check_constraint("tip", "cart", "tip_xaf >= 0")
    op.add_column("customer_order", sa.Column("discount_xaf", sa.Integer, nullable=False, server_default="0"))
    op.add_column("customer_order", sa.Column("discount_funder", sa.Text))
    op.add_column("customer_order", sa.Column("deliver_at", INSTANT))
    op.add_column("customer_order", sa.Column("offer_at", INSTANT))
    op.add_column("customer_order", sa.Column("tip_xaf", sa.Integer, nullable=False, server_default="0"))
    op.execute("ALTER TABLE customer_order DROP CONSTRAINT ck_customer_order_total")
    total = "total_xaf = items_xaf + delivery_xaf + tax_xaf + tip_xaf - discount_xaf"
    op.create_check_constraint("total", "customer_order", total)
    op.create_check_constraint("tip", "customer_order", "tip_xaf >= 0")
    discount = "discount_xaf BETWEEN 0 AND items_xaf AND (discount_xaf = 0) = (discount_funder IS NULL)"
    op.create_check_constraint("discount", "customer_order", discount)
    scheduled = "(deliver_at IS NULL) = (offer_at IS NULL) AND offer_at < deliver_at"
    op.create_check_constraint("scheduled", "customer_order", scheduled)
    op.create_check_constraint("discount_funder", "customer_order", "discount_funder IN ('platform', 'restaurant')")
    op.create_table(
        "coupon_use",
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), primary_key=True),
        sa.Column("coupon_id", sa.Uuid, sa.ForeignKey("coupon.id"), nullable=False),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("discount_xaf", sa.Integer, nullable=False),
        sa.Column("reserved_at", INSTANT, nullable=False),
        sa.Column("released_at", INSTANT),
        sa.CheckConstraint("discount_xaf > 0", name="discount"),
    )
    op.create_index("ix_coupon_use_coupon_id", "coupon_use", ["coupon_id", "person_id"])
    _tips()


def _tips() -> None:
    op.create_table(
        "tip",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), nullable=False),
        sa.Column("driver_id", sa.Uuid, sa.ForeignKey("driver.id"), nullable=False),
        sa.Column("amount_xaf", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED')", name="state"),
        sa.CheckConstraint("amount_xaf > 0", name="amount"),
    )
    live = sa.text("state IN ('PENDING', 'PAID')")
    op.create_index("uq_tip_order_id", "tip", ["order_id"], unique=True, postgresql_where=live)


def _groups() -> None:
    op.create_table(
        "group_order",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("host_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('open', 'closed')", name="state"),
        sa.CheckConstraint("number BETWEEN 1000 AND 9999", name="number"),
    )
    gathering = sa.text("state = 'open'")
    for column in ("number", "host_id"):
        name = f"uq_group_order_{column}"
        op.create_index(name, "group_order", [column], unique=True, postgresql_where=gathering)
    op.create_table(
        "group_line",
        sa.Column("group_id", sa.Uuid, sa.ForeignKey("group_order.id"), primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("dish_id", sa.Uuid, sa.ForeignKey("dish.id"), primary_key=True),
        sa.Column("quantity", sa.SmallInteger, nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.CheckConstraint("quantity >= 1", name="quantity"),
    )


def _old_orders() -> None:
    """Discounts and tips did not exist: orders with any cannot be said in the old tables."""
    op.drop_table("tip")
    op.drop_table("coupon_use")
    for name in ("scheduled", "discount_funder", "discount", "tip", "total"):
        op.drop_constraint(op.f(f"ck_customer_order_{name}"), "customer_order")
    for name in ("offer_at", "deliver_at", "tip_xaf", "discount_funder", "discount_xaf"):
        op.drop_column("customer_order", name)
    op.execute(
        "ALTER TABLE customer_order ADD CONSTRAINT ck_customer_order_total"
        " CHECK (total_xaf = items_xaf + delivery_xaf + tax_xaf) NOT VALID"
    )
    op.drop_column("cart", "tip_xaf")
    op.drop_column("cart", "deliver_at")
    op.drop_column("cart", "coupon_id")
