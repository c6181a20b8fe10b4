"""Incoming SMS, one row per message of a provider; the row is written with the message's effect."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid

from core.database import metadata

incoming_sms = Table(
    "incoming_sms",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("provider_message_id", Text, nullable=False),
    Column("phone", LargeBinary, nullable=False),  # AES-GCM
    Column("phone_index", LargeBinary, nullable=False),
    Column("text", LargeBinary, nullable=False),  # AES-GCM, codes masked before (D30)
    Column("outcome", Text),  # the command's name, or why there was none
    Column("echo_key", Text),  # a message with the same key within a minute has no effect of its own
    Column("reply_id", Uuid, ForeignKey("outgoing_sms.id")),
    Column("received_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("provider", "provider_message_id"),
)
Index("ix_incoming_sms_echo_key", incoming_sms.c.echo_key, postgresql_where=incoming_sms.c.echo_key.is_not(None))
Index("ix_incoming_sms_phone_index_received_at", incoming_sms.c.phone_index, incoming_sms.c.received_at)
