"""Closing the books: what is closed stays as it is to the byte, whoever posts at the same time."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from core import four_eyes
from core.clock import DOUALA, ManualClock
from core.database import Database, Tx
from core.errors import InvalidInput
from core.four_eyes import AlreadyProposed, Proposal
from ledger import periods
from ledger.errors import PeriodClosed, PeriodReopened
from ledger.grouped import GroupedPosting
from ledger.journals import Journal, many, places
from ledger.marks import Marks
from ledger.periods import NotTheLastPeriod, PeriodGap, PeriodNotOver, PostingsUnderWay, read_period
from ledger.rendering import render
from ledger.reporting import BEGINNING, Asked, snapshot, whole
from ledger.reports.balances import TRIAL_BALANCE
from ledger.reports.statements import ACCOUNT_STATEMENT
from ledger.service import Leg, Posted, call, post
from tests.ledger.books import ANNA, BEN, FLOAT, give, held, pay, settle, until_waiting

pytestmark = pytest.mark.anyio

ANNE, BORIS = uuid4(), uuid4()
OCTOBER, NOVEMBER = read_period("2026-10"), read_period("2026-11")
NOON = datetime(2026, 10, 15, 12, tzinfo=DOUALA)  # in October; the clock stands in November


async def close(database: Database, name: str = "2026-10", actor: UUID = ANNE, patience: float = 100) -> int:
    return await periods.close(database, period=read_period(name), actor=f"staff:{actor}", patience_seconds=patience)


async def dated(database: Database, key: str, at: datetime, *legs: Leg, moving_on: bool = False) -> Posted:
    async with database.transaction() as tx:
        return await post(tx, key=key, kind="late", legs=legs, effective_at=at, moving_on=moving_on)


async def events(database: Database) -> list[tuple[str, str]]:
    async with database.reading() as tx:
        return [(event.event, event.period) for event in await periods.history(tx)]


async def october(database: Database) -> list[str]:
    """Everything that finance reads of October, byte for byte."""
    async with snapshot(database) as tx:
        balances = await whole(tx, TRIAL_BALANCE, Asked(BEGINNING, OCTOBER.ends_at))
        lines = await whole(tx, ACCOUNT_STATEMENT, Asked(BEGINNING, OCTOBER.ends_at, FLOAT.code))
    return [render(table, form) for table in (balances, lines) for form in ("text", "csv", "json")]


# ---- what a period is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begins", "ends"),
    [
        ("2026-10", "2026-09-30T23:00+00:00", "2026-10-31T23:00+00:00"),
        ("2026-12", "2026-11-30T23:00+00:00", "2026-12-31T23:00+00:00"),
        ("2028-02-29", "2028-02-28T23:00+00:00", "2028-02-29T23:00+00:00"),
    ],
)
def test_a_period_is_a_day_or_a_month_in_douala(name: str, begins: str, ends: str) -> None:
    period = read_period(name)
    assert (period.begins_at, period.ends_at) == (datetime.fromisoformat(begins), datetime.fromisoformat(ends))


@pytest.mark.parametrize(
    "name", ["", "2026", "2026-13", "2026-02-30", "2026-1", "20261031", "9999-12", "0001-01", "٢٠٢٦-10"]
)
def test_anything_else_is_not_a_period(name: str) -> None:
    with pytest.raises(InvalidInput):
        read_period(name)


# ---- what a closed period refuses ------------------------------------------------------------------------


async def test_nothing_more_counts_in_a_closed_period(database: Database) -> None:
    await dated(database, "in time", NOON, Leg(FLOAT, ANNA, 100))
    await close(database)
    with pytest.raises(PeriodClosed):
        await dated(database, "late", NOON, Leg(FLOAT, ANNA, 100))
    with pytest.raises(PeriodClosed):
        await dated(database, "late", OCTOBER.ends_at - timedelta(microseconds=1), Leg(FLOAT, ANNA, 100))
    await dated(database, "open", OCTOBER.ends_at, Leg(FLOAT, ANNA, 1))
    assert await held(database, ANNA) == 101


async def test_the_grouped_door_refuses_it_too_and_only_it(database: Database) -> None:
    await close(database)
    door = GroupedPosting(database)
    late, fresh = await asyncio.gather(
        door.post(Journal(key="late", kind="late", legs=[Leg(FLOAT, ANNA, 100)], effective_at=NOON)),
        door.post(Journal(key="fresh", kind="fresh", legs=[Leg(FLOAT, ANNA, 7)])),
        return_exceptions=True,
    )
    await door.close()
    assert isinstance(late, PeriodClosed) and isinstance(fresh, Posted)
    assert await held(database, ANNA) == 7


@pytest.mark.parametrize("legs", [(Leg(FLOAT, ANNA, 100),), (Leg(FLOAT, ANNA, 100), Leg(ANNA, BEN, 40))])
async def test_what_moves_on_counts_from_the_open_period_and_says_when_it_belonged(
    database: Database, legs: tuple[Leg, ...]
) -> None:
    await close(database)
    first = await dated(database, "late", NOON, *legs, moving_on=True)
    again = await dated(database, "late", NOON, *legs, moving_on=True)
    assert (again.journal_id, again.replayed) == (first.journal_id, True)
    async with database.reading() as tx:
        found = await tx.one(text("SELECT effective_at, metadata ->> 'belongs_to' AS at FROM journal"))
        days = await tx.all(text("SELECT DISTINCT effective_at FROM posting"))
    assert (found.effective_at, datetime.fromisoformat(found.at)) == (OCTOBER.ends_at, NOON)
    assert [row.effective_at for row in days] == [OCTOBER.ends_at]


async def test_a_key_that_was_posted_in_time_is_answered_for_ever(database: Database) -> None:
    first = await dated(database, "k", NOON, Leg(FLOAT, ANNA, 100))
    await close(database)
    assert (await dated(database, "k", NOON, Leg(FLOAT, ANNA, 100))).journal_id == first.journal_id


async def test_the_reports_of_a_closed_period_stay_as_they_are_to_the_byte(
    database: Database, clock: ManualClock
) -> None:
    clock.instant = NOON
    await give(database, ANNA, 5000)
    await pay(database, "in time", Leg(ANNA, BEN, 1500))
    clock.instant = OCTOBER.ends_at + timedelta(days=2)
    await dated(database, "late, before the closing", NOON, Leg(FLOAT, ANNA, 20))
    await close(database)
    before = await october(database)
    assert "1 500" not in before[0] and "5 020" in before[0]

    await give(database, BEN, 700)
    await dated(database, "moved on", NOON, Leg(FLOAT, ANNA, 9), moving_on=True)
    with pytest.raises(PeriodClosed):
        await dated(database, "refused", NOON, Leg(FLOAT, ANNA, 100))
    assert await settle(Marks(database)) == 5
    assert await october(database) == before


# ---- when a period can be closed -------------------------------------------------------------------------


async def test_a_period_that_is_not_over_is_not_closed(database: Database, clock: ManualClock) -> None:
    clock.instant = NOVEMBER.ends_at + periods.SETTLING - timedelta(seconds=1)
    with pytest.raises(PeriodNotOver):
        await close(database, "2026-11")
    clock.advance(seconds=1)
    await close(database, "2026-11")
    assert await events(database) == [("closing", "2026-11"), ("closed", "2026-11")]


async def test_a_gap_is_refused_and_named(database: Database) -> None:
    await dated(database, "september", datetime(2026, 9, 3, 0, 30, tzinfo=DOUALA), Leg(FLOAT, ANNA, 1))
    with pytest.raises(PeriodGap) as refused:
        await close(database)
    assert refused.value.params == {"first": "2026-09-03"}
    assert await events(database) == []
    await close(database, "2026-09")
    await close(database)


async def test_days_that_were_closed_before_are_in_the_month(database: Database) -> None:
    await dated(database, "k", NOON, Leg(FLOAT, ANNA, 1))
    for day in ("2026-10-15", "2026-10-16"):
        await close(database, day)
    await close(database)
    for name in ("2026-10-20", "2026-10-15", "2026-10"):
        with pytest.raises(PeriodClosed):
            await close(database, name)
    assert [period for event, period in await events(database) if event == "closed"] == [
        "2026-10-15",
        "2026-10-16",
        "2026-10",
    ]


async def test_of_two_who_close_at_once_both_know_and_it_is_written_once(database: Database) -> None:
    await give(database, ANNA, 1)
    results = await asyncio.gather(*(close(database, actor=uuid4()) for _ in range(6)), return_exceptions=True)
    assert all(isinstance(result, int | PeriodClosed) for result in results)
    assert any(isinstance(result, int) for result in results)
    assert await events(database) == [("closing", "2026-10"), ("closed", "2026-10")]


async def test_a_closing_waits_for_a_posting_that_is_under_way(database: Database) -> None:
    """It looked at the books before they were closed: what it writes still counts, and is in the closed reports."""
    await give(database, ANNA, 1)
    async with database.transaction() as tx:
        late = await post(tx, key="under way", kind="late", legs=[Leg(FLOAT, ANNA, 100)], effective_at=NOON)
        closing = asyncio.create_task(close(database))
        while ("closing", "2026-10") not in await events(database):
            await asyncio.sleep(0.01)
        assert not closing.done()
        with pytest.raises(PeriodClosed):
            await dated(database, "too late", NOON, Leg(FLOAT, ANNA, 100))
    assert await closing >= late.journal_id
    assert await held(database, ANNA) == 101


@pytest.mark.parametrize("door", ["joined", "grouped"])
async def test_a_posting_that_has_looked_but_not_written_is_waited_for(
    database: Database, owner: Database, database_url: str, door: str
) -> None:
    """It stands between its look at the books and its number, so that no number shows that it exists."""
    await give(database, ANNA, 100)
    blocker = await asyncpg.connect(database_url)
    await blocker.execute(_STAND_STILL)
    await blocker.execute("SELECT pg_advisory_lock(4711)")  # by the session: a transaction would be waited for itself
    legs = [Leg(ANNA, BEN, 40)]
    if door == "joined":
        poster = asyncio.create_task(dated(database, "slow", NOON, *legs))
    else:
        poster = asyncio.create_task(_judged(database, Journal(key="slow", kind="late", legs=legs, effective_at=NOON)))
    await until_waiting(owner, 1)
    with pytest.raises(PostingsUnderWay):
        await close(database, patience=0.2)
    await blocker.close()
    slow = await poster
    assert await close(database) >= slow.journal_id, "closing again completes it"
    assert await events(database) == [("closing", "2026-10"), ("closed", "2026-10")]


# Both doors ask for the sign of an account: the joined one when it opens it, the grouped one when it judges.
_STAND_STILL = """
CREATE OR REPLACE FUNCTION sign_of(kind text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4711);
    RETURN -1;
