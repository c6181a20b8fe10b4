"""Holds: one end each, whatever is tried at once; what is held is not spent, and what is not there is not held."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.database import Database
from core.effects import KeyReused
from core.errors import NotFound
from ledger import chart
from ledger.audit import audit
from ledger.errors import HoldClosed, HoldExceeded, HoldExpired, InsufficientFunds, InvalidLegAmount
from ledger.grouped import GroupedPosting
from ledger.holds import capture, expire, hold, release
from ledger.journals import MAX_AMOUNT, Journal, Leg, Posted
from ledger.service import post
from tests.ledger.books import ANNA, BEN, CHLOE, FLOAT, count, give, held, pay, until_waiting

pytestmark = pytest.mark.anyio


async def reserve(
    database: Database, amount: int, *, key: str = "h", account: chart.Account = ANNA, **more: Any
) -> int:
    async with database.transaction() as tx:
        expires_at = more.pop("expires_at", tx.now + timedelta(minutes=10))
        opened = await hold(tx, key=key, kind="reserved", account=account, amount=amount, expires_at=expires_at, **more)
    return opened.hold_id


async def take(database: Database, hold_id: int, *legs: Leg, key: str = "c") -> Posted:
    async with database.transaction() as tx:
        return await capture(tx, hold_id=hold_id, key=key, kind="bought", legs=legs)


async def let_go(database: Database, hold_id: int) -> None:
    async with database.transaction() as tx:
        await release(tx, hold_id=hold_id)


async def of_hold(database: Database, hold_id: int) -> tuple[str, int]:
    """Its state, and what of it was captured."""
    async with database.reading() as tx:
        row = await (await tx.driver()).fetchrow("SELECT state, captured FROM hold WHERE id = $1", hold_id)
    return row["state"], row["captured"]


async def reserved(database: Database, account: chart.Account = ANNA) -> int:
    async with database.reading() as tx:
        return int(await (await tx.driver()).fetchval("SELECT held FROM account WHERE code = $1", account.code))


async def sound(database: Database) -> None:
    async with database.reading() as tx:
        assert await audit(tx) == []


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    done = await asyncio.gather(*calls, return_exceptions=True)
    return [type(result) if isinstance(result, Exception) else "done" for result in done]


# ---- what is held ----------------------------------------------------------------------------------------


async def test_what_is_held_is_still_there_and_cannot_be_spent(database: Database) -> None:
    await give(database, ANNA, 100)
    await reserve(database, 60)
    assert (await held(database, ANNA), await reserved(database)) == (100, 60)
    poster = GroupedPosting(database)
    with pytest.raises(InsufficientFunds):
        await pay(database, "joined", Leg(ANNA, BEN, 41))
    with pytest.raises(InsufficientFunds):
        await poster.post(Journal(key="grouped", kind="payment", legs=[Leg(ANNA, BEN, 41)]))
    with pytest.raises(InsufficientFunds):  # between two legs neither
        await pay(database, "there and back", Leg(ANNA, BEN, 41), Leg(BEN, ANNA, 41))
    await poster.post(Journal(key="grouped", kind="payment", legs=[Leg(ANNA, BEN, 15)]))
    await pay(database, "joined", Leg(ANNA, BEN, 25))
    assert (await held(database, ANNA), await reserved(database)) == (60, 60)
    await poster.close()
    await sound(database)


async def test_plans_made_while_the_tables_are_tiny_still_use_the_indexes(database: Database, owner: Database) -> None:
    """A plan lives as long as its connection: one that reads the whole table would do so when it has grown."""
    await give(database, ANNA, 100)
    async with owner.transaction() as tx:
        await (await tx.driver()).execute("ANALYZE account, posting, hold")
    async with database.transaction() as tx:
        later = tx.now + timedelta(minutes=10)
        for n in range(10):
            taken = await hold(tx, key=f"t{n}", kind="reserved", account=ANNA, amount=2, expires_at=later)
            freed = await hold(tx, key=f"f{n}", kind="reserved", account=ANNA, amount=2, expires_at=later)
            await capture(tx, hold_id=taken.hold_id, key=f"c{n}", kind="bought", legs=[Leg(ANNA, BEN, 1)])
            await release(tx, hold_id=freed.hold_id)
        scans = await (await tx.driver()).fetch(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname IN ('account', 'posting', 'hold')"
        )
    assert {row["relname"]: row["seq_scan"] for row in scans} == {"account": 0, "posting": 0, "hold": 0}


@pytest.mark.parametrize(
    "account",
    [
        FLOAT,
        chart.Account("float:counted", "asset"),
        chart.SUSPENSE_SURPLUS,
        chart.Account("suspense:capped", "liability", floor=None, ceiling=500),
        chart.Account("suspense:overdraft", "liability", floor=-500),
    ],
)
async def test_nothing_is_held_of_an_account_that_may_fall_below_zero(
    database: Database, account: chart.Account
) -> None:
    """Nor of an asset, which is nobody's to spend."""
    legs = (account, chart.GOODWILL) if account.kind == "asset" else (chart.GOODWILL, account)
    await pay(database, "give", Leg(*legs, 100))
    with pytest.raises(InsufficientFunds):
        await reserve(database, 10, account=account)
    assert await count(database, "hold") == 0


