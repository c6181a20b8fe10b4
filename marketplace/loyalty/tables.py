"""What each delivered order earned, for tiers and expiry. The balance of points is in the ledger, in PTS."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Table, Uuid

from core.database import metadata

points_earned = Table(
    "points_earned",
    metadata,
    Column("order_id", Uuid, ForeignKey("customer_order.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("points", Integer, nullable=False),
    Column("earned_at", DateTime(timezone=True), nullable=False),
    Column("lapsed_at", DateTime(timezone=True)),  # a year later: what was left of them then is gone
    CheckConstraint("points > 0", name="points"),
    Index("ix_points_earned_person_id", "person_id", "earned_at"),
)
Index("ix_points_earned_unlapsed", points_earned.c.earned_at, postgresql_where=points_earned.c.lapsed_at.is_(None))
