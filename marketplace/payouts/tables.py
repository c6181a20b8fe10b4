"""Payouts that restaurants and drivers asked for. Sending them is the payments package's work."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid

from core.database import metadata

payout = Table(
    "payout",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the request's: a repeat finds the same payout
    Column("owner", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),  # of the restaurant or driver
    Column("payee_id", Uuid, ForeignKey("person.id"), nullable=False),  # the number that receives it
    Column("amount_xaf", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("owner IN ('restaurant', 'driver')", name="owner"),
    CheckConstraint("state IN ('PENDING', 'PAID', 'FAILED')", name="state"),
    CheckConstraint("amount_xaf > 0", name="amount"),
    Index("ix_payout_owner_id", "owner_id", "created_at"),
)
# One live payout per beneficiary and amount: a second request is a repeat, or comes after the first.
Index(
    "uq_payout_pending",
    payout.c.owner_id,
    payout.c.amount_xaf,
    unique=True,
    postgresql_where=payout.c.state == "PENDING",
)
