"""Many callers at once: no overdraft, no second effect, no deadlock."""

import asyncio
import random
from collections.abc import Awaitable
from uuid import uuid4

import pytest

from core.database import Database
from ledger import chart
from ledger.audit import audit
from ledger.errors import InsufficientFunds
from ledger.service import Journal, Leg, Posted, post, post_many
from tests.ledger.books import ANNA, BEN, CHLOE, FLOAT, count, give, held, pay, until_waiting

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


@pytest.mark.parametrize("legs_each", [1, 3])
async def test_transfers_in_a_ring_never_deadlock(database: Database, legs_each: int) -> None:
    ring = (ANNA, BEN, CHLOE)
    for wallet in ring:
        await give(database, wallet, 10_000)

    def round_trip(n: int) -> Awaitable[Posted]:
        legs = [Leg(ring[(n + i) % 3], ring[(n + i + 1 + n % 2) % 3], 7) for i in range(legs_each)]
        return pay(database, f"ring:{n}", *legs)

    results = await verdicts(*(round_trip(n) for n in range(200)))
    assert all(isinstance(result, Posted) for result in results)
    assert sum([await held(database, wallet) for wallet in ring]) == 30_000


async def test_several_journals_in_opposite_orders_never_deadlock(database: Database) -> None:
    """The whole batch is repeated by several, each in an order of its own."""
    for wallet in (ANNA, BEN, CHLOE):
        await give(database, wallet, 10_000)
    journals = [
        Journal(key=f"{n}", kind="payment", legs=[Leg(ANNA, BEN, 1), Leg(CHLOE, ANNA, 1), Leg(BEN, CHLOE, 1)])
        for n in range(60)
    ]

    async def send(seed: int) -> list[Posted]:
        async with database.transaction() as tx:
            return await post_many(tx, random.Random(seed).sample(journals, len(journals)))

    results = await asyncio.gather(*(send(seed) for seed in range(8)), return_exceptions=True)
    assert [type(result) for result in results] == [list] * 8
    assert await count(database, "journal") == 63


async def test_hot_accounts_wait_for_nobody(database: Database) -> None:
    await give(database, ANNA, 100)
    async with database.transaction() as first:
        await post(first, key="first", kind="payment", legs=[Leg(FLOAT, ANNA, 1)])
        async with database.transaction() as second:
            await (await second.driver()).execute("SET LOCAL lock_timeout = '1ms'")
            await post(second, key="second", kind="payment", legs=[Leg(FLOAT, BEN, 2)])
    assert await held(database, FLOAT) == 103


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
        await until_waiting(owner, 2)
    assert [type(result) for (result,) in await crossing] == [Posted, Posted]
