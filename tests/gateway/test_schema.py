"""All migrations together make the tables of the code, all of them, and leave nothing when they are taken back."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

import gateway.app
import gateway.worker_process  # noqa: F401 - with the line above: every table of the service
from core.database import metadata
from gateway.schema import _config, migrate
from tests.ledger.test_migration import run_on

pytestmark = pytest.mark.anyio

# What a schema can hold, beside the extensions' own: name and kind.
EVERYTHING = """
    SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname, 'function' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT typname, 'type' FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
"""
OF_ALEMBIC = {("alembic_version", "r"), ("alembic_version_pkc", "i")}


@pytest.fixture
async def unmigrated_url(server_url: str) -> AsyncIterator[str]:
    """A database with nothing in it."""
    name = f"empty_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(server_url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def differences(connection: Connection) -> list[object]:
    """What alembic would write into the next migration, types included; the queue's tables are its library's."""
    options = {
        "compare_type": True,
        "include_object": lambda _, name, kind, *__: not (kind == "table" and name.startswith("pgqueuer")),
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def contents(connection: Connection) -> set[tuple[str, str]]:
    return {(name, kind) for name, kind in connection.execute(text(EVERYTHING))}


async def test_the_migrations_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    assert await run_on(database_url, differences) == []


async def test_all_the_way_up_down_and_up_again(unmigrated_url: str) -> None:
    await migrate(unmigrated_url)
    first = await run_on(unmigrated_url, contents)
    await run_on(unmigrated_url, lambda connection: command.downgrade(_config(connection), "base"))
    assert await run_on(unmigrated_url, contents) == OF_ALEMBIC
    await migrate(unmigrated_url)
    assert await run_on(unmigrated_url, contents) == first
    assert await run_on(unmigrated_url, differences) == []
