"""Statements: the same story for accounts that are numbered while they post and for those that are counted later."""

from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import text

from core.clock import ManualClock
from core.database import Database
from core.errors import InvalidInput, NotFound
from ledger import chart
from ledger.reporting import BEGINNING, Asked, snapshot, whole
from ledger.reports.statements import ACCOUNT_STATEMENT, Statement, StatementLine, account_statement
from ledger.service import Leg, post
from tests.ledger.books import ANNA, BEN

pytestmark = pytest.mark.anyio

# The same movements on both, one of them without limits.
COLD = chart.Account("cold", "asset")
HOT = chart.Account("hot", "asset", floor=None)
BOTH = pytest.mark.parametrize("account", [COLD, HOT], ids=["cold", "hot"])
ENTRIES = 30


@pytest.fixture
async def books(database: Database, clock: ManualClock) -> Database:
    """Some journals an hour, some of several legs, in and out; added up after some of them, never after the last."""
    random = Random(5)
    for number in range(ENTRIES // 3):
        for account in (COLD, HOT):
            legs = [Leg(account, ANNA, 50 + number), Leg(account, BEN, 7), Leg(ANNA, account, 20)]
            async with database.transaction() as tx:
                posted = await post(tx, key=f"{account.code}:{number}", kind=f"k{number}", legs=legs)
                if random.random() < 0.4 and number < ENTRIES // 3 - 1:
                    await (await tx.driver()).execute("SELECT mark_balances($1)", posted.journal_id)
        clock.advance(minutes=30)
    return database


async def page(database: Database, account: chart.Account, **asked: object) -> Statement:
    async with database.reading() as tx:
        return await account_statement(tx, code=account.code, **asked)  # type: ignore[arg-type]


def told(lines: list[StatementLine]) -> list[tuple[object, ...]]:
    return [(x.seq, x.journal_kind, x.other_account, x.debit, x.credit, x.balance) for x in lines]


def expected() -> list[tuple[object, ...]]:
    """What the fixture posted, by hand."""
    lines: list[tuple[object, ...]] = []
    balance = 0
    for number in range(ENTRIES // 3):
        for other, debit, credit in ((ANNA, 50 + number, 0), (BEN, 7, 0), (ANNA, 0, 20)):
            balance += debit - credit
            lines.append((len(lines) + 1, f"k{number}", other.code, debit, credit, balance))
    return lines


@BOTH
@pytest.mark.parametrize("limit", [1, 4, ENTRIES, 100])
async def test_pages_forward_and_backward_are_the_whole(books: Database, account: chart.Account, limit: int) -> None:
    forward = [await page(books, account, limit=limit)]
    while forward[-1].next is not None:
        forward.append(await page(books, account, limit=limit, after=forward[-1].next))
    backward = [await page(books, account, limit=limit, newest=True)]
    while backward[0].previous is not None:
        backward.insert(0, await page(books, account, limit=limit, before=backward[0].previous))
    for pages in (forward, backward):
        assert told([line for one in pages for line in one.lines]) == expected()
        assert [one.opening for one in pages] == [0, *(one.closing for one in pages[:-1])]
    assert forward[0].previous is None and backward[-1].next is None
    assert max(len(one.lines) for one in (*forward, *backward)) == min(limit, ENTRIES)


@BOTH
async def test_the_newest_page_turns_both_ways(books: Database, account: chart.Account) -> None:
    newest = await page(books, account, limit=4, newest=True)
    assert told(newest.lines) == expected()[-4:]
    older = await page(books, account, limit=4, before=newest.previous)
    assert told(older.lines) == expected()[-8:-4]
    assert told((await page(books, account, limit=4, after=older.next)).lines) == told(newest.lines)


@BOTH
async def test_a_period_begins_and_ends_between_two_entries(
    books: Database, clock: ManualClock, account: chart.Account
) -> None:
    start = clock.now() - timedelta(minutes=30 * ENTRIES // 3)
    for begin in range(0, 11, 2):
        for hours in (1, 3):
            since = start + timedelta(minutes=30 * begin)
            until = since + timedelta(hours=hours)
            of_period = expected()[3 * begin : 3 * (begin + 2 * hours)]
            one = await page(books, account, since=since, until=until, limit=100)
            assert told(one.lines) == of_period
            assert one.opening == (expected()[3 * begin - 1][-1] if begin else 0)
            assert one.closing == (of_period[-1][-1] if of_period else one.opening)
            assert (one.previous, one.next) == (None, None)
    # A page inside a period ends with it.
    since, until = start + timedelta(hours=1), start + timedelta(hours=2)
    last = await page(books, account, since=since, until=until, limit=4, newest=True)
    assert (told(last.lines), last.previous, last.next) == (expected()[8:12], 9, None)
    first = await page(books, account, since=since, until=until, limit=4, before=last.previous)
    assert (told(first.lines), first.previous, first.next) == (expected()[6:8], None, 8)


@BOTH
async def test_a_quiet_period_keeps_the_balance(books: Database, clock: ManualClock, account: chart.Account) -> None:
    balance = expected()[-1][-1]
    quiet = await page(books, account, since=clock.now())
    assert (quiet.opening, quiet.lines, quiet.closing, quiet.next, quiet.previous) == (balance, [], balance, None, None)
    before = await page(books, account, until=clock.now() - timedelta(days=9))
    assert (before.opening, before.lines, before.closing) == (0, [], 0)
    beyond = await page(books, account, after=ENTRIES + 5)
    assert (beyond.opening, beyond.lines, beyond.next) == (balance, [], None)


@BOTH
async def test_a_statement_of_the_past_never_changes(
    books: Database, clock: ManualClock, account: chart.Account
) -> None:
    """Also where the clocks of two processes disagreed: entries were not recorded in the order of their instants."""
    start = clock.now()
    for seconds in (50, -40, 10, -30, 20):
        clock.instant = start + timedelta(seconds=seconds)
        async with books.transaction() as tx:
            await post(tx, key=f"{seconds}", kind="late", legs=[Leg(account, BEN, 100 + seconds)])
    ends = [start + timedelta(seconds=second) for second in range(-60, 60, 7)]
    before = [await page(books, account, until=end) for end in ends]
    clock.instant = start + timedelta(days=1)
    for number in range(70):
        async with books.transaction() as tx:
            await post(tx, key=f"later:{number}", kind="later", legs=[Leg(account, BEN, 1)])
    assert [await page(books, account, until=end) for end in ends] == before
    for end, one in zip(ends, before, strict=True):
        following = await page(books, account, since=end, limit=1)
        assert following.opening == one.closing


async def test_an_entry_that_debits_a_liability_lowers_it(books: Database) -> None:
    lines = (await page(books, ANNA)).lines
    assert lines[0].balance == 50 and lines[1].balance == 30


async def test_there_is_no_statement_of_an_account_never_opened(database: Database) -> None:
    with pytest.raises(NotFound):
        await page(database, ANNA)


@BOTH
async def test_the_whole_statement_says_what_its_pages_say(
    books: Database, clock: ManualClock, account: chart.Account
) -> None:
    since = clock.now() - timedelta(hours=2)
    async with snapshot(books) as tx:
        everything = await whole(tx, ACCOUNT_STATEMENT, Asked(BEGINNING, clock.now(), account.code))
        part = await whole(tx, ACCOUNT_STATEMENT, Asked(since, clock.now(), account.code))
    assert [(row[0], row[4], *row[5:]) for row in everything.rows] == expected()
    assert [row[0] for row in part.rows] == [line[0] for line in expected()[-12:]]
    assert (part.facts["opening"], part.facts["closing"]) == (expected()[-13][-1], expected()[-1][-1])


async def test_a_statement_is_of_some_account(database: Database, clock: ManualClock) -> None:
    with pytest.raises(InvalidInput):
        async with snapshot(database) as tx:
            await whole(tx, ACCOUNT_STATEMENT, Asked(BEGINNING, clock.now()))


@BOTH
async def test_a_page_reads_no_more_than_it_shows(books: Database, account: chart.Account) -> None:
    """However long the account's history: of both sides only what lies between two numbers, or since the last mark."""
    await _grow(books, account, 5000)
    for asked in ({"newest": True}, {"after": 2500}, {"before": 1200}):
        async with books.transaction() as tx:
            before = await tx.value(_ROWS_READ)
            found = await account_statement(tx, code=account.code, limit=20, **asked)  # type: ignore[arg-type]
            assert len(found.lines) == 20
            assert await tx.value(_ROWS_READ) - before < 1500


# By this connection: of both sides of the postings, in the search for the period's ends and for the page.
_ROWS_READ = text("""
SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'posting'
""")


async def _grow(database: Database, account: chart.Account, entries: int) -> None:
    """Many entries, added up every two hundred journals."""
    for first in range(0, entries, 200):
        async with database.transaction() as tx:
            for number in range(first, first + 200):
                posted = await post(tx, key=f"grow:{number}", kind="grow", legs=[Leg(account, BEN, 1)])
            await (await tx.driver()).execute("SELECT mark_balances($1)", posted.journal_id)
