"""One row a turn. Kept for 90 days (D28)."""

from sqlalchemy import REAL, BigInteger, Boolean, Column, DateTime, Identity, Index, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from core.database import metadata

ussd_event = Table(
    "ussd_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("session_ref", Text, nullable=False),  # a keyed hash: tells sessions apart and nothing else
    Column("run_ref", Text),  # of the conversation, which a session that dropped hands on to the next
    Column("dialect", Text, nullable=False),
    Column("network", Text),  # in the aggregator's words
    Column("language", Text),
    Column("journey", Text),
    Column("answered", Text),  # the question on the screen when the caller typed; none on a dial
    Column("shown", Text, nullable=False),  # the question, or the ending, that they saw then
    Column("asks", Boolean, nullable=False),  # whether that page waits for an answer
    Column("outcome", Text, nullable=False),  # see log.Outcome
    Column("page", SmallInteger, nullable=False),  # which of the question's pages, from 1
    Column("septets", SmallInteger, nullable=False),
    Column("ms", REAL, nullable=False),
    Column("variants", ARRAY(Text), nullable=False),  # `experiment@variant`
    Column("version", Text, nullable=False),  # of the journeys and the catalogues
    Index("ix_ussd_event_at", "at"),
    Index("ix_ussd_event_session_ref", "session_ref", "id"),
)
