"""Payments, their attempts at providers, and the raw events that providers send."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_LIVE = "state IN ('PREPARED', 'SENT', 'PENDING', 'UNKNOWN', 'QUARANTINED')"

_GUARDS = """
CREATE FUNCTION provider_event_is_insert_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'provider_event is insert-only';
END $$;

CREATE TRIGGER provider_event_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON provider_event
    FOR EACH STATEMENT EXECUTE FUNCTION provider_event_is_insert_only();

-- Refunds of a collection never exceed what was received for it. The collection's row is locked, so that two
-- refunds made at once see each other.
CREATE FUNCTION refund_within_receipts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    received bigint;
    returned bigint;
BEGIN
    PERFORM 1 FROM payment WHERE id = NEW.returns FOR UPDATE;
    SELECT coalesce(sum(received_xaf), 0) INTO received FROM attempt
        WHERE payment_id = NEW.returns AND settled_at IS NOT NULL;
    SELECT coalesce(sum(amount_xaf), 0) INTO returned FROM payment
        WHERE returns = NEW.returns AND state <> 'FAILED';
    IF returned > received THEN
        RAISE EXCEPTION 'refunds of payment % exceed what was received', NEW.returns
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_receipts';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER refund_within_receipts AFTER INSERT OR UPDATE OF returns, amount_xaf, state ON payment
    FOR EACH ROW WHEN (NEW.returns IS NOT NULL AND NEW.state <> 'FAILED')
    EXECUTE FUNCTION refund_within_receipts();
"""


def upgrade() -> None:
    _payment()
    _attempt()
    _provider_event()
    run_script(_GUARDS)


def _payment() -> None:
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("reference", sa.Uuid, nullable=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("amount_xaf", sa.BigInteger, sa.CheckConstraint("amount_xaf > 0", name="amount"), nullable=False),
        sa.Column("phone", sa.LargeBinary, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("carrier", sa.Text, nullable=False),
        sa.Column("account", postgresql.JSONB, nullable=False),
        sa.Column("returns", sa.Uuid, sa.ForeignKey("payment.id")),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("closed_at", _INSTANT),
        sa.CheckConstraint("(kind = 'refund') = (returns IS NOT NULL)", name="returns"),
    )
    op.create_index("ix_payment_reference", "payment", ["reference"])
    op.create_index("ix_payment_returns", "payment", ["returns"], postgresql_where=sa.text("returns IS NOT NULL"))


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, sa.ForeignKey("payment.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("carrier", sa.Text, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("amount_xaf", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("provider_ref", sa.Text),
        sa.Column("session_ref", sa.Text),
        sa.Column("postponed", sa.Boolean, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("sent_at", _INSTANT),
        sa.Column("deadline", _INSTANT),
        sa.Column("next_check_at", _INSTANT),
        sa.Column("reads", sa.Integer, nullable=False),
        sa.Column("released_at", _INSTANT),
        sa.Column("in_transit", sa.Boolean, nullable=False),
        sa.Column("holder", sa.LargeBinary),
        sa.Column("received_xaf", sa.BigInteger),
        sa.Column("fee_xaf", sa.BigInteger),
        sa.Column("settled_at", _INSTANT),
        sa.UniqueConstraint("provider", "provider_ref"),
        sa.CheckConstraint(f"{_LIVE} = false OR next_check_at IS NOT NULL", name="live_has_next_check"),
    )
    live = sa.text(f"{_LIVE} AND released_at IS NULL")
    op.create_index("uq_attempt_live", "attempt", ["payment_id"], unique=True, postgresql_where=live)
    op.create_index("ix_attempt_payment_id", "attempt", ["payment_id"])
    due = sa.text("next_check_at IS NOT NULL")
    op.create_index("ix_attempt_next_check_at", "attempt", ["next_check_at"], postgresql_where=due)
    op.create_index("ix_attempt_phone_index_amount_xaf", "attempt", ["phone_index", "amount_xaf"])
    waiting = sa.text("state = 'PREPARED' AND session_ref IS NOT NULL")
    op.create_index("ix_attempt_session_ref", "attempt", ["session_ref"], postgresql_where=waiting)


def _provider_event() -> None:
    op.create_table(
        "provider_event",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("attempt_id", sa.Uuid, sa.ForeignKey("attempt.id")),
        sa.Column("provider_ref", sa.Text),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.UniqueConstraint("provider", "hash"),
    )
    named = sa.text("attempt_id IS NOT NULL")
    op.create_index("ix_provider_event_attempt_id", "provider_event", ["attempt_id"], postgresql_where=named)


def downgrade() -> None:
    for table in ("provider_event", "attempt", "payment"):
        op.drop_table(table)
    for function in ("provider_event_is_insert_only", "refund_within_receipts"):
        op.execute(f"DROP FUNCTION {function}()")
