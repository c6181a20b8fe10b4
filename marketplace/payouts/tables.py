"""Payouts that were asked for. Sending them is the payments package's work; their money is in the ledger."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid, text

from core.database import metadata

payout = Table(
    "payout",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the request's: a repeat finds the same payout
    Column("owner", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),  # of the restaurant or driver; a customer's is the person's
    Column("payee_id", Uuid, ForeignKey("person.id"), nullable=False),  # the number that receives it
    Column("amount_xaf", Integer, nullable=False),
    Column("asked_xaf", Integer, nullable=False),  # what its instalments so far sum to
    Column("paid_xaf", Integer, nullable=False),  # what has arrived
    Column("purpose", Text, nullable=False),  # what it is for: earnings, withdrawal, batch, approved
    Column("note", Text, nullable=False),  # the same in finance's own words
    Column("state", Text, nullable=False),
    Column("due_at", DateTime(timezone=True)),  # when the next instalment goes out
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("owner IN ('restaurant', 'driver', 'customer')", name="owner"),
    CheckConstraint("purpose IN ('earnings', 'withdrawal', 'batch', 'approved')", name="purpose"),
    CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED', 'PARTLY_PAID')", name="state"),
    CheckConstraint("amount_xaf > 0", name="amount"),
    CheckConstraint("0 <= paid_xaf AND paid_xaf <= asked_xaf AND asked_xaf <= amount_xaf", name="instalments"),
    CheckConstraint("due_at IS NULL OR state = 'PENDING'", name="due"),
    Index("ix_payout_owner_id", "owner_id", "created_at"),
    Index("ix_payout_payee_id", "payee_id", "created_at"),
    Index("ix_payout_created_at", "created_at"),
    Index("ix_payout_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)
# One live payout per beneficiary and amount: a second request is a repeat, or comes after the first.
Index(
    "uq_payout_pending",
    payout.c.owner_id,
    payout.c.amount_xaf,
    unique=True,
    postgresql_where=payout.c.state == "PENDING",
)
