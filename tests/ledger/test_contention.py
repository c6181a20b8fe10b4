"""Many callers at once: no overdraft, no second effect, no deadlock."""

import asyncio
from collections.abc import Awaitable
from uuid import uuid4

import pytest

from core.database import Database
from ledger import chart
from ledger.audit import audit
from ledger.errors import InsufficientFunds
from ledger.service import Leg, Posted, post
from tests.ledger.books import ANNA, BEN, CHLOE, FLOAT, count, give, held, pay

pytestmark = pytest.mark.anyio


async def verdicts(*calls: Awaitable[Posted]) -> list[object]:
    """What each of the concurrent calls came to: its answer or the class of its refusal."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    return [type(result) if isinstance(result, BaseException) else result for result in done]


async def test_two_hundred_debits_of_a_wallet_that_holds_fifty(database: Database) -> None:
    await give(database, ANNA, 50 * 30)
    results = await verdicts(*(pay(database, f"debit:{n}", Leg(ANNA, BEN, 30)) for n in range(200)))
    assert results.count(InsufficientFunds) == 150
    assert sum(isinstance(result, Posted) for result in results) == 50
    assert (await held(database, ANNA), await held(database, BEN)) == (0, 1500)
    async with database.reading() as tx:
        assert await audit(tx) == []


async def test_one_key_from_many_callers_posts_once(database: Database) -> None:
    results = await asyncio.gather(*(pay(database, "same", Leg(FLOAT, ANNA, 100)) for _ in range(30)))
    assert len({result.journal_id for result in results}) == 1
    assert [result.replayed for result in results].count(False) == 1
    assert await held(database, ANNA) == 100


async def test_transfers_in_a_ring_never_deadlock(database: Database) -> None:
    ring = (ANNA, BEN, CHLOE)
    for wallet in ring:
        await give(database, wallet, 10_000)

    def round_trip(n: int) -> Awaitable[Posted]:
        legs = [Leg(ring[(n + i) % 3], ring[(n + i + 1 + n % 2) % 3], 7) for i in range(3)]
        return pay(database, f"ring:{n}", *legs)

    results = await verdicts(*(round_trip(n) for n in range(200)))
    assert all(isinstance(result, Posted) for result in results)
    assert [await held(database, wallet) for wallet in ring] == [10_000] * 3


async def test_accounts_opened_by_many_at_once_are_opened_once(database: Database) -> None:
    wallets = [chart.wallet(uuid4()) for _ in range(4)]
    calls = (pay(database, f"{n}", *(Leg(FLOAT, wallet, 1) for wallet in wallets)) for n in range(40))
    results = await verdicts(*calls)
    assert all(isinstance(result, Posted) for result in results)
    assert (await count(database, "account"), await held(database, FLOAT)) == (5, 160)


async def test_two_that_open_the_same_accounts_crosswise_never_deadlock(database: Database, owner: Database) -> None:
    first, left, right = (chart.Account(f"suspense:{name}", "liability", floor=None) for name in "abc")
    async with database.transaction() as tx:
        await post(tx, key="opens", kind="test", legs=[Leg(FLOAT, first, 1)])  # and has not committed
        crossing = asyncio.gather(
            verdicts(pay(database, "there", Leg(left, first, 1), Leg(first, right, 1))),
            verdicts(pay(database, "back", Leg(right, first, 1), Leg(first, left, 1))),
        )
        while await waiting(owner) < 2:
            await asyncio.sleep(0)
    assert [type(result) for (result,) in await crossing] == [Posted, Posted]


async def waiting(database: Database) -> int:
    """How many sessions of this database wait for a lock."""
    async with database.reading() as tx:
        return await (await tx.driver()).fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
