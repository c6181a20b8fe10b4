"""What needs two finance users, and reconciliation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _proposals()
    _reviews()


def downgrade() -> None:
    for table in ("review_closed", "proposal"):
        op.drop_table(table)


def _proposals() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Uuid, nullable=False),
        sa.Column("proposed_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("decided_at", INSTANT),
        sa.CheckConstraint("state IN ('open', 'approved', 'rejected', 'withdrawn')", name="state"),
        sa.CheckConstraint("state <> 'approved' OR decided_by <> proposed_by", name="four_eyes"),
        sa.CheckConstraint(
            "(state = 'open') = (decided_by IS NULL) AND (state = 'open') = (decided_at IS NULL)", name="decided"
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 200", name="reason"),
    )
    is_open = sa.text("state = 'open'")
    op.create_index("uq_proposal_open", "proposal", ["kind", "subject"], unique=True, postgresql_where=is_open)


def _reviews() -> None:
    op.create_table(
        "review_closed",
        sa.Column("attempt_id", sa.Uuid, sa.ForeignKey("attempt.id"), primary_key=True),
        sa.Column("proposal_id", sa.Uuid, sa.ForeignKey("proposal.id"), nullable=False, unique=True),
        sa.Column("ruling", sa.Text, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=False),
    )
