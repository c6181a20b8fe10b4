"""The database's schema: brought up to date by alembic, in tests too, and asked for its version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from core.database import Database, driver_url
from gateway.errors import CannotRun

MIGRATIONS = Path(__file__).parent.parent / "migrations"

# Two processes that migrate at once must queue; the number only has to be ours.
_LOCK = 4821_7305


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def newest() -> str | None:
    """The revision this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`, one process at a time."""
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            await connection.commit()
            await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))
            await connection.commit()
    finally:
        await engine.dispose()


async def version(database: Database) -> str | None:
    """The revision of the database's schema; None when it was never migrated."""
    async with database.reading() as tx:
        if await tx.value(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        return str(await tx.value(text("SELECT version_num FROM alembic_version")))


async def require_newest(database: Database) -> None:
    """Raises CannotRun when the database does not have the schema that this code needs."""
    if (found := await version(database)) != newest():
        raise CannotRun(f"The schema is at {found}, this version needs {newest()}: run `gateway migrate`.")