END $$
"""


async def _judged(database: Database, journal: Journal) -> Posted:
    """As the grouped door has a batch judged in which something was refused."""
    async with database.transaction() as tx:
        judging = f"SELECT journal_ids, verdicts FROM post_journals(true, false, {places(18)})"
        row = await call(tx, judging, *many([journal], now=tx.now))
    assert row["verdicts"] == [0]
    return Posted(row["journal_ids"][0], replayed=False)


# ---- who closed, and reopening ---------------------------------------------------------------------------


async def test_the_history_names_who_and_when_and_cannot_be_changed(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 1)
    last = await close(database)
    async with database.reading() as tx:
        assert await periods.closed_until(tx) == OCTOBER.ends_at
        begun, done = await periods.history(tx)
    assert (begun.event, begun.actor, begun.at, begun.journal_id) == ("closing", f"staff:{ANNE}", clock.now(), None)
    assert (done.event, done.journal_id, done.closed_until) == ("closed", last, OCTOBER.ends_at)
    for statement in ("UPDATE period_event SET actor = 'nobody'", "DELETE FROM period_event", "TRUNCATE period_event"):
        with pytest.raises(Exception, match=r"append-only|never|refuse|permission"):
            async with database.transaction() as tx:
                await tx.run(text(statement))


async def propose(tx: Tx, name: str = "2026-10", by: UUID = ANNE) -> Proposal:
    return await periods.propose_reopening(tx, period=read_period(name), reason="the bank's fees", by=by)


async def reopen(database: Database, name: str = "2026-10") -> None:
    async with database.transaction() as tx:
        made = await propose(tx, name)
    async with database.transaction() as tx:
        await periods.reopen(tx, await four_eyes.approve(tx, proposal_id=made.id, by=BORIS))


async def test_two_people_reopen_the_last_period_and_it_is_recorded(database: Database) -> None:
    await close(database)
    await reopen(database)
    await dated(database, "late", NOON, Leg(FLOAT, ANNA, 100))
    async with database.reading() as tx:
        assert await periods.closed_until(tx) is None
        event = (await periods.history(tx))[-1]
    assert (event.event, event.actor, event.approved_by) == ("reopened", f"staff:{ANNE}", f"staff:{BORIS}")
    assert event.reason == "the bank's fees"
    await close(database)
    assert [event for event, _ in await events(database)] == ["closing", "closed", "reopened", "closing", "closed"]


async def test_closings_are_taken_back_in_their_order(database: Database) -> None:
    for name in ("2026-09", "2026-10-05", "2026-10"):
        await close(database, name)
    async with database.transaction() as tx:
        with pytest.raises(NotTheLastPeriod) as refused:
            await propose(tx, "2026-09")
    assert refused.value.params == {"last": "2026-10"}
    await reopen(database, "2026-10")
    with pytest.raises(PeriodClosed):
        await dated(database, "day 5", datetime(2026, 10, 5, 23, tzinfo=DOUALA), Leg(FLOAT, ANNA, 1))
    await dated(database, "day 6", datetime(2026, 10, 6, tzinfo=DOUALA), Leg(FLOAT, ANNA, 1))
    await reopen(database, "2026-10-05")
    await reopen(database, "2026-09")


async def test_a_reopening_that_has_been_overtaken_does_nothing(database: Database) -> None:
    await close(database, "2026-09")
    async with database.transaction() as tx:
        made = await propose(tx, "2026-09")
        with pytest.raises(AlreadyProposed):
            await propose(tx, "2026-09")
    await close(database)
    with pytest.raises(NotTheLastPeriod):
        async with database.transaction() as tx:
            await periods.reopen(tx, await four_eyes.approve(tx, proposal_id=made.id, by=BORIS))
    async with database.reading() as tx:
        assert await periods.closed_until(tx) == OCTOBER.ends_at
        assert len(await four_eyes.open_proposals(tx)) == 1


async def test_a_closing_that_was_taken_back_while_it_waited_says_so(database: Database) -> None:
    async with database.transaction() as under_way:
        await post(under_way, key="under way", kind="t", legs=[Leg(FLOAT, ANNA, 5)])
        first = asyncio.create_task(close(database))
        while ("closing", "2026-10") not in await events(database):
            await asyncio.sleep(0.02)
        await reopen(database)
    with pytest.raises(PeriodReopened):
        await first
    assert [event for event, _ in await events(database)] == ["closing", "reopened"]
