"""Who may be named as a friend, and who has named whom. The money itself is in the ledger."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Identity, Index, Integer, Table, Text, Uuid

from core.database import metadata

# A code is the serial with its check digit: short, and a mistyped one is nobody's.
referral_code = Table(
    "referral_code",
    metadata,
    Column("serial", Integer, Identity(start=100), primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

# One per referee: nobody is brought twice.
referral = Table(
    "referral",
    metadata,
    Column("referee_id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("referrer_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("credit_xaf", Integer, nullable=False),  # as promised when the code was entered
    Column("referrer_xaf", Integer, nullable=False),  # what the referrer got: nothing beyond the month's number
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('pending', 'completed', 'expired')", name="state"),
    CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled"),
    CheckConstraint("referrer_id <> referee_id", name="never_oneself"),
    CheckConstraint("credit_xaf > 0 AND referrer_xaf IN (0, credit_xaf)", name="amounts"),
    CheckConstraint("state = 'completed' OR referrer_xaf = 0", name="earned"),
    Index("ix_referral_referrer_id", "referrer_id", "entered_at"),
)
Index("ix_referral_pending", referral.c.entered_at, postgresql_where=referral.c.state == "pending")
