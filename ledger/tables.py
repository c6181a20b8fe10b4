"""The ledger's tables. Only the function `post_journal` (migration 0002) writes them; triggers refuse the rest."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),  # rows are locked in this order
    Column("code", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # +1 where a debit raises the balance, -1 where it lowers it.
    Column(
        "debit_sign",
        SmallInteger,
        Computed("CASE WHEN kind IN ('asset', 'expense') THEN 1 ELSE -1 END", persisted=True),
        nullable=False,
    ),
    Column("balance", BigInteger, nullable=False, server_default="0"),  # on the normal side, in minor units
    Column("min_balance", BigInteger),  # NULL: no lower limit
    Column("version", BigInteger, nullable=False, server_default="0"),  # the sequence of the newest posting
    Column("opened_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('asset', 'liability', 'income', 'expense', 'equity')", name="kind"),
    CheckConstraint("balance >= min_balance", name="floor"),
    UniqueConstraint("id", "currency"),  # so that a posting can be tied to its accounts' currency
    postgresql_with={"fillfactor": 50},  # updated in place, thousands of times
)

journal = Table(
    "journal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # permanent: a repeat in ten years is still a repeat
    Column("request_hash", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("effective_at", DateTime(timezone=True), nullable=False),  # when it counts: reports
    Column("recorded_at", DateTime(timezone=True), nullable=False),  # when it was written: statements
    Column("metadata", JSONB, nullable=False),
)

# One row moves `amount` from the credited to the debited account, so an unbalanced journal cannot be written down.
posting = Table(
    "posting",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("journal_id", BigInteger, ForeignKey("journal.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("debit_account", BigInteger, nullable=False),
    Column("debit_seq", BigInteger, nullable=False),
    Column("debit_balance", BigInteger, nullable=False),  # after this posting
    Column("credit_account", BigInteger, nullable=False),
    Column("credit_seq", BigInteger, nullable=False),
    Column("credit_balance", BigInteger, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    ForeignKeyConstraint(["debit_account", "currency"], ["account.id", "account.currency"]),
    ForeignKeyConstraint(["credit_account", "currency"], ["account.id", "account.currency"]),
    UniqueConstraint("debit_account", "debit_seq"),
    UniqueConstraint("credit_account", "credit_seq"),
    Index(None, "journal_id"),
)
