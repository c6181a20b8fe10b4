"""Referrals, ratings, points that lapse, forgotten PINs, cases that customers open, alerts of a low balance."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _points()
    _referrals()
    _ratings()
    _pins()
    _cases()
    _alerts()


def downgrade() -> None:
    _only_operations_cases()
    op.drop_column("person", "register_asked_at")
    op.drop_column("person", "pin_reset_at")
    for table in ("restaurant", "driver"):
        op.drop_column(table, "stars")
        op.drop_column(table, "ratings")
    for table in ("low_balance_alert", "pin_reset", "order_rating", "referral", "referral_code"):
        op.drop_table(table)
    op.drop_index("ix_points_earned_unlapsed", "points_earned")
    op.drop_column("points_earned", "lapsed_at")


def _points() -> None:
    op.add_column("points_earned", sa.Column("lapsed_at", INSTANT))
    unlapsed = sa.text("lapsed_at IS NULL")
    op.create_index("ix_points_earned_unlapsed", "points_earned", ["earned_at"], postgresql_where=unlapsed)


def _referrals() -> None:
    op.create_table(
        "referral_code",
        sa.Column("serial", sa.Integer, sa.Identity(start=100), primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False, unique=True),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "referral",
        sa.Column("referee_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("referrer_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("credit_xaf", sa.Integer, nullable=False),
        sa.Column("referrer_xaf", sa.Integer, nullable=False),
        sa.Column("entered_at", INSTANT, nullable=False),
        sa.Column("settled_at", INSTANT),
        sa.CheckConstraint("state IN ('pending', 'completed', 'expired')", name="state"),
        sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled"),
        sa.CheckConstraint("referrer_id <> referee_id", name="never_oneself"),
        sa.CheckConstraint("credit_xaf > 0 AND referrer_xaf IN (0, credit_xaf)", name="amounts"),
        sa.CheckConstraint("state = 'completed' OR referrer_xaf = 0", name="earned"),
    )
    op.create_index("ix_referral_referrer_id", "referral", ["referrer_id", "entered_at"])
    op.create_index("ix_referral_pending", "referral", ["entered_at"], postgresql_where=sa.text("state = 'pending'"))


def _ratings() -> None:
    op.create_table(
        "order_rating",
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), primary_key=True),
        sa.Column("asked_at", INSTANT),
        sa.Column("restaurant_stars", sa.SmallInteger),
        sa.Column("driver_stars", sa.SmallInteger),
        sa.Column("rated_at", INSTANT),
        sa.CheckConstraint("restaurant_stars BETWEEN 1 AND 5", name="restaurant_stars"),
        sa.CheckConstraint("driver_stars BETWEEN 1 AND 5", name="driver_stars"),
        sa.CheckConstraint("(rated_at IS NULL) = (restaurant_stars IS NULL)", name="rated"),
        sa.CheckConstraint("driver_stars IS NULL OR rated_at IS NOT NULL", name="driver_with_meal"),
    )
    for table in ("restaurant", "driver"):
        op.add_column(table, sa.Column("stars", sa.Integer, nullable=False, server_default="0"))
        op.add_column(table, sa.Column("ratings", sa.Integer, nullable=False, server_default="0"))


def _pins() -> None:
    op.add_column("person", sa.Column("pin_reset_at", INSTANT))
    op.add_column("person", sa.Column("register_asked_at", INSTANT))
    op.create_table(
        "pin_reset",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("proved_at", INSTANT),
        sa.Column("used_at", INSTANT),
        sa.CheckConstraint("used_at IS NULL OR proved_at IS NOT NULL", name="proved_before_used"),
    )
    op.create_index("ix_pin_reset_person_id", "pin_reset", ["person_id", "asked_at"])


def _cases() -> None:
    op.add_column("support_case", sa.Column("number", sa.Integer, sa.Identity(start=100), nullable=False, unique=True))
    op.add_column("support_case", sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id")))
    op.add_column("support_case", sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id")))
    op.create_index("ix_support_case_person_id", "support_case", ["person_id", "opened_at"])
    op.execute(
        "CREATE UNIQUE INDEX uq_support_case_of_person ON support_case (person_id, kind, order_id)"
        " NULLS NOT DISTINCT WHERE closed_at IS NULL AND person_id IS NOT NULL"
    )


def _alerts() -> None:
    op.create_table(
        "low_balance_alert",
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("amount_xaf", sa.Integer, nullable=False),
        sa.Column("told_at", INSTANT),
        sa.CheckConstraint("amount_xaf > 0", name="amount"),
    )


def _only_operations_cases() -> None:
    op.execute("DELETE FROM support_case WHERE person_id IS NOT NULL")
    op.drop_index("uq_support_case_of_person", "support_case")
    op.drop_index("ix_support_case_person_id", "support_case")
    for name in ("number", "person_id", "order_id"):
        op.drop_column("support_case", name)