async def test_nothing_is_held_of_an_account_that_was_never_used(database: Database) -> None:
    with pytest.raises(InsufficientFunds):
        await reserve(database, 10)


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1, 1.5, True])
async def test_only_a_whole_amount_can_be_held(database: Database, amount: Any) -> None:
    with pytest.raises(InvalidLegAmount):
        await reserve(database, amount)


async def test_nothing_is_held_that_is_over_before_it_begins(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 100)
    with pytest.raises(HoldExpired):
        await reserve(database, 10, expires_at=clock.now())
    assert (await count(database, "hold"), await reserved(database)) == (0, 0)


async def test_holds_never_exceed_what_is_there(database: Database) -> None:
    await give(database, ANNA, 100)
    await reserve(database, 60)
    with pytest.raises(InsufficientFunds):
        await reserve(database, 41, key="second")
    await reserve(database, 40, key="third")
    with pytest.raises(InsufficientFunds):
        await pay(database, "k", Leg(ANNA, BEN, 1))
    await sound(database)


async def test_the_same_key_gives_the_first_hold_whatever_became_of_it(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 100)
    until = clock.now() + timedelta(minutes=10)
    first = await reserve(database, 60, expires_at=until)
    await let_go(database, first)
    clock.advance(days=400)
    async with database.transaction() as tx:
        again = await hold(tx, key="h", kind="reserved", account=ANNA, amount=60, expires_at=until)
    assert (again.hold_id, again.replayed) == (first, True)
    for other in ({"amount": 61}, {"account": BEN}, {"expires_at": until + timedelta(seconds=1)}):
        with pytest.raises(KeyReused):
            await reserve(database, **{"amount": 60, "expires_at": until, **other})
    assert await reserved(database) == 0


# ---- its end ---------------------------------------------------------------------------------------------


async def test_a_capture_posts_and_sets_the_rest_free(database: Database) -> None:
    await give(database, ANNA, 100)
    hold_id = await reserve(database, 60)
    posted = await take(database, hold_id, Leg(ANNA, BEN, 30), Leg(ANNA, chart.COMMISSION, 5))
    assert (await held(database, ANNA), await reserved(database)) == (65, 0)
    assert await of_hold(database, hold_id) == ("captured", 35)
    again = await take(database, hold_id, Leg(ANNA, BEN, 30), Leg(ANNA, chart.COMMISSION, 5))
    assert (again.journal_id, again.replayed) == (posted.journal_id, True)
    await sound(database)


async def test_a_capture_takes_what_is_held_even_when_nothing_else_is_there(database: Database) -> None:
    await give(database, ANNA, 60)
    hold_id = await reserve(database, 60)
    await take(database, hold_id, Leg(ANNA, BEN, 60))
    assert (await held(database, ANNA), await held(database, BEN)) == (0, 60)


@pytest.mark.parametrize(
    "legs", [[Leg(ANNA, BEN, 61)], [Leg(ANNA, BEN, 30)] * 3, [Leg(FLOAT, BEN, 1)], [Leg(BEN, ANNA, 5)]]
)
async def test_a_capture_takes_from_the_held_account_and_no_more_than_was_held(
    database: Database, legs: list[Leg]
) -> None:
    await give(database, ANNA, 500)
    await give(database, BEN, 500)
    hold_id = await reserve(database, 60)
    with pytest.raises(HoldExceeded):
        await take(database, hold_id, *legs)
    assert await of_hold(database, hold_id) == ("open", 0)
    await sound(database)


async def test_a_capture_that_is_refused_leaves_the_hold_as_it_was(database: Database) -> None:
    await give(database, ANNA, 100)
    hold_id = await reserve(database, 60)
    with pytest.raises(InsufficientFunds):
        await take(database, hold_id, Leg(ANNA, BEN, 60), Leg(CHLOE, BEN, 1))
    await pay(database, "other", Leg(FLOAT, BEN, 1))
    with pytest.raises(KeyReused):
        await take(database, hold_id, Leg(ANNA, BEN, 60), key="other")
    assert (await of_hold(database, hold_id), await reserved(database)) == (("open", 0), 60)
    await sound(database)


async def test_a_release_may_be_repeated_and_nothing_follows_it(database: Database) -> None:
    await give(database, ANNA, 100)
    hold_id = await reserve(database, 60)
    for _ in range(2):
        await let_go(database, hold_id)
    assert await reserved(database) == 0
    with pytest.raises(HoldClosed):
        await take(database, hold_id, Leg(ANNA, BEN, 60))
    await pay(database, "k", Leg(ANNA, BEN, 100))


async def test_a_captured_hold_is_neither_released_nor_captured_again(database: Database) -> None:
    await give(database, ANNA, 100)
    hold_id = await reserve(database, 60)
    await take(database, hold_id, Leg(ANNA, BEN, 10))
    with pytest.raises(HoldClosed):
        await let_go(database, hold_id)
    with pytest.raises(HoldClosed):
        await take(database, hold_id, Leg(ANNA, BEN, 10), key="another")
    with pytest.raises(KeyReused):
        await take(database, hold_id, Leg(ANNA, BEN, 11))
    assert await held(database, ANNA) == 90


