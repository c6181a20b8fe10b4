"""What was thought of each delivered order, once. The sums stand with the restaurant and the driver."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, SmallInteger, Table, Uuid

from core.database import metadata

order_rating = Table(
    "order_rating",
    metadata,
    Column("order_id", Uuid, ForeignKey("customer_order.id"), primary_key=True),
    Column("asked_at", DateTime(timezone=True)),  # by a page that came by itself: it comes once
    Column("restaurant_stars", SmallInteger),
    Column("driver_stars", SmallInteger),  # null where the ride was not rated
    Column("rated_at", DateTime(timezone=True)),
    CheckConstraint("restaurant_stars BETWEEN 1 AND 5", name="restaurant_stars"),
    CheckConstraint("driver_stars BETWEEN 1 AND 5", name="driver_stars"),
    CheckConstraint("(rated_at IS NULL) = (restaurant_stars IS NULL)", name="rated"),
    CheckConstraint("driver_stars IS NULL OR rated_at IS NOT NULL", name="driver_with_meal"),
)
