"""Deliveries with their offers, history and wrong codes, and what operations must look at."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import metadata
from marketplace.delivery.states import JOB, TRANSITIONS

delivery = Table(
    "delivery",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("customer_order.id"), nullable=False, unique=True),
    Column("number", SmallInteger, nullable=False),  # the order's
    Column("state", Text, nullable=False),
    Column("driver_id", Uuid, ForeignKey("driver.id")),
    Column("wave", SmallInteger, nullable=False),  # of offers, from 1; 0: none yet
    Column("due_at", DateTime(timezone=True)),  # what the sweeper does next: start, next wave, take back
    # Makes the customer's code, with the id; null before pickup, so that there is no code (D15).
    Column("code_nonce", Text),
    Column("handed_over_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(f"state IN {tuple(TRANSITIONS)}", name="state"),
    CheckConstraint(f"driver_id IS NOT NULL OR state NOT IN {JOB}", name="somebodys_job"),
)
Index("ix_delivery_due_at", delivery.c.due_at, postgresql_where=delivery.c.due_at.is_not(None))
# "7305" and "P 4821 37" name a job by the driver and the number alone.
Index(
    "uq_delivery_number_of_driver",
    delivery.c.driver_id,
    delivery.c.number,
    unique=True,
    postgresql_where=delivery.c.state.in_(JOB),
)

delivery_offer = Table(
    "delivery_offer",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("delivery_id", Uuid, ForeignKey("delivery.id"), nullable=False),
    Column("driver_id", Uuid, ForeignKey("driver.id"), nullable=False),
    Column("wave", SmallInteger, nullable=False),
    # offered -> accepted -> returned (gave it back); else ignored (75 s went by) or withdrawn (another was faster)
    Column("state", Text, nullable=False),
    Column("score", Integer, nullable=False),
    Column("inputs", JSONB, nullable=False),  # what the score was made of
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("answered_at", DateTime(timezone=True)),
    UniqueConstraint("delivery_id", "driver_id", "wave"),
    CheckConstraint("state IN ('offered', 'accepted', 'returned', 'ignored', 'withdrawn')", name="state"),
    Index("ix_delivery_offer_driver_id", "driver_id", "offered_at"),
)
# Of a hundred drivers that answer at once exactly one wins.
Index(
    "uq_delivery_offer_accepted",
    delivery_offer.c.delivery_id,
    unique=True,
    postgresql_where=delivery_offer.c.state == "accepted",
)

delivery_event = Table(
    "delivery_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("delivery_id", Uuid, ForeignKey("delivery.id"), nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ix_delivery_event_delivery_id", "delivery_id"),
)

# A wrong code, at the counter or at the door. Counted per delivery and per driver and day (D15).
code_miss = Table(
    "code_miss",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("delivery_id", Uuid, ForeignKey("delivery.id"), nullable=False),
    Column("driver_id", Uuid, ForeignKey("driver.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("day", Date, nullable=False),  # in Douala
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('pickup_number', 'delivery_code')", name="kind"),
    Index("ix_code_miss_delivery_id", "delivery_id"),
    Index("ix_code_miss_driver_id_day", "driver_id", "day"),
)
