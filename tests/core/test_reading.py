"""Readings: they take a connection only to ask something, and give it back whole."""

import asyncio

import pytest

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def narrow(database_url: str, settings: Settings, keys: Keyring, clock: ManualClock) -> Database:
    """A database with one connection to read with."""
    return Database(database_url, settings=settings, keys=keys, clock=clock, connections=1)


async def _ask(database: Database, seconds: float = 0) -> int:
    async with database.reading() as tx:
        return int(await (await tx.driver()).fetchval("SELECT pg_backend_pid() FROM pg_sleep($1)", seconds))


async def test_who_asks_nothing_waits_for_nobody(narrow: Database) -> None:
    async with narrow.reading() as busy, asyncio.timeout(5):
        await busy.driver()
        async with narrow.reading():
            pass
    await narrow.close()


async def test_one_connection_serves_all_in_turn(narrow: Database) -> None:
    assert len(set(await asyncio.gather(*(_ask(narrow) for _ in range(5))))) == 1
    await narrow.close()


async def test_a_cancelled_statement_ends_and_leaves_its_connection_usable(narrow: Database) -> None:
    before = await _ask(narrow)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await _ask(narrow, seconds=30)
    async with asyncio.timeout(5):
        assert await _ask(narrow) == before
    await narrow.close()


async def test_a_connection_that_the_server_closed_is_replaced(narrow: Database) -> None:
    before = await _ask(narrow)
    async with narrow.transaction() as tx:
        await (await tx.driver()).execute("SET LOCAL ROLE NONE")
        await (await tx.driver()).fetchval("SELECT pg_terminate_backend($1, 5000)", before)
    assert await _ask(narrow) != before
    await narrow.close()


async def test_json_is_a_value_on_either_connection(database: Database) -> None:
    async with database.reading() as reading, database.transaction() as tx:
        for connection in (await reading.driver(), await tx.driver()):
            assert await connection.fetchval("SELECT $1::jsonb", '{"a": [1]}') == {"a": [1]}
