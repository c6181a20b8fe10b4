"""Carts, orders, and the requests that move customers', restaurants' and drivers' money; then deliveries and SMS."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _ordering()
    _requests()
    _delivery()


def downgrade() -> None:
    for table in reversed((*ORDERING_TABLES, *DELIVERY_TABLES)):
        op.drop_table(table)


ORDERING_TABLES = ("cart", "customer_order", "order_line", "order_event", "top_up", "payout", "points_earned")


def _ordering() -> None:
    op.create_table(
        "cart",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("lines", JSONB, nullable=False),
        sa.Column("quarter_id", sa.Integer, sa.ForeignKey("quarter.id")),
        sa.Column("landmark_id", sa.Integer, sa.ForeignKey("landmark.id")),
        sa.Column("directions", sa.Text, nullable=False, server_default=""),
        sa.Column("contact_phone", sa.LargeBinary),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
        sa.Column("discarded_at", INSTANT),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.CheckConstraint("length(directions) <= 60", name="directions"),
    )
    op.create_index("ix_cart_person_id", "cart", ["person_id", "saved_at"])
    op.create_table(
        "customer_order",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_since", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("due_step", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("payer_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("pay_with", sa.Text, nullable=False),
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id"), nullable=False),
        sa.Column("cart_id", sa.Uuid, sa.ForeignKey("cart.id"), nullable=False),
        sa.Column("cart_version", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("quarter_id", sa.Integer, sa.ForeignKey("quarter.id"), nullable=False),
        sa.Column("landmark_id", sa.Integer, sa.ForeignKey("landmark.id")),
        sa.Column("directions", sa.Text, nullable=False),
        sa.Column("contact_phone", sa.LargeBinary),
        sa.Column("place_label", sa.Text, nullable=False),
        sa.Column("items_xaf", sa.Integer, nullable=False),
        sa.Column("delivery_xaf", sa.Integer, nullable=False),
        sa.Column("tax_xaf", sa.Integer, nullable=False),
        sa.Column("total_xaf", sa.Integer, nullable=False),
        sa.Column("commission_bp", sa.SmallInteger, nullable=False),
        sa.Column("driver_pay_xaf", sa.Integer, nullable=False),
        sa.Column("tariff_version", sa.Integer, sa.ForeignKey("tariff.version"), nullable=False),
        sa.Column("km", sa.SmallInteger, nullable=False),
        sa.Column("preparation_minutes", sa.SmallInteger),
        sa.Column("eta_at", INSTANT),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.UniqueConstraint("cart_id", "cart_version"),
        sa.CheckConstraint(
            "state IN ('DRAFT', 'QUOTED', 'AWAITING_PAYMENT', 'PAID', 'OFFERED', 'ACCEPTED', 'READY', 'PICKED_UP',"
            " 'DELIVERED', 'DISPUTED', 'CLOSED', 'PAYMENT_EXPIRED', 'REJECTED', 'NO_ANSWER', 'CANCELLED',"
            " 'FAILED_DELIVERY', 'RESOLVED_PAY', 'RESOLVED_REFUND')",
            name="state",
        ),
        sa.CheckConstraint("number BETWEEN 1000 AND 9999", name="number"),
        sa.CheckConstraint("pay_with IN ('mobile_money', 'wallet')", name="pay_with"),
        sa.CheckConstraint("items_xaf > 0 AND delivery_xaf >= 0 AND tax_xaf >= 0", name="amounts"),
        sa.CheckConstraint("total_xaf = items_xaf + delivery_xaf + tax_xaf", name="total"),
        sa.CheckConstraint("driver_pay_xaf BETWEEN 0 AND delivery_xaf", name="driver_pay"),
        sa.CheckConstraint("commission_bp BETWEEN 0 AND 10000", name="commission"),
    )
    op.create_index("ix_customer_order_person_id", "customer_order", ["person_id", "placed_at"])
    op.create_index("ix_customer_order_restaurant_id", "customer_order", ["restaurant_id", "placed_at"])
    still_open = sa.text(
        "state IN ('AWAITING_PAYMENT', 'PAID', 'OFFERED', 'ACCEPTED', 'READY', 'PICKED_UP', 'DISPUTED')"
    )
    for owner in ("person", "restaurant"):
        op.create_index(
            f"uq_customer_order_number_of_{owner}",
            "customer_order",
            [f"{owner}_id", "number"],
            unique=True,
            postgresql_where=still_open,
        )
    op.create_index(
        "ix_customer_order_due_at", "customer_order", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "order_line",
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), primary_key=True),
        sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("dish_id", sa.Uuid, sa.ForeignKey("dish.id"), nullable=False),
        sa.Column("dish_number", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("quantity", sa.SmallInteger, nullable=False),
        sa.Column("price_xaf", sa.Integer, nullable=False),
        sa.CheckConstraint("quantity >= 1", name="quantity"),
        sa.CheckConstraint("price_xaf > 0", name="price"),
    )
    op.create_table(
        "order_event",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), nullable=False),
        sa.Column("from_state", sa.Text, nullable=False),
        sa.Column("to_state", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("ix_order_event_order_id", "order_event", ["order_id"])


def _requests() -> None:
    op.create_table(
        "top_up",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("payer_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("amount_xaf", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED')", name="state"),
        sa.CheckConstraint("amount_xaf > 0", name="amount"),
    )
    op.create_index("ix_top_up_person_id", "top_up", ["person_id", "created_at"])
    op.create_table(
        "payout",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("payee_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("amount_xaf", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("owner IN ('restaurant', 'driver')", name="owner"),
        sa.CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED')", name="state"),
        sa.CheckConstraint("amount_xaf > 0", name="amount"),
    )
    op.create_index("ix_payout_owner_id", "payout", ["owner_id", "created_at"])
    op.create_index(
        "uq_payout_pending",
        "payout",
        ["owner_id", "amount_xaf"],
        unique=True,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_table(
        "points_earned",
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("earned_at", INSTANT, nullable=False),
        sa.CheckConstraint("points > 0", name="points"),
    )
    op.create_index("ix_points_earned_person_id", "points_earned", ["person_id", "earned_at"])


DELIVERY_TABLES = (
    "delivery",
    "delivery_offer",
    "delivery_event",
    "code_miss",
    "support_case",
    "outgoing_sms",
    "delivery_report",
    "sms_opt_out",
    "incoming_sms",
)


def _delivery() -> None:
    _deliveries()
    _messages()


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("customer_order.id"), nullable=False, unique=True),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("driver_id", sa.Uuid, sa.ForeignKey("driver.id")),
        sa.Column("wave", sa.SmallInteger, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("code_nonce", sa.Text),
        sa.Column("handed_over_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "state IN ('WAITING', 'OFFERING', 'ASSIGNED', 'AT_RESTAURANT', 'PICKED_UP', 'AT_DOOR', 'HANDED_OVER',"
            " 'FAILED', 'RETURNING', 'RETURNED')",
            name="state",
        ),
        sa.CheckConstraint(
            "driver_id IS NOT NULL OR state NOT IN ('ASSIGNED', 'AT_RESTAURANT', 'PICKED_UP', 'AT_DOOR')",
            name="somebodys_job",
        ),
    )
    op.create_index("ix_delivery_due_at", "delivery", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(
        "uq_delivery_number_of_driver",
        "delivery",
        ["driver_id", "number"],
        unique=True,
        postgresql_where=sa.text("state IN ('ASSIGNED', 'AT_RESTAURANT', 'PICKED_UP', 'AT_DOOR')"),
    )
    op.create_table(
        "delivery_offer",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("delivery_id", sa.Uuid, sa.ForeignKey("delivery.id"), nullable=False),
        sa.Column("driver_id", sa.Uuid, sa.ForeignKey("driver.id"), nullable=False),
        sa.Column("wave", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("inputs", JSONB, nullable=False),
        sa.Column("offered_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.UniqueConstraint("delivery_id", "driver_id", "wave"),
        sa.CheckConstraint("state IN ('offered', 'accepted', 'returned', 'ignored', 'withdrawn')", name="state"),
    )
    op.create_index("ix_delivery_offer_driver_id", "delivery_offer", ["driver_id", "offered_at"])
    op.create_index(
        "uq_delivery_offer_accepted",
        "delivery_offer",
        ["delivery_id"],
        unique=True,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_table(
        "delivery_event",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("delivery_id", sa.Uuid, sa.ForeignKey("delivery.id"), nullable=False),
        sa.Column("from_state", sa.Text, nullable=False),
        sa.Column("to_state", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("ix_delivery_event_delivery_id", "delivery_event", ["delivery_id"])
    op.create_table(
        "code_miss",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("delivery_id", sa.Uuid, sa.ForeignKey("delivery.id"), nullable=False),
        sa.Column("driver_id", sa.Uuid, sa.ForeignKey("driver.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("kind IN ('pickup_number', 'delivery_code')", name="kind"),
    )
    op.create_index("ix_code_miss_delivery_id", "code_miss", ["delivery_id"])
    op.create_index("ix_code_miss_driver_id_day", "code_miss", ["driver_id", "day"])
    op.create_table(
        "support_case",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Uuid, sa.ForeignKey("delivery.id")),
        sa.Column("driver_id", sa.Uuid, sa.ForeignKey("driver.id")),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
    )
    op.create_index(
        "uq_support_case_open",
        "support_case",
        ["kind", "delivery_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _messages() -> None:
    op.create_table(
        "outgoing_sms",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("phone", sa.LargeBinary, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("text_key", sa.Text, nullable=False),
        sa.Column("params", JSONB, nullable=False),
        sa.Column("about", sa.Uuid),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("useful_until", INSTANT),
        sa.Column("provider", sa.Text),
        sa.Column("provider_message_id", sa.Text),
        sa.Column("provider_status", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT),
        sa.UniqueConstraint("provider", "provider_message_id"),
    )
    op.create_index(
        "ix_outgoing_sms_due_at", "outgoing_sms", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "delivery_report",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("provider_message_id", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
    )
    op.create_table(
        "sms_opt_out",
        sa.Column("phone_index", sa.LargeBinary, primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "incoming_sms",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("provider_message_id", sa.Text, nullable=False),
        sa.Column("phone", sa.LargeBinary, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("echo_key", sa.Text),
        sa.Column("reply_id", sa.Uuid, sa.ForeignKey("outgoing_sms.id")),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.UniqueConstraint("provider", "provider_message_id"),
    )
    op.create_index(
        "ix_incoming_sms_echo_key", "incoming_sms", ["echo_key"], postgresql_where=sa.text("echo_key IS NOT NULL")
    )
    op.create_index("ix_incoming_sms_phone_index_received_at", "incoming_sms", ["phone_index", "received_at"])
