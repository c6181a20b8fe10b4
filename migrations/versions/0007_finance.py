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
    _payouts()
    _reconciliation()


def downgrade() -> None:
    _old_payouts()
    for table in ("payee", "payout_freeze", "reconciliation_item", "reconciliation", "review_closed", "proposal"):
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
    op.create_table(
        "payee",
        sa.Column("phone_index", sa.LargeBinary, primary_key=True),
        sa.Column("holder", sa.LargeBinary, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
    )


_NEW_PAYOUT_COLUMNS = ("asked_xaf", "paid_xaf", "purpose", "note", "due_at")
_PAYOUT_CHECKS = {
    "owner": "owner IN ('restaurant', 'driver', 'customer')",
    "purpose": "purpose IN ('earnings', 'withdrawal', 'batch', 'approved')",
    "state": "state IN ('PENDING', 'PAID', 'FAILED', 'PARTLY_PAID')",
    "instalments": "0 <= paid_xaf AND paid_xaf <= asked_xaf AND asked_xaf <= amount_xaf",
    "due": "due_at IS NULL OR state = 'PENDING'",
}


def _payouts() -> None:
    op.execute("ALTER TABLE payout DROP CONSTRAINT ck_payout_owner, DROP CONSTRAINT ck_payout_state")
    op.add_column("payout", sa.Column("asked_xaf", sa.Integer))
    op.add_column("payout", sa.Column("paid_xaf", sa.Integer))
    op.add_column("payout", sa.Column("purpose", sa.Text))
    op.add_column("payout", sa.Column("note", sa.Text))
    op.add_column("payout", sa.Column("due_at", INSTANT))
    op.execute(
        "UPDATE payout SET asked_xaf = amount_xaf, purpose = 'earnings', note = '',"
        " paid_xaf = CASE WHEN state = 'PAID' THEN amount_xaf ELSE 0 END"
    )
    for name in ("asked_xaf", "paid_xaf", "purpose", "note"):
        op.alter_column("payout", name, nullable=False)
    for name, check in _PAYOUT_CHECKS.items():
        op.create_check_constraint(name, "payout", check)
    op.create_index("ix_payout_payee_id", "payout", ["payee_id", "created_at"])
    op.create_index("ix_payout_created_at", "payout", ["created_at"])
    op.create_index("ix_payout_due_at", "payout", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def _old_payouts() -> None:
    """Withdrawals and halves of payouts did not exist."""
    op.execute("DELETE FROM payout WHERE owner = 'customer'")
    op.execute("UPDATE payout SET state = 'PAID' WHERE state = 'PARTLY_PAID'")
    op.drop_index("ix_payout_payee_id", "payout")
    op.drop_index("ix_payout_created_at", "payout")
    for name in _PAYOUT_CHECKS:
        op.drop_constraint(op.f(f"ck_payout_{name}"), "payout")
    for name in _NEW_PAYOUT_COLUMNS:
        op.drop_column("payout", name)
    op.create_check_constraint("owner", "payout", "owner IN ('restaurant', 'driver')")
    op.create_check_constraint("state", "payout", "state IN ('PENDING', 'PAID', 'FAILED')")


def _reconciliation() -> None:
    op.create_table(
        "reconciliation",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("matched", sa.Integer, nullable=False),
        sa.Column("ran_at", INSTANT, nullable=False),
    )
    op.create_table(
        "reconciliation_item",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("exception", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("attempt_id", sa.Uuid, sa.ForeignKey("attempt.id")),
        sa.Column("provider_ref", sa.Text),
        sa.Column("carrier", sa.Text, nullable=False),
        sa.Column("ours_xaf", sa.BigInteger, nullable=False),
        sa.Column("theirs_xaf", sa.BigInteger, nullable=False),
        sa.Column("journal_key", sa.Text),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.Column("resolution", sa.Text),
        sa.Column("resolved_at", INSTANT),
        sa.Column("proposal_id", sa.Uuid, sa.ForeignKey("proposal.id")),
        sa.UniqueConstraint("provider", "exception", "subject"),
        sa.CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name="resolved"),
    )
    op.create_index("ix_reconciliation_item_provider_day", "reconciliation_item", ["provider", "day"])
    is_open = sa.text("resolved_at IS NULL")
    op.create_index("ix_reconciliation_item_open", "reconciliation_item", ["provider"], postgresql_where=is_open)
    op.create_table(
        "payout_freeze",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("carrier", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Uuid, sa.ForeignKey("reconciliation_item.id"), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
    )
