"""The ledger's tables. Only its functions (migrations/sql/0008_*.sql) write them; triggers and rights refuse the rest.

Readers go through the views `journal`, `entry` and `account_balance`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata

# "C": compared byte by byte, as codes and keys are.
_Code = Text(collation="C")

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("code", _Code, nullable=False, unique=True),  # rows are locked in this order
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("debit_sign", SmallInteger, nullable=False),  # +1 where a debit raises the balance, -1 where it lowers it
    # On the normal side, in minor units; of a hot account, as of its last mark.
    Column("balance", BigInteger, nullable=False, server_default="0"),
    Column("min_balance", BigInteger),  # NULL: no lower limit
    Column("version", BigInteger, nullable=False, server_default="0"),  # the sequence of the newest posting
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("family", Text, nullable=False, index=True),  # the code without its owner's id
    Column("hot", Boolean, nullable=False),  # without limits: postings do not touch its row
    Column("held", BigInteger, nullable=False, server_default="0"),  # by open holds
    Column("max_balance", BigInteger),
    CheckConstraint("balance - held >= min_balance", name="floor"),
    postgresql_with={"fillfactor": 50},  # updated in place, thousands of times
)

journal_id = Sequence("journal_id", metadata=metadata)

# One row moves `amount` from the credited to the debited account, so an unbalanced journal cannot be written down.
posting = Table(
    "posting",
    metadata,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    Column("amount", BigInteger, nullable=False),
    Column("debit_account", BigInteger, nullable=False),
    Column("debit_seq", BigInteger),  # NULL on the side of a hot account, with its balance
    Column("debit_balance", BigInteger),  # after this leg
    Column("credit_account", BigInteger, nullable=False),
    Column("credit_seq", BigInteger),
    Column("credit_balance", BigInteger),
    Column("effective_at", DateTime(timezone=True), nullable=False),  # when it counts: reports
    Column("recorded_at", DateTime(timezone=True), nullable=False),  # when it was written: statements
    Column("kind", Text, nullable=False),
    # of the journal, on its first leg
    Column("key", _Code),  # permanent: a repeat in ten years is still a repeat
    Column("request_hash", LargeBinary),
    Column("actor", Text),
    Column("reverses", BigInteger),
    Column("metadata", JSONB),
    CheckConstraint("amount > 0 AND debit_account <> credit_account", name="movement"),
    Index("uq_posting_key", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
    Index("uq_posting_reverses", "reverses", unique=True, postgresql_where=text("reverses IS NOT NULL")),
    Index(
        "uq_posting_debit_account_debit_seq",
        "debit_account",
        "debit_seq",
        unique=True,
        postgresql_where=text("debit_seq IS NOT NULL"),
    ),
    Index(
        "uq_posting_credit_account_credit_seq",
        "credit_account",
        "credit_seq",
        unique=True,
        postgresql_where=text("credit_seq IS NOT NULL"),
    ),
    Index("ix_posting_hot_debit", "debit_account", "journal_id", postgresql_where=text("debit_seq IS NULL")),
    Index("ix_posting_hot_credit", "credit_account", "journal_id", postgresql_where=text("credit_seq IS NULL")),
    Index(
        "ix_posting_effective_at",
        "effective_at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

# Part of an account's balance, kept for one purpose until it is captured, released or expired.
hold = Table(
    "hold",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", _Code, nullable=False, unique=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("amount", BigInteger, CheckConstraint("amount > 0", name="amount"), nullable=False),
    Column("captured", BigInteger, nullable=False, server_default="0"),  # what of it was posted
    Column("state", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("journal_id", BigInteger),
    CheckConstraint("state IN ('open', 'captured', 'released', 'expired')", name="state"),
    CheckConstraint(
        "captured BETWEEN 0 AND amount AND (state = 'captured') = (captured > 0)"
        " AND (state = 'captured') = (journal_id IS NOT NULL)",
        name="captured",
    ),
    CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
    Index("ix_hold_expires_at", "expires_at", postgresql_where=text("state = 'open'")),
    Index("ix_hold_account_id", "account_id", postgresql_where=text("state = 'open'")),
)

# A hot account's balance after all journals up to and including `journal_id`; `seq` counts its postings.
balance_mark = Table(
    "balance_mark",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Index("ix_balance_mark_account_id_seq", "account_id", "seq"),
)

# What each family of accounts turned over, by the business day on which it counts.
turnover = Table(
    "turnover",
    metadata,
    Column("family", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("debit", Numeric, nullable=False),
    Column("credit", Numeric, nullable=False),
)

# The state of the books as a whole: one row.
books = Table(
    "books",
    metadata,
    Column("one", Boolean, CheckConstraint("one", name="one"), primary_key=True, server_default="true"),
    Column("marked_to", BigInteger, nullable=False, server_default="0"),  # the last journal that marks have counted
    Column("closed_until", DateTime(timezone=True), nullable=False, server_default="-infinity"),
)

# What became of periods: `ledger.periods`.
period_event = Table(
    "period_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event", Text, CheckConstraint("event IN ('closing', 'closed', 'reopened')", name="event"), nullable=False),
    Column("period", Text, nullable=False),  # 2026-10, or 2026-10-31
    Column("closed_from", DateTime(timezone=True), nullable=False),  # up to here the books were closed before
    Column("closed_until", DateTime(timezone=True), nullable=False),
    Column("journal_id", BigInteger),  # of 'closed': no journal after this one counts in the period
    Column("actor", Text, nullable=False),
    Column("approved_by", Text),  # of 'reopened', which takes two
    Column("reason", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("closed_from < closed_until", name="span"),
    CheckConstraint("(event = 'closed') = (journal_id IS NOT NULL)", name="closed"),
    CheckConstraint(
        "(event = 'reopened') = (approved_by IS NOT NULL) AND (event = 'reopened') = (reason IS NOT NULL)"
        " AND approved_by <> actor",
        name="four_eyes",
    ),
)
