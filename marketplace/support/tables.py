"""Cases: one row for each thing that somebody must look at."""

from sqlalchemy import Column, DateTime, ForeignKey, Identity, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata

support_case = Table(
    "support_case",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Integer, Identity(start=100), nullable=False, unique=True),  # what the customer is told
    Column("kind", Text, nullable=False),  # no_driver, code_locked, problem, sos; of customers: call_back, complaint
    Column("delivery_id", Uuid, ForeignKey("delivery.id")),
    Column("driver_id", Uuid, ForeignKey("driver.id")),
    Column("person_id", Uuid, ForeignKey("person.id")),  # the customer who asked
    Column("order_id", Uuid, ForeignKey("customer_order.id")),  # that they complain about
    Column("details", JSONB, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Index("ix_support_case_person_id", "person_id", "opened_at"),
)
_open = support_case.c.closed_at.is_(None)
# A case that is still open is not opened again.
Index("uq_support_case_open", support_case.c.kind, support_case.c.delivery_id, unique=True, postgresql_where=_open)
Index(
    "uq_support_case_of_person",
    support_case.c.person_id,
    support_case.c.kind,
    support_case.c.order_id,
    unique=True,
    postgresql_nulls_not_distinct=True,
    postgresql_where=_open & support_case.c.person_id.is_not(None),
)
