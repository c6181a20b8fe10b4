"""Transactions: they hold a connection, end it whole, and never report what was not written."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database, RolledBack, Tx
from core.settings import Settings

pytestmark = pytest.mark.anyio

_WRITE = text("INSERT INTO effect (key, request_hash, created_at) VALUES (:key, '', now())")
_COUNT = text("SELECT count(*) FROM effect")


@pytest.fixture
async def narrow(database_url: str, settings: Settings, keys: Keyring, clock: ManualClock):  # type: ignore[no-untyped-def]
    """A database with one connection to write with."""
    database = Database(database_url, settings=settings, keys=keys, clock=clock, connections=1)
    yield database
    await database.close()


async def _written(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(_COUNT))


async def _pid(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.value(text("SELECT pg_backend_pid()")))


async def test_a_raw_statement_first_belongs_to_the_transaction(narrow: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with narrow.transaction() as tx:
            await (await tx.driver()).execute(
                "INSERT INTO effect (key, request_hash, created_at) VALUES ('a', '', now())"
            )
            raise ZeroDivisionError
    assert await _written(narrow) == 0


async def _simple(tx: Tx) -> None:
    await (await tx.driver()).execute("INSERT INTO effect (key, request_hash, created_at) VALUES ('a', '', now())")


async def _prepared(tx: Tx) -> None:
    driver = await tx.driver()
    statement = "INSERT INTO effect (key, request_hash, created_at) VALUES ($1, '', now()) RETURNING key"
    assert await driver.fetchval(statement, "a") == "a"


async def _core(tx: Tx) -> None:
    assert await tx.run(_WRITE, {"key": "a"}) == 1


async def _nested(tx: Tx) -> None:
    async with tx.attempt():
        await tx.run(_WRITE, {"key": "a"})


async def _wrong(tx: Tx) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await (await tx.driver()).fetch("SELECT * FROM nowhere WHERE it = $1", 1)


async def _cancelled(tx: Tx) -> None:
    with pytest.raises(TimeoutError):
        await (await tx.driver()).execute("SELECT pg_sleep(60)", timeout=0.05)


async def _nothing(tx: Tx) -> None:
    pass


@pytest.mark.parametrize("first", [_simple, _prepared, _core, _nested, _wrong, _cancelled, _nothing])
async def test_whatever_comes_first_is_inside(narrow: Database, first: Callable[[Tx], Awaitable[None]]) -> None:
    """The second time on a connection that has just been used."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with narrow.transaction() as tx:
                await first(tx)
                raise ZeroDivisionError
        assert await _written(narrow) == 0
    async with narrow.transaction() as tx:
        await tx.run(_WRITE, {"key": "b"})
    assert await _written(narrow) == 1


async def test_one_connection_serves_all_in_turn(narrow: Database) -> None:
    assert len(set(await asyncio.gather(*(_pid(narrow) for _ in range(5))))) == 1


async def test_what_fails_leaves_the_connection_clean(narrow: Database) -> None:
    before = await _pid(narrow)
    with pytest.raises(ZeroDivisionError):
        async with narrow.transaction() as tx:
            await tx.run(_WRITE, {"key": "a"})
            raise ZeroDivisionError
    assert (await _pid(narrow), await _written(narrow)) == (before, 0)


async def test_a_cancelled_statement_rolls_back_what_came_before_it(narrow: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), narrow.transaction() as tx:
            await tx.run(_WRITE, {"key": "a"})
            await tx.value(text("SELECT pg_sleep(30)"))
    async with asyncio.timeout(5):
        assert await _written(narrow) == 0


async def test_a_connection_that_the_server_closed_is_replaced(narrow: Database, database_url: str) -> None:
    before = await _pid(narrow)
    killer = await asyncpg.connect(database_url)
    await killer.fetchval("SELECT pg_terminate_backend($1, 5000)", before)
    await killer.close()
    assert await _pid(narrow) != before


async def test_a_connection_lost_inside_is_not_lent_again(narrow: Database, database_url: str) -> None:
    killer = await asyncpg.connect(database_url)
    with pytest.raises(Exception):  # noqa: B017 - whichever side notices first
        async with narrow.transaction() as tx:
            await tx.run(_WRITE, {"key": "a"})
            await killer.fetchval(
                "SELECT pg_terminate_backend($1, 5000)", await tx.value(text("SELECT pg_backend_pid()"))
            )
            await tx.run(_WRITE, {"key": "b"})
    await killer.close()
    async with asyncio.timeout(5):
        assert await _written(narrow) == 0
        async with narrow.transaction() as tx:
            await tx.run(_WRITE, {"key": "c"})
    assert await _written(narrow) == 1


async def test_a_swallowed_failure_is_not_taken_for_a_commit(narrow: Database) -> None:
    with pytest.raises(RolledBack):
        async with narrow.transaction() as tx:
            await tx.run(_WRITE, {"key": "a"})
            with pytest.raises(asyncpg.PostgresError):
                await (await tx.driver()).execute("SELECT 1 / 0")
    assert await _written(narrow) == 0


async def test_commits_are_durable_and_lone_statements_may_wait(narrow: Database) -> None:
    asked = text("SHOW synchronous_commit")
    async with narrow.transaction() as tx, narrow.reading() as reading:
        durable, alone = await tx.value(asked), await (await reading.driver()).fetchval("SHOW synchronous_commit")
    assert (durable, alone) == ("on", "off")
