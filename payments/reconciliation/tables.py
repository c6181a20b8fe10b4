"""Tables: which day of which provider was compared, what differed, and where payouts stand still because of it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from core.database import metadata

reconciliation = Table(
    "reconciliation",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("day", Date, primary_key=True),  # of Douala
    Column("lines", Integer, nullable=False),  # in the provider's list
    Column("matched", Integer, nullable=False),  # of them, those that fit their attempt in everything
    Column("ran_at", DateTime(timezone=True), nullable=False),  # the last time
)

reconciliation_item = Table(
    "reconciliation_item",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("exception", Text, nullable=False),
    Column(
        "subject", Text, nullable=False
    ),  # what differs: the provider's reference, our attempt, or a carrier and day
    Column("attempt_id", Uuid, ForeignKey("attempt.id")),
    Column("provider_ref", Text),
    Column("carrier", Text, nullable=False),
    Column("ours_xaf", BigInteger, nullable=False),  # what it does to our float by our books: in positive, out negative
    Column("theirs_xaf", BigInteger, nullable=False),  # the same by the provider
    Column("journal_key", Text),  # booked when it was found
    Column("found_at", DateTime(timezone=True), nullable=False),
    Column("resolution", Text),
    Column("resolved_at", DateTime(timezone=True)),
    Column("proposal_id", Uuid, ForeignKey("proposal.id")),  # where people decided it
    UniqueConstraint("provider", "exception", "subject"),
    CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name="resolved"),
    Index("ix_reconciliation_item_provider_day", "provider", "day"),
    Index("ix_reconciliation_item_open", "provider", postgresql_where=text("resolved_at IS NULL")),
)

# A provider holds less than our books say: no payout draws on that carrier until people have found out why.
payout_freeze = Table(
    "payout_freeze",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("carrier", Text, primary_key=True),
    Column("item_id", Uuid, ForeignKey("reconciliation_item.id"), nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
)
