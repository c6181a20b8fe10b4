"""The schema is what the code believes, and goes up, down and up again with data in place."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from core.crypto import Keyring
from core.database import Database, driver_url, metadata
from core.settings import Settings
from gateway.schema import _config, migrate
from ledger import chart, tables
from ledger.audit import audit
from ledger.service import Leg, post

pytestmark = pytest.mark.anyio

OURS = {tables.account.name, tables.journal.name, tables.posting.name}
Result = TypeVar("Result")


async def run_on(url: str, work: Callable[[Connection], Result]) -> Result:
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result
    finally:
        await engine.dispose()


@pytest.fixture
async def unmigrated_url(database_url: str) -> AsyncIterator[str]:
    """A database with nothing in it, on the same server."""
    name = f"empty_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield make_url(database_url).set(database=name).render_as_string(hide_password=False)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_the_migration_makes_the_tables_of_the_code(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_object": lambda _, name, kind, *__: kind != "table" or name in OURS}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await run_on(database_url, differences) == []


async def test_up_down_and_up_again_with_books_in_place(unmigrated_url: str, settings: Settings, keys: Keyring) -> None:
    def remains(connection: Connection) -> set[str]:
        functions = connection.execute(
            text("SELECT proname FROM pg_proc WHERE proname IN ('post_journal', 'refuse_change')")
        )
        names = {*inspect(connection).get_table_names(), *inspect(connection).get_view_names(), *functions.scalars()}
        return names & {*OURS, "entry", "post_journal", "refuse_change"}

    for round_ in range(2):
        await migrate(unmigrated_url, "0002")
        database = Database(unmigrated_url, settings=settings, keys=keys)
        async with database.transaction() as tx:
            wallet = chart.wallet(uuid4())
            posted = await post(tx, key=f"{round_}", kind="top_up", legs=[Leg(chart.PROVIDER_FEES, wallet, 100)])
            assert (posted.journal_id, await audit(tx)) == (1, [])
        await database.close()
        assert len(await run_on(unmigrated_url, remains)) == 6
        await run_on(unmigrated_url, lambda connection: command.downgrade(_config(connection), "0001"))
        assert await run_on(unmigrated_url, remains) == set()
