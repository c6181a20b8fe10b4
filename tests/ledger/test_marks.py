"""Adding up: never too early, nothing twice, nothing left out."""

import asyncio

import pytest

from core.clock import ManualClock
from core.database import Database
from ledger import chart
from ledger.audit import audit
from ledger.marks import Marks, Watermark
from ledger.service import Leg, post
from tests.ledger.books import ANNA, BEN, FLOAT, count, give, held, pay, settle, settled

pytestmark = pytest.mark.anyio


async def sound(database: Database) -> bool:
    async with database.reading() as tx:
        return await audit(tx) == []


# ---- the watermark ---------------------------------------------------------------------------------------


async def test_before_the_first_journal_nothing_is_final(database: Database) -> None:
    """A sequence that was never asked says 1 as well."""
    marks = Marks(database)
    await settle(marks)
    await give(database, ANNA, 100)
    assert await held(database, FLOAT) == 100
    assert await settle(marks) == 1
    assert await held(database, FLOAT) == 100
    assert await sound(database)


async def test_nothing_is_final_while_an_older_number_may_still_come(database: Database) -> None:
    await give(database, ANNA, 100)
    watermark = Watermark(database)
    async with database.transaction() as tx:  # the newest transaction of all: none that is younger has ended
        late = await post(tx, key="late", kind="top_up", legs=[Leg(FLOAT, ANNA, 1)])
        assert await advanced(watermark) < late.journal_id
        await give(database, BEN, 5)
        assert await advanced(watermark) < late.journal_id
    assert await settled(watermark) == late.journal_id + 1


async def test_nothing_is_final_while_the_youngest_of_several_is_open(database: Database) -> None:
    await give(database, ANNA, 1)
    await give(database, BEN, 1)
    watermark = Watermark(database)
    async with database.transaction() as older:
        await post(older, key="older", kind="top_up", legs=[Leg(FLOAT, ANNA, 1)])
        async with database.transaction() as younger:
            late = await post(younger, key="younger", kind="top_up", legs=[Leg(FLOAT, BEN, 1)])
            assert await watermark.advance() < late.journal_id
            await (await older.driver()).execute("COMMIT; BEGIN")
            assert await advanced(watermark) < late.journal_id
    assert await settled(watermark) == late.journal_id


async def test_a_number_that_was_rolled_back_holds_nobody_up(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            lost = await post(tx, key="lost", kind="top_up", legs=[Leg(FLOAT, ANNA, 1)])
            raise RuntimeError("the caller changed its mind")
    assert await settled(Watermark(database)) == lost.journal_id


async def advanced(watermark: Watermark) -> int:
    """Where it stands after more looks than it would need."""
    return [await watermark.advance() for _ in range(3)][-1]


# ---- marks and turnover ----------------------------------------------------------------------------------


async def test_hot_accounts_stand_still_between_two_marks(database: Database) -> None:
    await give(database, ANNA, 100)
    await give(database, BEN, 50)
    assert await kept(database, FLOAT) == (0, 0)
    assert await held(database, FLOAT) == 150
    marks = Marks(database)
    assert await settle(marks) == 2
    assert await kept(database, FLOAT) == (150, 2)
    await pay(database, "out", Leg(ANNA, FLOAT, 30))
    assert (await kept(database, FLOAT), await held(database, FLOAT)) == ((150, 2), 120)
    assert await settle(marks) == 1
    assert await settle(marks) == 0
    assert await kept(database, FLOAT) == (120, 3)
    assert await count(database, "balance_mark") == 2
    assert await sound(database)


async def test_a_leg_between_two_hot_accounts_counts_on_both(database: Database) -> None:
    await pay(database, "sweep", Leg(chart.PROVIDER_FEES, FLOAT, 30), Leg(FLOAT, chart.SUSPENSE_SURPLUS, 10))
    await settle(Marks(database))
    accounts = (FLOAT, chart.PROVIDER_FEES, chart.SUSPENSE_SURPLUS)
    assert [await kept(database, account) for account in accounts] == [(-20, 2), (30, 1), (10, 1)]
    assert await sound(database)


async def test_turnover_counts_each_journal_on_its_own_day_in_douala(database: Database, clock: ManualClock) -> None:
    late = clock.now().replace(hour=23, minute=30)  # 0:30 in Douala: the next day
    async with database.transaction() as tx:
        for number, effective_at in enumerate((clock.now(), late, late)):
            legs = [Leg(FLOAT, ANNA, 10**number)]
            await post(tx, key=str(number), kind="top_up", legs=legs, effective_at=effective_at)
    await settle(Marks(database))
    async with database.reading() as tx:
        rows = await (await tx.driver()).fetch("SELECT day::text, debit, credit FROM turnover WHERE family = 'wallet'")
    assert {(row["day"], row["debit"], row["credit"]) for row in rows} == {("2026-11-21", 0, 1), ("2026-11-22", 0, 110)}
    assert await sound(database)


async def test_any_number_may_add_up_at_once(database: Database) -> None:
    for number in range(20):
        await pay(database, str(number), Leg(FLOAT, ANNA, 1), Leg(FLOAT, BEN, 1))
    several = [Marks(database) for _ in range(5)]
    assert sum(await asyncio.gather(*map(settle, several))) == 40
    assert await kept(database, FLOAT) == (40, 40)
    assert await sound(database)


async def kept(database: Database, account: chart.Account) -> tuple[int, int]:
    """What the account's own row says: balance and number of postings."""
    async with database.reading() as tx:
        row = await (await tx.driver()).fetchrow("SELECT balance, version FROM account WHERE code = $1", account.code)
    return row["balance"], row["version"]


async def test_marks_lie_close_enough_for_a_statement_to_count_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.marks.STEP_JOURNALS", 4)
    for _ in range(10):
        await give(database, ANNA, 1)
    assert await settle(Marks(database)) == 10
    assert await count(database, "balance_mark") == 3
    assert await settle(Marks(database)) == 0
    assert await sound(database)
