"""Outgoing SMS, the carrier's delivery reports on them, and who wants no advertising."""

from sqlalchemy import (
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
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata

outgoing_sms = Table(
    "outgoing_sms",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("phone", LargeBinary, nullable=False),  # AES-GCM
    Column("phone_index", LargeBinary, nullable=False),
    Column("language", Text, nullable=False),
    # The text is made at sending: codes rest here as sealed tokens, never as digits.
    Column("text_key", Text, nullable=False),
    Column("params", JSONB, nullable=False),
    Column("about", Uuid),  # the order, delivery, payment ... it tells about
    # queued -> sending -> sent -> delivered | failed; else failed, unanswered (fate unknown) or expired
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True)),  # queued: when to send; sending: when the lease ends; else null
    Column("useful_until", DateTime(timezone=True)),  # not sent after this: an offer, a login code
    Column("provider", Text),
    Column("provider_message_id", Text),
    Column("provider_status", Text),  # the carrier's newest word, known to us or not
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    UniqueConstraint("provider", "provider_message_id"),
)
Index("ix_outgoing_sms_due_at", outgoing_sms.c.due_at, postgresql_where=outgoing_sms.c.due_at.is_not(None))

delivery_report = Table(
    "delivery_report",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("provider_message_id", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

sms_opt_out = Table(
    "sms_opt_out",
    metadata,
    Column("phone_index", LargeBinary, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

# A caller was told that an SMS would say what came of it. Written only when a turn could not wait for its effect.
promise = Table(
    "promise",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the effect's
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("done_key", Text),  # null: the effect writes a text of its own
    Column("failed_key", Text, nullable=False),
    Column("fields", JSONB, nullable=False),  # which fields of the effect's result fill the text
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("gives_up_at", DateTime(timezone=True)),  # then it has failed; null: the promise is kept
    Column("outcome", Text),
    CheckConstraint("outcome IN ('done', 'failed')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (gives_up_at IS NOT NULL)", name="kept"),
)
Index("ix_promise_gives_up_at", promise.c.gives_up_at, postgresql_where=promise.c.gives_up_at.is_not(None))
