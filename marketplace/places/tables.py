"""City > zone > quarter > landmark, the tariff between zones, and the places people come back to."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.database import metadata

city = Table(
    "city",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

zone = Table(
    "zone",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("city_id", ForeignKey("city.id"), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("city_id", "name"),
)

quarter = Table(
    "quarter",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("zone_id", ForeignKey("zone.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("plain", Text, nullable=False),  # core.gsm.plain(name): what is searched
    UniqueConstraint("zone_id", "name"),
)

landmark = Table(
    "landmark",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("quarter_id", ForeignKey("quarter.id"), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("quarter_id", "name"),
)

# A version is never changed once an order has frozen its number: a new tariff is a new version.
tariff_version = Table(
    "tariff",
    metadata,
    Column("version", Integer, Identity(), primary_key=True),
    Column("valid_from", DateTime(timezone=True), nullable=False),
)

# One row per unordered pair of zones, a zone with itself included.
tariff_fee = Table(
    "tariff_fee",
    metadata,
    Column("version", ForeignKey("tariff.version"), primary_key=True),
    Column("lower_zone_id", ForeignKey("zone.id"), primary_key=True),
    Column("upper_zone_id", ForeignKey("zone.id"), primary_key=True),
    Column("km", Integer, nullable=False),  # by road, rounded up (D8)
    Column("fee_xaf", Integer, nullable=False),
    CheckConstraint("lower_zone_id <= upper_zone_id", name="order"),
    CheckConstraint("km > 0 AND fee_xaf > 0", name="positive"),
)

saved_place = Table(
    "saved_place",
    metadata,
    Column("person_id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("quarter_id", ForeignKey("quarter.id"), nullable=False),
    Column("landmark_id", ForeignKey("landmark.id")),
    Column("directions", Text, nullable=False),
    Column("contact_phone", LargeBinary),  # encrypted
    Column("name", Text),  # what its person calls it: Bureau, Maman
    Column("used_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("slot BETWEEN 1 AND 3", name="slot"),
    CheckConstraint("length(directions) <= 60", name="directions"),
    CheckConstraint("length(name) BETWEEN 1 AND 20", name="name"),
)
