"""The second door: each caller has a verdict of their own, after the commit, whatever happens to the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from core.database import Database
from core.effects import KeyReused
from core.settings import Settings
from ledger import chart, grouped
from ledger.audit import audit
from ledger.errors import (
    AccountMismatch,
    AlreadyReversed,
    BalanceTooHigh,
    CurrencyMismatch,
    InsufficientFunds,
    LedgerBusy,
    PeriodClosed,
    PostingUnknown,
)
from ledger.grouped import GroupedPosting
from ledger.journals import Journal, Leg, Posted
from ledger.service import post
from tests.ledger.books import ANNA, BEN, CHLOE, FLOAT, count, give, held, pay

pytestmark = pytest.mark.anyio

CAPPED = chart.Account("wallet:capped", "liability", ceiling=100)


@pytest.fixture
async def poster(database: Database) -> AsyncIterator[GroupedPosting]:
    made = GroupedPosting(database)
    yield made
    await made.close()
    async with database.reading() as tx:
        assert await audit(tx) == []


def moving(key: str, *legs: Leg, **more: Any) -> Journal:
    return Journal(key=key, kind="payment", legs=legs, **more)


async def verdicts(*calls: Awaitable[Posted]) -> list[Any]:
    """Of each call: the class of its refusal, or whether it was a replay."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    return [result.replayed if isinstance(result, Posted) else type(result) for result in done]


# ---- a verdict for each ----------------------------------------------------------------------------------


async def test_one_refusal_never_fails_another(database: Database, owner: Database, poster: GroupedPosting) -> None:
    await give(database, ANNA, 100)
    first = await pay(database, "before", Leg(FLOAT, ANNA, 1))
    async with owner.transaction() as tx:
        yesterday = tx.now - timedelta(days=1)
        await (await tx.driver()).execute("UPDATE books SET closed_until = $1", yesterday)
    wrong = chart.Account(ANNA.code, "liability", "PTS")
    twofold = chart.Account("suspense:twofold", "asset")
    cases: list[tuple[Journal, Any]] = [
        (moving("well", Leg(FLOAT, BEN, 10)), False),
        (moving("poor", Leg(CHLOE, BEN, 10)), InsufficientFunds),
        (moving("poor again", Leg(ANNA, BEN, 60), Leg(CHLOE, BEN, 60)), InsufficientFunds),
        (moving("before", Leg(FLOAT, ANNA, 1)), True),
        (moving("before ", Leg(FLOAT, ANNA, 1)), False),
        (moving("full", Leg(FLOAT, CAPPED, 101)), BalanceTooHigh),
        (moving("room", Leg(FLOAT, CAPPED, 100)), False),
        (moving("fuller", Leg(FLOAT, CAPPED, 1)), BalanceTooHigh),
        (moving("foreign", Leg(chart.POINTS_ISSUED, wrong, 1)), AccountMismatch),
        (moving("twofold", Leg(twofold, BEN, 1), Leg(chart.Account(twofold.code, "income"), BEN, 1)), AccountMismatch),
        (moving("closed", Leg(FLOAT, BEN, 1), effective_at=yesterday - timedelta(seconds=1)), PeriodClosed),
        (moving("back", Leg(ANNA, FLOAT, 1), reverses=first.journal_id), False),
        (moving("back twice", Leg(ANNA, FLOAT, 1), reverses=first.journal_id), AlreadyReversed),
        (moving("nul\0", Leg(FLOAT, BEN, 1)), asyncpg.CharacterNotInRepertoireError),
        (moving("\ud800", Leg(FLOAT, BEN, 1)), asyncpg.DataError),
        (moving("mixed", Leg(FLOAT, chart.points(UUID(int=7)), 1)), CurrencyMismatch),
        (moving("last", Leg(FLOAT, BEN, 10)), False),
    ]
    got = await verdicts(*(poster.post(journal) for journal, _ in cases))
    assert dict(zip([case[0].key for case in cases], got, strict=True)) == {j.key: verdict for j, verdict in cases}
    with pytest.raises(KeyReused):
        await poster.post(moving("before", Leg(FLOAT, ANNA, 2)))


