"""Orders, and what follows them: payments in and out of wallets, deliveries, and the SMS of all of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _delivery()


def downgrade() -> None:
    for table in reversed(DELIVERY_TABLES):
        op.drop_table(table)


DELIVERY_TABLES = ("outgoing_sms", "delivery_report", "sms_opt_out", "incoming_sms")


def _delivery() -> None:
    _notifications()


def _notifications() -> None:
    op.create_table(
        "outgoing_sms",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("phone", sa.LargeBinary, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("text_key", sa.Text, nullable=False),
        sa.Column("params", postgresql.JSONB, nullable=False),
        sa.Column("about", sa.Uuid),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("useful_until", sa.DateTime(timezone=True)),
        sa.Column("provider", sa.Text),
        sa.Column("provider_message_id", sa.Text),
        sa.Column("provider_status", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("provider", "provider_message_id", name="uq_outgoing_sms_provider_provider_message_id"),
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
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "sms_opt_out",
        sa.Column("phone_index", sa.LargeBinary, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
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
        sa.Column("reply_id", sa.Uuid, sa.ForeignKey("outgoing_sms.id", name="fk_incoming_sms_reply_id_outgoing_sms")),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("provider", "provider_message_id", name="uq_incoming_sms_provider_provider_message_id"),
    )
    op.create_index(
        "ix_incoming_sms_echo_key", "incoming_sms", ["echo_key"], postgresql_where=sa.text("echo_key IS NOT NULL")
    )
    op.create_index("ix_incoming_sms_phone_index_received_at", "incoming_sms", ["phone_index", "received_at"])
