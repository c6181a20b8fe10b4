"""Tables: what is owed (payment), each try at a provider (attempt), money that a provider took back (reversal), what
providers told us (provider_event), and how they are (provider_health, provider_maintenance).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata

_LIVE = "state IN ('PREPARED', 'SENT', 'PENDING', 'UNKNOWN', 'QUARANTINED')"
_PAYING_OUT = "kind <> 'collect' AND state IN ('SENT', 'PENDING', 'UNKNOWN')"

payment = Table(
    "payment",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("purpose", Text, nullable=False),  # the caller's word: what the outcome handlers go by
    Column("reference", Uuid, nullable=False),  # the order, top-up or payout it is for
    Column("key", Text, nullable=False, unique=True),
    Column("amount_xaf", BigInteger, CheckConstraint("amount_xaf > 0", name="amount"), nullable=False),
    Column("phone", LargeBinary, nullable=False),
    Column("phone_index", LargeBinary, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("account", JSONB, nullable=False),  # the ledger account that a collection credits and a payout debits
    Column("returns", Uuid, ForeignKey("payment.id")),  # a refund: the collection whose money goes back
    Column("state", Text, nullable=False),
    Column("failure", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    CheckConstraint("(kind = 'refund') = (returns IS NOT NULL)", name="returns"),
    Index("ix_payment_reference", "reference"),
    Index("ix_payment_returns", "returns", postgresql_where=text("returns IS NOT NULL")),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Uuid, primary_key=True),  # a UUID4: our `external_reference` at every provider
    Column("payment_id", Uuid, ForeignKey("payment.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("phone_index", LargeBinary, nullable=False),
    Column("amount_xaf", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("evidence", Text),  # what the state rests on: NOT_SENT ConnectError, REFUSED ER101, READ FAILED …
    Column("failure", Text),
    Column("provider_ref", Text),
    Column("returns", Uuid, ForeignKey("attempt.id")),  # a native refund: the attempt it returns, at the same provider
    Column("session_ref", Text),  # born in this USSD session: the prompt waits for its end
    Column("postponed", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("deadline", DateTime(timezone=True)),  # a collection ends; a payout of unknown fate goes to people
    Column("next_check_at", DateTime(timezone=True)),  # when to send, to give up the lease, or to read again
    Column("reads", Integer, nullable=False),
    Column("absences", Integer, nullable=False, server_default="0"),  # times the provider said that nothing is there
    Column("released_at", DateTime(timezone=True)),  # the customer's consent to another prompt
    Column("in_transit", Boolean, nullable=False),  # a payout whose money rests in in_transit, not in clearing
    Column("holder", LargeBinary),  # the payee's name as the provider told it, encrypted
    Column("received_xaf", BigInteger),  # what the provider says was moved
    Column("fee_xaf", BigInteger),
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("provider", "provider_ref"),
    CheckConstraint(f"{_LIVE} = false OR next_check_at IS NOT NULL", name="live_has_next_check"),
    Index("uq_attempt_live", "payment_id", unique=True, postgresql_where=text(f"{_LIVE} AND released_at IS NULL")),
    Index("ix_attempt_payment_id", "payment_id"),
    Index("ix_attempt_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    Index("ix_attempt_phone_index_amount_xaf", "phone_index", "amount_xaf"),
    Index("ix_attempt_paying_out", "provider", "carrier", postgresql_where=text(_PAYING_OUT)),
    Index(
        "ix_attempt_session_ref",
        "session_ref",
        postgresql_where=text("state = 'PREPARED' AND session_ref IS NOT NULL"),
    ),
)

# A provider took back, or gave back, what it had called successful. The attempt stays as it is; a person decides.
reversal = Table(
    "reversal",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("attempt_id", Uuid, ForeignKey("attempt.id"), nullable=False, unique=True),
    Column("amount_xaf", BigInteger, nullable=False),
    Column("journal_key", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
)

# `recent` is the last outcomes, the newest last: "+" where the rail worked, "-" where it did not.
provider_health = Table(
    "provider_health",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("carrier", Text, primary_key=True),
    Column("direction", Text, primary_key=True),  # "in" or "out"
    Column("recent", Text, nullable=False),
    Column("fee_bp", Integer),  # the agreed rate, as the adapter has it; told by the workers
    Column("latency_ms", Integer),  # of requests for money, the newest counting most
    Column("opened_at", DateTime(timezone=True)),  # the breaker is open since
    Column("probe_at", DateTime(timezone=True)),  # when to read whether it may close
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

provider_maintenance = Table(
    "provider_maintenance",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("carrier", Text, primary_key=True),  # "*" for all of the provider's
    Column("since", DateTime(timezone=True), nullable=False),
)

provider_event = Table(
    "provider_event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("hash", Text, nullable=False),  # keyed, of the raw callback: a replay is recognised by it
    Column("raw", LargeBinary, nullable=False),  # encrypted: it names phones
    Column("attempt_id", Uuid, ForeignKey("attempt.id")),
    Column("provider_ref", Text),
    Column("verdict", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("provider", "hash"),
    Index("ix_provider_event_attempt_id", "attempt_id", postgresql_where=text("attempt_id IS NOT NULL")),
)
