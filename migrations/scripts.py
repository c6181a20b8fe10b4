"""Runs a whole SQL script in a migration: functions and triggers are best read as SQL."""

from alembic import op
from sqlalchemy.util import await_only


def run_script(sql: str) -> None:
    """Execute many statements in one call (the driver's simple protocol), inside the migration's transaction."""
    await_only(op.get_bind().connection.driver_connection.execute(sql))
