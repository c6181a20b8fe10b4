"""Many callers at once: no overdraft, no second effect, no deadlock."""

import asyncio
from collections.abc import Awaitable, Sequence
from itertools import pairwise

import pytest

from core.database import Database
from ledger import chart
from ledger.audit import audit
from ledger.errors import InsufficientFunds
from ledger.service import Leg, Posted
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
    for batch in range(6):
        ring = [chart.Account(f"suspense:{batch}:{n}", "liability", floor=None) for n in range(8)]

        def open_all(n: int, batch: int = batch, ring: Sequence[chart.Account] = ring) -> Awaitable[Posted]:
            turned = [*ring[n % 8 :], *ring[: n % 8]]
            return pay(database, f"open:{batch}:{n}", *(Leg(one, other, 1) for one, other in pairwise(turned)))

        results = await verdicts(*(open_all(n) for n in range(20)))
        assert all(isinstance(result, Posted) for result in results)
        assert await count(database, "account") == 8 * (batch + 1)
