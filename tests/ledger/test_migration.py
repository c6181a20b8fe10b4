"""The schema is what the code believes, and goes up, down and up again with books in place."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, Table
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from core.crypto import Keyring
from core.database import Database, driver_url, metadata
from core.settings import Settings
from gateway.schema import _config, migrate
from ledger import chart, tables
from ledger.audit import audit
from ledger.holds import hold
from ledger.marks import Marks
from ledger.service import Leg, balance, post, reverse

pytestmark = pytest.mark.anyio

OURS = {table.name for table in vars(tables).values() if isinstance(table, Table)}
Result = TypeVar("Result")

FLOAT = chart.provider_float("campay", "mtn")
ANNA, BEN = (chart.wallet(UUID(int=number)) for number in (1, 2))

# Books as the first version kept them: two journals of one leg, one of three, a day apart; a hot account on both sides.
_ACCOUNTS = (
    ["expense:provider_fees", FLOAT.code, ANNA.code, BEN.code],
    ["expense", "asset", "liability", "liability"],
    ["XAF"] * 4,
    [None, None, 0, 0],
)
_JOURNALS: tuple[tuple[str, str, list[int], list[int], list[int]], ...] = (
    ("1", '{"order": "4821"}', [2], [3], [100]),
    ("2", "{}", [2, 1, 3], [3, 3, 4], [50, 2, 30]),
    ("3", "{}", [4], [2], [10]),
)
BALANCES = {FLOAT: 140, chart.PROVIDER_FEES: 2, ANNA: 122, BEN: 20}


async def run_on(url: str, work: Callable[[Connection], Result]) -> Result:
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result
    finally:
        await engine.dispose()


async def downgrade(url: str, revision: str) -> None:
    await run_on(url, lambda connection: command.downgrade(_config(connection), revision))


@pytest.fixture
async def former(database_url: str) -> AsyncIterator[str]:
    """A database of its own that stands before the complete ledger, with books in place."""
    name = f"{make_url(database_url).database}_former"
    url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        await migrate(url, "0007")
        connection = await asyncpg.connect(url)
        for key, details, *legs in _JOURNALS:
            await connection.execute(
                "SELECT post_journal($1, sha256($1::text::bytea), 'former', timestamptz '2026-11-20 12:00+00' + $1::int"
                " * interval '1 day', timestamptz '2026-11-21 12:00+00', $2, $3, $4, $5, $6, $7, $8, $9)",
                key,
                details,
                *_ACCOUNTS,
                *legs,
            )
        await connection.close()
        yield url
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def content(url: str) -> dict[str, list[Any]]:
    """Every row of the former tables, and every object of the schema."""
    connection = await asyncpg.connect(url)
    questions = {
        "account": "SELECT * FROM account ORDER BY id",
        "journal": "SELECT * FROM journal ORDER BY id",
        "posting": "SELECT * FROM posting ORDER BY journal_id, debit_seq",
        "relations": "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
        "functions": "SELECT oid::regprocedure::text AS name FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
        "columns": "SELECT table_name, column_name, data_type, collation_name, is_nullable, is_generated"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        # Not valid on the way down is what later rows could break: they stay, and the former rule is for new ones.
        "constraints": "SELECT conrelid::regclass::text, conname, replace(pg_get_constraintdef(oid), ' NOT VALID', '')"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
        "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    }
    try:
        return {name: [tuple(row) for row in await connection.fetch(question)] for name, question in questions.items()}
    finally:
        await connection.close()


async def test_the_migration_makes_the_tables_of_the_code(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_object": lambda _, name, kind, *__: kind != "table" or name in OURS}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await run_on(database_url, differences) == []


async def test_the_migration_makes_the_constraints_of_the_code(database_url: str) -> None:
    """Alembic compares no checks."""
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'")
    await connection.close()
    made = {(row[0], row[1]) for row in rows if row[0] in OURS}
    assert made == {
        (table.name, str(check.name))
        for table in metadata.tables.values()
        if table.name in OURS
        for owner in (table, *table.columns)
        for check in owner.constraints
        if isinstance(check, CheckConstraint)
    }


async def test_old_books_go_up_and_are_sound(former: str, settings: Settings, keys: Keyring) -> None:
    await migrate(former)
    database = Database(former, settings=settings, keys=keys)
    async with database.reading() as tx:
        assert {account: await balance(tx, account) for account in BALANCES} == BALANCES
        assert await audit(tx) == []
    async with database.transaction() as tx:  # and are written on, without a break in anything
        again = await post(tx, key="4", kind="top_up", legs=[Leg(FLOAT, BEN, 10)])
        back = await reverse(tx, journal_id=2, key="5", kind="former_back")
        await hold(tx, key="6", kind="reserved", account=ANNA, amount=5, expires_at=tx.now.replace(year=2030))
        assert (again.journal_id, back.journal_id) == (4, 5)
    marks = Marks(database)
    for _ in range(2):
        await marks.advance()
    async with database.reading() as tx:
        assert await audit(tx) == []
        assert await balance(tx, FLOAT) == 140 + 10 - 50
    await database.close()


async def test_down_again_the_books_are_what_they_were(former: str) -> None:
    before = await content(former)
    for _ in range(2):
        await migrate(former)
        await downgrade(former, "0007")
        assert await content(former) == before


async def test_what_was_posted_since_stays_on_the_way_down(former: str, settings: Settings, keys: Keyring) -> None:
    await migrate(former)
    database = Database(former, settings=settings, keys=keys)
    async with database.transaction() as tx:
        await post(
            tx, key="4", kind="gift", legs=[Leg(chart.GOODWILL, ANNA, 5), Leg(ANNA, BEN, 4)], metadata={"why": "late"}
        )
        await reverse(tx, journal_id=4, key="5", kind="gift_back", actor="finance")
    await database.close()
    await downgrade(former, "0007")
    connection = await asyncpg.connect(former)
    accounts = {
        row["code"]: (row["balance"], row["version"]) for row in await connection.fetch("SELECT * FROM account")
    }
    assert accounts[chart.GOODWILL.code] == (0, 2)
    assert accounts[FLOAT.code] == (140, 3)
    assert await connection.fetchval("SELECT metadata ->> 'why' FROM journal WHERE key = '4'") == "late"
    assert await connection.fetchval("SELECT count(*) FROM posting WHERE journal_id = 5") == 2
    await connection.execute(
        "SELECT post_journal('6', 'h', 'on', now(), now(), '{}', $1, $2, $3, $4, '{2}', '{3}', '{1}')", *_ACCOUNTS
    )
    assert await connection.fetchval("SELECT max(id) FROM journal") == 6
    await connection.close()
    await migrate(former)
    database = Database(former, settings=settings, keys=keys)
    async with database.reading() as tx:
        assert await audit(tx) == []
    await database.close()
