"""The database's schema: brought up to date by alembic, in tests too, and asked for its version.

After every migration the service's role is given anew what it may do (migrations/sql/roles.sql).
"""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from core.database import Database, driver_url
from core.settings import Settings
from gateway.errors import CannotRun

MIGRATIONS = Path(__file__).parent.parent / "migrations"
ROLE = Settings().database_role

# Two processes that migrate at once must queue; the number only has to be ours.
_LOCK = 4821_7305

_WHO = text("SELECT set_config('mboa.role', :role, true), set_config('mboa.login', :login, true)")
_RIGHTS = MIGRATIONS / "sql" / "roles.sql"

# What a database says to a service that nobody has given a role or rights yet.
_STRANGERS = (asyncpg.InvalidParameterValueError.sqlstate, asyncpg.InsufficientPrivilegeError.sqlstate)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def newest() -> str | None:
    """The revision this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def migrate_for(settings: Settings) -> None:
    """Bring the database of `settings` to the newest schema, as its owner where they say who that is.

    Raises CannotRun when its role cannot be made.
    """
    login = make_url(settings.database_url).username or ""
    owner_url = settings.database_owner_url or settings.database_url
    await migrate(owner_url, role=settings.database_role, login=login)


async def migrate(url: str, revision: str = "head", *, role: str = ROLE, login: str = "") -> None:
    """Bring the database at `url` to `revision`, one process at a time.

    `login` (by default whoever connects here) may then act as `role`. Raises CannotRun when they cannot be let to.
    """
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            await connection.commit()
            await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))
            await connection.commit()
            await _give_rights(connection, role=role, login=login)
            await connection.commit()
    finally:
        await engine.dispose()


async def _give_rights(connection: AsyncConnection, *, role: str, login: str) -> None:
    await connection.execute(_WHO, {"role": role, "login": login})
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        await driver.execute(_RIGHTS.read_text())
    except asyncpg.InsufficientPrivilegeError as problem:
        raise CannotRun(f"The database's owner may not prepare the role {role}: {problem}.") from None
    except asyncpg.UndefinedObjectError as problem:
        raise CannotRun(f"DATABASE_URL names a login that is not there: {problem}.") from None


async def version(database: Database) -> str | None:
    """The revision of the database's schema; None when it was never migrated for this service."""
    try:
        async with database.reading() as tx:
            if await tx.value(text("SELECT to_regclass('alembic_version')")) is None:
                return None
            return str(await tx.value(text("SELECT version_num FROM alembic_version")))
    except DBAPIError as problem:
        if getattr(problem.orig, "sqlstate", None) in _STRANGERS:
            return None
        raise


async def require_newest(database: Database) -> None:
    """Raises CannotRun when the database does not have the schema that this code needs."""
    if (found := await version(database)) != newest():
        raise CannotRun(f"The schema is at {found}, this version needs {newest()}: run `gateway migrate`.")
