"""Places with their tariff, people with their logins, and the catalogue."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _places()
    _people()
    _logins()
    _catalogue()


def downgrade() -> None:
    op.execute(
        "DROP TABLE dish, restaurant_phone, restaurant, refresh_token, login_session, login_challenge, staff_user,"
        " driver, pin_miss, saved_place, person, tariff_fee, tariff, landmark, quarter, zone, city"
    )


def _places() -> None:
    op.create_table(
        "city",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "zone",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("city_id", sa.Integer, sa.ForeignKey("city.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("city_id", "name"),
    )
    op.create_table(
        "quarter",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("zone_id", sa.Integer, sa.ForeignKey("zone.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("plain", sa.Text, nullable=False),
        sa.UniqueConstraint("zone_id", "name"),
    )
    op.create_table(
        "landmark",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("quarter_id", sa.Integer, sa.ForeignKey("quarter.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("quarter_id", "name"),
    )
    op.create_table(
        "tariff",
        sa.Column("version", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("valid_from", INSTANT, nullable=False),
    )
    op.create_table(
        "tariff_fee",
        sa.Column("version", sa.Integer, sa.ForeignKey("tariff.version"), primary_key=True),
        sa.Column("lower_zone_id", sa.Integer, sa.ForeignKey("zone.id"), primary_key=True),
        sa.Column("upper_zone_id", sa.Integer, sa.ForeignKey("zone.id"), primary_key=True),
        sa.Column("km", sa.Integer, nullable=False),
        sa.Column("fee_xaf", sa.Integer, nullable=False),
        sa.CheckConstraint("lower_zone_id <= upper_zone_id", name="order"),
        sa.CheckConstraint("km > 0 AND fee_xaf > 0", name="positive"),
    )


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("phone", sa.LargeBinary, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("name", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("pin_hash", sa.Text),
        sa.Column("pin_misses", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("pin_locked_until", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("language IN ('fr', 'en')", name="language"),
    )
    op.create_table(
        "pin_miss",
        sa.Column("attempt", sa.LargeBinary, primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("tries_left", sa.SmallInteger, nullable=False),
        sa.Column("locked_until", INSTANT),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("ix_pin_miss_person_id", "pin_miss", ["person_id"])
    op.create_table(
        "saved_place",
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("slot", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("quarter_id", sa.Integer, sa.ForeignKey("quarter.id"), nullable=False),
        sa.Column("landmark_id", sa.Integer, sa.ForeignKey("landmark.id")),
        sa.Column("directions", sa.Text, nullable=False),
        sa.Column("contact_phone", sa.LargeBinary),
        sa.Column("used_at", INSTANT, nullable=False),
        sa.CheckConstraint("slot BETWEEN 1 AND 3", name="slot"),
        sa.CheckConstraint("length(directions) <= 60", name="directions"),
    )
    op.create_table(
        "driver",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False, server_default="off"),
        sa.Column("quarter_id", sa.Integer, sa.ForeignKey("quarter.id")),
        sa.Column("last_seen_at", INSTANT),
        sa.Column("ignored_offers", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("rating", sa.Float, nullable=False, server_default="5"),
        sa.CheckConstraint("state IN ('off', 'on')", name="state"),
        sa.CheckConstraint("state = 'off' OR quarter_id IS NOT NULL", name="present_somewhere"),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    )


def _logins() -> None:
    op.create_table(
        "staff_user",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("username", sa.Text, nullable=False, unique=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("totp_secret", sa.LargeBinary),
        sa.Column("totp_step", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("misses", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("locked_until", INSTANT),
        sa.Column("active", sa.Boolean, nullable=False, server_default="true"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("role IN ('support', 'finance', 'admin')", name="role"),
        sa.CheckConstraint("role = 'support' OR totp_secret IS NOT NULL", name="totp"),
    )
    op.create_table(
        "login_challenge",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("phone", sa.LargeBinary, nullable=False),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
    )
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id")),
        sa.Column("staff_id", sa.Uuid, sa.ForeignKey("staff_user.id")),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.CheckConstraint("(person_id IS NULL) <> (staff_id IS NULL)", name="whose"),
    )
    op.create_table(
        "refresh_token",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("session_id", sa.Uuid, sa.ForeignKey("login_session.id"), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.Column("successor", sa.LargeBinary),
    )


def _catalogue() -> None:
    op.create_table(
        "restaurant",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("plain", sa.Text, nullable=False),
        sa.Column("quarter_id", sa.Integer, sa.ForeignKey("quarter.id"), nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="open"),
        sa.Column("state_until", INSTANT),
        sa.Column("preparation_minutes", sa.SmallInteger, nullable=False),
        sa.Column("delivered_orders", sa.Integer, nullable=False, server_default="0"),
        sa.Column("commission_bp", sa.SmallInteger),
        sa.CheckConstraint("state IN ('open', 'busy', 'closed')", name="state"),
        sa.CheckConstraint("number >= 10 AND number <> 98", name="number"),
        sa.CheckConstraint("commission_bp BETWEEN 0 AND 10000", name="commission"),
    )
    op.create_table(
        "restaurant_phone",
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id"), primary_key=True),
        sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), nullable=False, unique=True),
        sa.CheckConstraint("position BETWEEN 1 AND 3", name="position"),
    )
    op.create_table(
        "dish",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("restaurant_id", sa.Uuid, sa.ForeignKey("restaurant.id"), nullable=False),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("plain", sa.Text, nullable=False),
        sa.Column("price_xaf", sa.Integer, nullable=False),
        sa.Column("available", sa.Boolean, nullable=False, server_default="true"),
        sa.UniqueConstraint("restaurant_id", "number"),
        sa.CheckConstraint("number >= 1", name="number"),
        sa.CheckConstraint("price_xaf > 0", name="price"),
    )
