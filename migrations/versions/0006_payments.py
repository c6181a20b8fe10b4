"""Payments through several providers: look-ups, native refunds, reversals, health and maintenance."""

import sqlalchemy as sa
from alembic import op

from migrations.scripts import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_PAYING_OUT = "kind <> 'collect' AND state IN ('SENT', 'PENDING', 'UNKNOWN')"

# What a provider took back was not received: no refund may be made of it, and a surplus of it that had gone back
# already is no refund of anything else. Only what makes refunds more is checked: the outcome of one that was under way
# when its collection was taken back is a fact, and must be booked. As in 0004 but for that.
_REFUND_WITHIN_RECEIPTS = """
CREATE OR REPLACE FUNCTION refund_within_receipts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    received bigint;
    returned bigint;
BEGIN{unless_it_grows}
    PERFORM 1 FROM payment WHERE id = NEW.returns FOR UPDATE;
    SELECT coalesce(sum(received_xaf), 0) INTO received FROM attempt
        WHERE payment_id = NEW.returns AND settled_at IS NOT NULL{and_not_reversed};
    SELECT coalesce(sum(amount_xaf), 0) INTO returned FROM payment
        WHERE returns = NEW.returns AND state <> 'FAILED'{and_not_of_reversed};
    IF returned > received THEN
        RAISE EXCEPTION 'refunds of payment % exceed what was received', NEW.returns
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_receipts';
    END IF;
    RETURN NULL;
END $$;
"""
_UNLESS_IT_GROWS = """
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state <> 'FAILED' AND OLD.amount_xaf = NEW.amount_xaf AND OLD.returns IS NOT DISTINCT FROM NEW.returns
        THEN
            RETURN NULL;
        END IF;
    END IF;"""
_AND_NOT_REVERSED = """
        AND NOT EXISTS (SELECT FROM reversal WHERE attempt_id = attempt.id)"""
_AND_NOT_OF_REVERSED = """
        AND NOT EXISTS (SELECT FROM reversal WHERE payment.key = 'surplus:' || attempt_id)"""


def upgrade() -> None:
    op.add_column("attempt", sa.Column("returns", sa.Uuid, sa.ForeignKey("attempt.id")))
    op.add_column("attempt", sa.Column("absences", sa.Integer, nullable=False, server_default="0"))
    paying_out = sa.text(_PAYING_OUT)
    op.create_index("ix_attempt_paying_out", "attempt", ["provider", "carrier"], postgresql_where=paying_out)
    _reversal()
    _health()
    run_script(
        _REFUND_WITHIN_RECEIPTS.format(
            unless_it_grows=_UNLESS_IT_GROWS,
            and_not_reversed=_AND_NOT_REVERSED,
            and_not_of_reversed=_AND_NOT_OF_REVERSED,
        )
    )


def _reversal() -> None:
    op.create_table(
        "reversal",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("attempt_id", sa.Uuid, sa.ForeignKey("attempt.id"), nullable=False, unique=True),
        sa.Column("amount_xaf", sa.BigInteger, nullable=False),
        sa.Column("journal_key", sa.Text, nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=False),
        sa.Column("closed_at", _INSTANT),
    )


def _health() -> None:
    op.create_table(
        "provider_health",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("carrier", sa.Text, primary_key=True),
        sa.Column("direction", sa.Text, primary_key=True),
        sa.Column("recent", sa.Text, nullable=False),
        sa.Column("fee_bp", sa.Integer),
        sa.Column("latency_ms", sa.Integer),
        sa.Column("opened_at", _INSTANT),
        sa.Column("probe_at", _INSTANT),
        sa.Column("updated_at", _INSTANT, nullable=False),
    )
    op.create_table(
        "provider_maintenance",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("carrier", sa.Text, primary_key=True),
        sa.Column("since", _INSTANT, nullable=False),
    )


def downgrade() -> None:
    run_script(_REFUND_WITHIN_RECEIPTS.format(unless_it_grows="", and_not_reversed="", and_not_of_reversed=""))
    for table in ("provider_maintenance", "provider_health", "reversal"):
        op.drop_table(table)
    op.drop_index("ix_attempt_paying_out", "attempt")
    op.drop_column("attempt", "absences")
    op.drop_column("attempt", "returns")
