"""Restaurants with the numbers that get printed on walls, their dishes, and their phones in calling order."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.database import metadata

restaurant = Table(
    "restaurant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),  # stable for life: `*code*45#`
    Column("name", Text, nullable=False),
    Column("plain", Text, nullable=False),  # core.gsm.plain(name): what is searched
    Column("quarter_id", Integer, ForeignKey("quarter.id"), nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("state_until", DateTime(timezone=True)),  # then it is open again; NULL: until they say so
    Column("preparation_minutes", SmallInteger, nullable=False),
    Column("opens_minute", SmallInteger, nullable=False, server_default="480"),  # of the day, in Douala
    Column("closes_minute", SmallInteger, nullable=False, server_default="1320"),
    Column("delivered_orders", Integer, nullable=False, server_default="0"),  # in its life: the commission's step (D7)
    Column("commission_bp", SmallInteger),  # overrides the steps
    Column("stars", Integer, nullable=False, server_default="0"),  # of all ratings together
    Column("ratings", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('open', 'busy', 'closed')", name="state"),
    CheckConstraint("number >= 10 AND number <> 98", name="number"),  # 98 is "more" on every page
    CheckConstraint("commission_bp BETWEEN 0 AND 10000", name="commission"),
    CheckConstraint("0 <= opens_minute AND opens_minute < closes_minute AND closes_minute <= 1440", name="hours"),
)

# Any of them may answer for the restaurant; a person may answer for several restaurants.
restaurant_phone = Table(
    "restaurant_phone",
    metadata,
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id"), primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    UniqueConstraint("person_id", "restaurant_id"),
    CheckConstraint("position BETWEEN 1 AND 3", name="position"),
)

# What people want to see first, beside what they have ordered most.
favourite = Table(
    "favourite",
    metadata,
    Column("person_id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id"), primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
)

dish = Table(
    "dish",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("restaurant_id", Uuid, ForeignKey("restaurant.id"), nullable=False),
    Column("number", SmallInteger, nullable=False),  # stable for life within the restaurant
    Column("name", Text, nullable=False),
    Column("plain", Text, nullable=False),
    Column("price_xaf", Integer, nullable=False),
    Column("available", Boolean, nullable=False, server_default="true"),
    UniqueConstraint("restaurant_id", "number"),
    CheckConstraint("number >= 1", name="number"),
    CheckConstraint("price_xaf > 0", name="price"),
)