async def test_a_batch_is_judged_in_the_order_of_its_calls(database: Database, poster: GroupedPosting) -> None:
    """What a refused journal would have brought is not there for those behind it."""
    await give(database, ANNA, 30)
    journals = [
        moving("1", Leg(ANNA, BEN, 20)),
        moving("2", Leg(ANNA, BEN, 5), Leg(CHLOE, BEN, 1)),  # refused by its second leg, its first is taken back
        moving("3", Leg(ANNA, BEN, 10)),
        moving("4", Leg(BEN, CHLOE, 30)),
        moving("5", Leg(BEN, CHLOE, 1)),
        moving("6", Leg(CHLOE, ANNA, 30)),
    ]
    await give(database, CHLOE, 1)
    await pay(database, "away", Leg(CHLOE, FLOAT, 1))
    poster._lanes = [asyncio.create_task(poster._work())]  # one lane, so that all are one batch
    poor = InsufficientFunds
    assert await verdicts(*map(poster.post, journals)) == [False, poor, False, False, poor, False]
    assert [await held(database, account) for account in (ANNA, BEN, CHLOE)] == [30, 0, 0]


async def test_two_hundred_debits_of_a_wallet_that_holds_enough_for_fifty(
    database: Database, poster: GroupedPosting
) -> None:
    await give(database, ANNA, 50 * 30)
    results = await verdicts(*(poster.post(moving(f"debit:{n}", Leg(ANNA, BEN, 30))) for n in range(200)))
    assert (results.count(False), results.count(InsufficientFunds)) == (50, 150)
    assert (await held(database, ANNA), await held(database, BEN)) == (0, 1500)


# ---- one key, several callers ----------------------------------------------------------------------------


async def test_a_key_that_many_send_at_once_is_posted_once(database: Database, poster: GroupedPosting) -> None:
    journal = moving("same", Leg(FLOAT, ANNA, 10))
    others = [moving("same", Leg(FLOAT, ANNA, 11)), moving("same", Leg(FLOAT, ANNA, 10), actor="somebody else")]
    got = await verdicts(*(poster.post(j) for j in (journal, *others, journal, moving("same", Leg(FLOAT, ANNA, 10)))))
    assert got == [False, KeyReused, KeyReused, True, True]
    assert await held(database, ANNA) == 10


async def test_after_a_refusal_the_next_with_the_key_has_a_try(database: Database, poster: GroupedPosting) -> None:
    poor, rich = moving("k", Leg(ANNA, BEN, 10)), moving("k", Leg(FLOAT, BEN, 10))
    got = await verdicts(*(poster.post(j) for j in (poor, poor, rich, poor, rich)))
    assert got == [InsufficientFunds, InsufficientFunds, False, KeyReused, True]


async def test_a_key_is_posted_once_by_two_processes(database: Database, poster: GroupedPosting) -> None:
    other = GroupedPosting(database)
    journals = [moving(f"{n}", Leg(FLOAT, ANNA, 1), Leg(ANNA, BEN, 1)) for n in range(100)]
    calls = [each.post(journal) for journal in journals for each in (poster, other)]
    got = await verdicts(*calls, *(pay(database, j.key, *j.legs) for j in journals[:20]))
    assert (got.count(False), got.count(True)) == (100, 120)
    await other.close()
    assert await held(database, BEN) == 100


# ---- callers who leave, and those who are too many ----------------------------------------------------------


async def test_a_caller_that_stops_waiting_takes_nothing_back(database: Database, poster: GroupedPosting) -> None:
    impatient = asyncio.create_task(poster.post(moving("k", Leg(FLOAT, ANNA, 10))))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [True]
    assert await held(database, ANNA) == 10


