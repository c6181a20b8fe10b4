"""The oldest PostgreSQL that we promise to run on, where the system has it: the ledger is the same there.

All of the ledger's tests run on it with `make test-long`.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from functools import partial
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from gateway.embedded import NO_SYNC
from gateway.schema import migrate
from ledger.grouped import GroupedPosting
from tests.ledger import test_contention, test_grouped, test_holds, test_marks
from tests.ledger.machine import Books, run_machine
from tests.support.postgres import binaries, other_server

OLDEST = "15"

pytestmark = pytest.mark.skipif(binaries(OLDEST) is None, reason=f"this system has no PostgreSQL {OLDEST}")


@pytest.fixture(scope="module")
def oldest() -> Iterator[str]:
    """A server of the oldest version, with one migrated database."""
    with other_server(OLDEST, *NO_SYNC, "max_connections=100") as server:
        asyncio.run(_prepare(server.url))
        yield server.url


async def _prepare(url: str) -> None:
    admin = await asyncpg.connect(url)
    await admin.execute("CREATE DATABASE ready")
    await admin.close()
    await migrate(_named(url, "ready"))


def _named(url: str, name: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{name}"


@pytest.fixture
async def database_url(oldest: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(oldest)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE ready")
    yield _named(oldest, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.mark.anyio
async def test_it_is_another_version(database: Database) -> None:
    async with database.reading() as tx:
        version = await (await tx.driver()).fetchval("SHOW server_version_num")
    assert version.startswith(OLDEST)


@pytest.mark.anyio
async def test_nothing_is_compiled_by_the_way(database: Database) -> None:
    """Before version 18 the posting functions' settings make every call look worth it, by either door."""
    own = await database.drivers.connect()
    async with database.transaction() as tx:
        assert [await connection.fetchval("SHOW jit") for connection in (own, await tx.driver())] == ["off", "off"]
    await own.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "test",
    [
        test_contention.test_two_hundred_debits_of_a_wallet_that_holds_fifty,
        partial(test_contention.test_transfers_in_a_ring_never_deadlock, legs_each=1),
        partial(test_contention.test_transfers_in_a_ring_never_deadlock, legs_each=3),
        test_contention.test_several_journals_in_opposite_orders_never_deadlock,
        test_holds.test_many_holds_and_payments_at_once_never_overdraw,
        test_marks.test_nothing_is_final_while_an_older_number_may_still_come,
        test_marks.test_any_number_may_add_up_at_once,
    ],
    ids=lambda test: getattr(test, "func", test).__name__,
)
async def test_it_keeps(test: object, database: Database) -> None:
    await test(database)  # type: ignore[operator]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "test",
    [
        test_grouped.test_two_hundred_debits_of_a_wallet_that_holds_enough_for_fifty,
        test_grouped.test_a_stranger_holds_up_only_those_who_need_the_account,
    ],
    ids=lambda test: test.__name__,
)
async def test_its_second_door_keeps(test: object, database: Database) -> None:
    poster = GroupedPosting(database)
    await test(database, poster)  # type: ignore[operator]
    await poster.close()


def test_it_agrees_with_the_model(anyio_backend: str, database_url: str, settings: Settings, keys: Keyring) -> None:
    clock = ManualClock()
    with asyncio.Runner() as runner:
        database = Database(database_url, settings=settings, keys=keys, clock=clock, connections=20)
        owner = Database(database_url, settings=msgspec.structs.replace(settings, database_role=""), keys=keys)
        books = type("Books", (Books,), {"database": database, "owner": owner, "clock": clock, "runner": runner})
        run_machine(books, examples=int(os.environ.get("LONG", "0")) * 50 + 5, steps=15, shrink=False)
        for each in (database, owner):
            runner.run(each.close())
