"""One event per turn of a conversation, experiments; and any language that has a catalogue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ussd_event",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session_ref", sa.Text, nullable=False),
        sa.Column("run_ref", sa.Text),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("network", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("journey", sa.Text),
        sa.Column("answered", sa.Text),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("asks", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("page", sa.SmallInteger, nullable=False),
        sa.Column("septets", sa.SmallInteger, nullable=False),
        sa.Column("ms", sa.REAL, nullable=False),
        sa.Column("variants", ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.Text, nullable=False),
    )
    op.create_index("ix_ussd_event_at", "ussd_event", ["at"])
    op.create_index("ix_ussd_event_session_ref", "ussd_event", ["session_ref", "id"])
    op.drop_constraint(op.f("ck_person_language"), "person")


def downgrade() -> None:
    op.execute("UPDATE person SET language = 'en' WHERE language NOT IN ('fr', 'en')")
    op.create_check_constraint(op.f("ck_person_language"), "person", "language IN ('fr', 'en')")
    op.drop_table("ussd_event")
