"""Top-ups that were asked for, and who wants to hear of a low balance. The money itself is in the ledger."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid

from core.database import metadata

top_up = Table(
    "top_up",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the request's: a repeat finds the same top-up
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("payer_id", Uuid, ForeignKey("person.id"), nullable=False),  # the number that is charged
    Column("amount_xaf", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED')", name="state"),
    CheckConstraint("amount_xaf > 0", name="amount"),
    Index("ix_top_up_person_id", "person_id", "created_at"),
)

low_balance_alert = Table(
    "low_balance_alert",
    metadata,
    Column("person_id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("amount_xaf", Integer, nullable=False),  # the top-up that is offered
    Column("told_at", DateTime(timezone=True)),
    CheckConstraint("amount_xaf > 0", name="amount"),
)
