"""Sessions of callers in PostgreSQL, where there is no Redis or none that answers."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, Table, Text, Uuid

from core.database import metadata

_INSTANT = DateTime(timezone=True)

# Unlogged: a server that crashes forgets them, as Redis would, and no turn waits for a disk. No index holds a column
# that a turn changes, so a turn's two updates stay on the row's page.
ussd_session = Table(
    "ussd_session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("phone_index", LargeBinary, nullable=False),
    Column("packed", LargeBinary),  # None until the first turn is committed
    Column("expires_at", _INSTANT, nullable=False),
    Column("lease", Uuid),  # whose turn it is
    Column("leased_until", _INSTANT),
    Index("ix_ussd_session_phone_index", "phone_index"),
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": "50"},
)