async def test_a_full_queue_refuses(database_url: str, settings: Settings, database: Database) -> None:
    small = Database(database_url, settings=msgspec.structs.replace(settings, ledger_queue=3), keys=database.keys)
    poster = GroupedPosting(small)
    got = await verdicts(*(poster.post(moving(f"{n}", Leg(FLOAT, ANNA, 1))) for n in range(5)))
    assert got == [False, False, False, LedgerBusy, LedgerBusy]
    assert await verdicts(poster.post(moving("later", Leg(FLOAT, ANNA, 1)))) == [False], "there is room again"
    await poster.close()
    await small.close()


async def test_closing_answers_everybody_and_takes_nobody_new(database: Database) -> None:
    poster = GroupedPosting(database)
    calls = [asyncio.create_task(poster.post(moving(f"{n % 600}", Leg(FLOAT, ANNA, 1)))) for n in range(1300)]
    await asyncio.sleep(0)
    await poster.close()
    assert all(call.done() for call in calls)
    assert (await held(database, ANNA), await count(database, "journal")) == (600, 600)
    with pytest.raises(LedgerBusy):
        await poster.post(moving("too late", Leg(FLOAT, ANNA, 1)))


# ---- a database that goes away -------------------------------------------------------------------------------


async def test_a_connection_lost_in_the_middle_is_unknown_and_the_key_tells(
    owner: Database, database: Database, poster: GroupedPosting
) -> None:
    await poster.post(moving("before", Leg(FLOAT, ANNA, 1)))
    await stand_still(owner)
    call = asyncio.create_task(poster.post(moving("k", Leg(FLOAT, ANNA, 10))))
    async with owner.reading() as tx:
        driver = await tx.driver()
        while not await driver.fetchval(
            "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event = 'PgSleep'"
        ):
            await asyncio.sleep(0.01)
    with pytest.raises(PostingUnknown):
        await call
    async with owner.transaction() as tx:
        await (await tx.driver()).execute("DROP TRIGGER slow ON posting")
    assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [False], "it had not been written"
    assert await held(database, ANNA) == 11


async def stand_still(owner: Database) -> None:
    """Have the next posting wait for good, in the middle of its flush."""
    async with owner.transaction() as tx:
        await (await tx.driver()).execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(14); RETURN NEW; END';"
            "CREATE TRIGGER slow BEFORE INSERT ON posting FOR EACH ROW EXECUTE FUNCTION slow()"
        )


