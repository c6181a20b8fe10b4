"""What outlives a turn: promised texts, reminders of carts, changes of SIM, maintenance."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("effect", sa.Column("foreclosed", sa.Boolean, nullable=False, server_default="false"))
    op.create_table(
        "promise",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("done_key", sa.Text),
        sa.Column("failed_key", sa.Text, nullable=False),
        sa.Column("fields", JSONB, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("gives_up_at", INSTANT),
        sa.Column("outcome", sa.Text),
        sa.CheckConstraint("outcome IN ('done', 'failed')", name="outcome"),
        sa.CheckConstraint("(outcome IS NULL) = (gives_up_at IS NOT NULL)", name="kept"),
    )
    is_open = sa.text("gives_up_at IS NOT NULL")
    op.create_index("ix_promise_gives_up_at", "promise", ["gives_up_at"], postgresql_where=is_open)
    op.create_table(
        "cart_reminder",
        sa.Column("cart_id", sa.Uuid, sa.ForeignKey("cart.id"), primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("sent_at", INSTANT, nullable=False),
    )
    op.create_index("ix_cart_reminder_person_id", "cart_reminder", ["person_id", "sent_at"])
    op.create_index("ix_cart_saved_at", "cart", ["saved_at"], postgresql_where=sa.text("discarded_at IS NULL"))
    op.create_table(
        "maintenance_switch",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("until", INSTANT),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("thrown_by", sa.Text, nullable=False),
        sa.Column("thrown_at", INSTANT, nullable=False),
    )
    op.create_table(
        "sim_change",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("told_at", INSTANT, nullable=False),
        sa.Column("frozen_until", INSTANT, nullable=False),
        sa.Column("proposal_id", sa.Uuid, sa.ForeignKey("proposal.id")),
        sa.UniqueConstraint("source", "reference"),
    )
    op.create_index("ix_sim_change_person_id", "sim_change", ["person_id", "frozen_until"])


def downgrade() -> None:
    op.drop_index("ix_cart_saved_at", "cart")
    for table in ("sim_change", "maintenance_switch", "cart_reminder", "promise"):
        op.drop_table(table)
    # Without its mark, a key that was closed for good would pass for an effect that gave nothing.
    op.execute("DELETE FROM effect WHERE foreclosed")
    op.drop_column("effect", "foreclosed")
