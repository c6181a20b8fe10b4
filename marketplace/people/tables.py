"""Who there is: persons by phone number, drivers, staff; and what their logins leave behind."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.database import metadata

# One row per phone number that ever reached us, whatever they are besides.
person = Table(
    "person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("phone", LargeBinary, nullable=False),  # E.164, encrypted (D6)
    Column("phone_index", LargeBinary, nullable=False, unique=True),
    Column("name", Text),
    Column("language", Text),  # unknown until chosen (D25)
    Column("pin_hash", Text),
    Column("pin_misses", SmallInteger, nullable=False, server_default="0"),
    Column("pin_locked_until", DateTime(timezone=True)),
    Column("pin_reset_at", DateTime(timezone=True)),  # by a code, without the old one: the wallet rests for a day
    Column("register_asked_at", DateTime(timezone=True)),  # a guest, by a page that came by itself: it comes once
    Column("created_at", DateTime(timezone=True), nullable=False),
)

# A wrong PIN, by the request it came with: the same request again is answered, not counted.
pin_miss = Table(
    "pin_miss",
    metadata,
    Column("attempt", LargeBinary, primary_key=True),  # keyed hash of person, request and PIN
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("tries_left", SmallInteger, nullable=False),
    Column("locked_until", DateTime(timezone=True)),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ix_pin_miss_person_id", "person_id"),
)

# A number that moved to another SIM card: whoever holds it now may not be its person.
sim_change = Table(
    "sim_change",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the source's name of the change: told twice, it happened once
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("frozen_until", DateTime(timezone=True), nullable=False),
    Column("proposal_id", Uuid, ForeignKey("proposal.id")),  # by which two of finance ended the freeze early
    UniqueConstraint("source", "reference"),
    Index("ix_sim_change_person_id", "person_id", "frozen_until"),
)

# A code sent by SMS to whoever has forgotten their PIN. The code itself is derived from the id, never stored.
pin_reset = Table(
    "pin_reset",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("proved_at", DateTime(timezone=True)),  # the code was entered; a new PIN may be chosen
    Column("used_at", DateTime(timezone=True)),
    CheckConstraint("used_at IS NULL OR proved_at IS NOT NULL", name="proved_before_used"),
    Index("ix_pin_reset_person_id", "person_id", "asked_at"),
)

driver = Table(
    "driver",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id"), nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default="off"),
    Column("quarter_id", Integer, ForeignKey("quarter.id")),  # where they last said ON
    Column("last_seen_at", DateTime(timezone=True)),
    Column("ignored_offers", SmallInteger, nullable=False, server_default="0"),  # in a row
    Column("rating", Float, nullable=False, server_default="5"),  # 1 to 5: what dispatch goes by
    Column("stars", Integer, nullable=False, server_default="0"),  # of all ratings together
    Column("ratings", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('off', 'on')", name="state"),
    CheckConstraint("state = 'off' OR quarter_id IS NOT NULL", name="present_somewhere"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
)

staff_user = Table(
    "staff_user",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("totp_secret", LargeBinary),  # base32, encrypted
    Column("totp_step", BigInteger, nullable=False, server_default="0"),  # the last one used: a code works once
    Column("misses", SmallInteger, nullable=False, server_default="0"),
    Column("locked_until", DateTime(timezone=True)),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("role IN ('support', 'finance', 'admin')", name="role"),
    CheckConstraint("role = 'support' OR totp_secret IS NOT NULL", name="totp"),  # mandatory for money (D24)
)

# A code sent by SMS to prove a phone number. The code itself is derived from the id, never stored.
login_challenge = Table(
    "login_challenge",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("phone", LargeBinary, nullable=False),  # encrypted
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
)

# A family of refresh tokens: from one login to its logout.
login_session = Table(
    "login_session",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("person.id")),
    Column("staff_id", Uuid, ForeignKey("staff_user.id")),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("(person_id IS NULL) <> (staff_id IS NULL)", name="whose"),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256: the token has 256 random bits
    Column("session_id", Uuid, ForeignKey("login_session.id"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("successor", LargeBinary),
)