async def test_a_hold_that_never_was(database: Database) -> None:
    with pytest.raises(NotFound):
        await let_go(database, 7)
    with pytest.raises(NotFound):
        await take(database, 7, Leg(ANNA, BEN, 1))


# ---- expiry ----------------------------------------------------------------------------------------------


async def test_a_sweep_ends_what_is_over_and_nothing_else(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 100)
    until = clock.now() + timedelta(minutes=10)
    over, not_over = await reserve(database, 10, key="1", expires_at=until), await reserve(database, 20, key="2")
    await let_go(database, await reserve(database, 5, key="3", expires_at=until))
    clock.advance(minutes=10)
    await reserve(database, 1, key="later")
    later = await reserve(database, 30, key="4")
    async with database.transaction() as tx:
        await release(tx, hold_id=not_over)
    assert await expire(database) == 1
    assert await expire(database) == 0
    assert [(await of_hold(database, each))[0] for each in (over, later)] == ["expired", "open"]
    assert await reserved(database) == 31
    await sound(database)


async def test_a_sweep_takes_the_oldest_first_and_not_all_at_once(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 100)
    ids = [await reserve(database, 1, key=f"{n}", expires_at=clock.now() + timedelta(minutes=10 - n)) for n in range(5)]
    clock.advance(hours=1)
    assert await expire(database, most=2) == 2
    assert [(await of_hold(database, each))[0] for each in ids] == ["open"] * 3 + ["expired"] * 2


async def test_after_its_time_a_hold_is_not_captured_whether_a_sweep_came_or_not(
    database: Database, clock: ManualClock
) -> None:
    await give(database, ANNA, 100)
    hold_id = await reserve(database, 60)
    clock.advance(minutes=10)
    with pytest.raises(HoldExpired):
        await take(database, hold_id, Leg(ANNA, BEN, 1))
    await expire(database)
    with pytest.raises(HoldClosed):
        await take(database, hold_id, Leg(ANNA, BEN, 1))
    with pytest.raises(HoldClosed):
        await let_go(database, hold_id)


# ---- at once ---------------------------------------------------------------------------------------------


async def test_of_many_ends_at_once_there_is_one(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 1000)
    for number in range(10):
        hold_id = await reserve(database, 60, key=f"h{number}", expires_at=clock.now() + timedelta(minutes=1))
        clock.advance(minutes=1 - number % 2)
        captures = [take(database, hold_id, Leg(ANNA, BEN, 60), key=f"{number}:{n % 2}") for n in range(6)]
        ends = await outcomes(*captures, *(let_go(database, hold_id) for _ in range(3)), expire(database))
        state, captured = await of_hold(database, hold_id)
        assert set(ends) <= {"done", HoldClosed, HoldExpired}
        assert (ends[:6].count("done"), ends[6:9].count("done"), captured) == {
            "captured": (3, 0, 60),
            "released": (0, 3, 0),
            "expired": (0, 0, 0),
        }[state]
    assert await reserved(database) == 0
    await sound(database)


async def test_many_holds_and_payments_at_once_never_overdraw(database: Database) -> None:
    await give(database, ANNA, 50 * 30)
    holding = [reserve(database, 30, key=f"h{n}") for n in range(100)]
    paying = [pay(database, f"p{n}", Leg(ANNA, BEN, 30)) for n in range(100)]
    done = await outcomes(*(call for pair in zip(holding, paying, strict=True) for call in pair))
    assert (done.count("done"), done.count(InsufficientFunds)) == (50, 150)
    assert await held(database, ANNA) == await reserved(database)
    await sound(database)


async def test_a_capture_and_a_posting_under_one_key_do_not_wait_in_a_circle(
    database: Database, owner: Database
) -> None:
    await give(database, ANNA, 1000)
    hold_id = await reserve(database, 10)
    async with database.transaction() as tx:
        await post(tx, key="stranger", kind="payment", legs=[Leg(ANNA, BEN, 1)])
        capturing = asyncio.create_task(take(database, hold_id, Leg(ANNA, BEN, 10), key="k"))
        await until_waiting(owner, 1)
        posting = asyncio.create_task(pay(database, "k", Leg(ANNA, BEN, 10)))
        await until_waiting(owner, 2)
    assert await outcomes(capturing, posting) == ["done", KeyReused]
    await sound(database)


async def test_a_hold_that_is_rolled_back_holds_nothing(database: Database) -> None:
    await give(database, ANNA, 100)
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            until = tx.now + timedelta(minutes=1)
            opened = await hold(tx, key="h", kind="reserved", account=ANNA, amount=60, expires_at=until)
            await capture(tx, hold_id=opened.hold_id, key="c", kind="bought", legs=[Leg(ANNA, BEN, 60)])
            await post(tx, key="p", kind="payment", legs=[Leg(BEN, CHLOE, 60)])
            raise RuntimeError("the caller changed its mind")
    assert (await count(database, "hold"), await reserved(database), await held(database, ANNA)) == (0, 0, 100)