class Deaf:
    """A connection whose server does as it is told, and is lost before it answers."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetchrow(self, *arguments: Any) -> None:
        await self._connection.fetchrow(*arguments)
        await self._connection.close()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def terminate(self) -> None:
        self._connection.terminate()


async def test_an_answer_lost_after_the_commit_is_unknown_and_the_key_tells(
    database: Database, poster: GroupedPosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = database.drivers.connect

    async def deaf(**session: str) -> Any:
        return Deaf(await connect(**session))

    with monkeypatch.context() as lost:
        lost.setattr(database.drivers, "connect", deaf)
        assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [PostingUnknown]
    assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [True], "it had been written"
    assert await held(database, ANNA) == 10


async def test_a_connection_lost_while_it_idled_is_made_anew(
    owner: Database, database: Database, poster: GroupedPosting
) -> None:
    await poster.post(moving("before", Leg(FLOAT, ANNA, 1)))
    async with owner.reading() as tx:
        await (await tx.driver()).execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%post_journals%' AND pid <> pg_backend_pid()"
        )
    assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [False]


async def test_without_a_database_nothing_was_written(
    database: Database, poster: GroupedPosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(**_: str) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as lost:
        lost.setattr(database.drivers, "connect", refused)
        assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [LedgerBusy]
    assert await verdicts(poster.post(moving("k", Leg(FLOAT, ANNA, 10)))) == [False]


# ---- accounts that somebody keeps locked ---------------------------------------------------------------------


async def test_a_stranger_holds_up_only_those_who_need_the_account(database: Database, poster: GroupedPosting) -> None:
    await give(database, ANNA, 100)
    async with database.transaction() as tx:
        await post(tx, key="stranger", kind="payment", legs=[Leg(ANNA, BEN, 1)])
        needy = [asyncio.create_task(poster.post(moving(f"needy {n}", Leg(ANNA, CHLOE, 1)))) for n in range(10)]
        for wave in range(3):
            others = (poster.post(moving(f"other {wave} {n}", Leg(FLOAT, CHLOE, 1))) for n in range(50))
            assert await verdicts(*others) == [False] * 50
        assert not any(call.done() for call in needy)
    assert await verdicts(*needy) == [False] * 10
    assert [await held(database, account) for account in (ANNA, CHLOE)] == [89, 160]


async def test_an_account_that_stays_locked_is_a_refusal(
    database: Database, poster: GroupedPosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped, "_PATIENCE_SECONDS", 0.2)
    await give(database, ANNA, 100)
    async with database.transaction() as tx:
        await post(tx, key="stranger", kind="payment", legs=[Leg(ANNA, BEN, 1)])
        both = poster.post(moving("k", Leg(ANNA, CHLOE, 1))), poster.post(moving("well", Leg(FLOAT, CHLOE, 1)))
        assert await verdicts(*both) == [LedgerBusy, False]
    assert await verdicts(poster.post(moving("k", Leg(ANNA, CHLOE, 1)))) == [False]


async def test_a_key_that_somebody_keeps_locked_holds_up_nobody_else(
    database: Database, poster: GroupedPosting
) -> None:
    fee = Leg(FLOAT, chart.PROVIDER_FEES, 1)
    await pay(database, "opens", fee)
    async with database.transaction() as tx:
        await post(tx, key="k", kind="payment", legs=[fee])
        waits = asyncio.create_task(poster.post(moving("k", fee)))
        for wave in range(3):
            others = (poster.post(moving(f"{wave} {n}", Leg(FLOAT, ANNA, 1))) for n in range(20))
            assert await verdicts(*others) == [False] * 20
        assert not waits.done()
    assert await verdicts(waits) == [True]


async def test_a_key_that_stays_locked_is_a_refusal(
    database: Database, poster: GroupedPosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped, "_PATIENCE_SECONDS", 0.2)
    async with database.transaction() as tx:
        await post(tx, key="k", kind="payment", legs=[Leg(FLOAT, chart.PROVIDER_FEES, 1)])
        assert await verdicts(poster.post(moving("k", Leg(FLOAT, chart.PROVIDER_FEES, 1)))) == [LedgerBusy]
    assert await verdicts(poster.post(moving("k", Leg(FLOAT, chart.PROVIDER_FEES, 1)))) == [True]


async def test_closing_waits_for_those_that_were_set_aside(database: Database) -> None:
    poster = GroupedPosting(database)
    await give(database, ANNA, 100)
    async with database.transaction() as tx:
        await post(tx, key="stranger", kind="payment", legs=[Leg(ANNA, BEN, 1)])
        call = asyncio.create_task(poster.post(moving("needy", Leg(ANNA, CHLOE, 1))))
        while not poster._locked:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(poster.close())
    await closing
    assert await verdicts(call) == [False]


async def test_hot_accounts_wait_for_nobody(database: Database, poster: GroupedPosting) -> None:
    await pay(database, "opens", Leg(FLOAT, chart.PROVIDER_FEES, 1))
    async with database.transaction() as first:
        await post(first, key="open", kind="payment", legs=[Leg(FLOAT, chart.PROVIDER_FEES, 5)])
        async with database.transaction() as second:
            await (await second.driver()).execute("SET LOCAL lock_timeout = '1ms'")
            await post(second, key="joined", kind="payment", legs=[Leg(FLOAT, chart.PROVIDER_FEES, 7)])
        assert await verdicts(poster.post(moving("grouped", Leg(chart.PROVIDER_FEES, FLOAT, 3)))) == [False]
        assert await held(database, FLOAT) == 1 + 7 - 3, "and sees what is committed"
    assert await held(database, FLOAT) == 10
