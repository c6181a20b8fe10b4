"""What finance reads agrees with what was posted, at any instant, whatever of it has been added up already."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core.clock import DOUALA, ManualClock
from core.database import Database
from core.errors import InvalidInput
from ledger import chart
from ledger.marks import Marks
from ledger.rendering import Row
from ledger.reporting import TICK, Asked, Report, snapshot, whole
from ledger.reports import REPORTS
from ledger.reports.asking import read
from ledger.reports.balances import BALANCE_SHEET, INCOME_STATEMENT, TRIAL_BALANCE, moved
from ledger.service import Leg, post

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
ANNA, BEN = (chart.wallet(UUID(int=n, version=4)) for n in (1, 2))
POINTS = chart.points(UUID(int=1, version=4))


async def write(database: Database, key: str, *legs: Leg, effective_at: datetime | None = None) -> None:
    async with database.transaction() as tx:
        await post(tx, key=key, kind="test", legs=legs, effective_at=effective_at)


async def rows(database: Database, report: Report, **asked: str) -> list[Row]:
    async with snapshot(database) as tx:
        return list((await whole(tx, report, read(report, now=tx.now, **asked))).rows)


@pytest.fixture
async def books(database: Database, clock: ManualClock) -> Database:
    """Three days: two top-ups, a transfer, points; and a fee that is recorded late for the first day."""
    first_day = clock.now()
    await write(database, "1", Leg(FLOAT, ANNA, 3705), Leg(chart.PROVIDER_FEES, ANNA, 95))
    clock.advance(days=1)
    await write(database, "2", Leg(ANNA, BEN, 1000), Leg(FLOAT, BEN, 200))
    clock.advance(days=1)
    await write(database, "3", Leg(chart.POINTS_ISSUED, POINTS, 30))
    await write(database, "4", Leg(chart.PROVIDER_ROUNDING, FLOAT, 5), effective_at=first_day + timedelta(hours=1))
    return database


async def sides(database: Database, as_of: str | None = None) -> dict[str, int]:
    """Family -> debit minus credit; both columns of each currency are equal."""
    found = await rows(database, TRIAL_BALANCE, **({"as_of": as_of} if as_of else {}))
    for currency in {row[2] for row in found}:
        assert sum(row[3] - row[4] for row in found if row[2] == currency) == 0  # type: ignore[operator]
    return {str(row[0]): row[3] - row[4] for row in found}  # type: ignore[operator]


async def test_the_trial_balance_shows_a_family_as_one_line(books: Database) -> None:
    assert await sides(books) == {
        "float:campay:mtn": 3900,
        "wallet": -4000,
        "expense:provider_fees": 95,
        "expense:provider_rounding": 5,
        "expense:points_issued": 30,
        "points": -30,
    }


async def test_a_past_instant_counts_what_was_effective_by_then(books: Database, clock: ManualClock) -> None:
    start = clock.now() - timedelta(days=2)
    assert await sides(books, (start - timedelta(seconds=1)).isoformat()) == {}
    on_first_day = {"float:campay:mtn": 3705, "wallet": -3800, "expense:provider_fees": 95}
    assert await sides(books, start.isoformat()) == on_first_day
    late = await sides(books, (start + timedelta(hours=1)).isoformat())
    assert late == on_first_day | {"float:campay:mtn": 3700, "expense:provider_rounding": 5}
    assert await sides(books, "2026-11-21") == late
    assert await sides(books, clock.now().isoformat()) == await sides(books)


async def test_what_counts_later_is_not_there_yet(books: Database, clock: ManualClock) -> None:
    today = await sides(books)
    await write(books, "5", Leg(FLOAT, ANNA, 9), effective_at=clock.now() + timedelta(days=3))
    assert await sides(books) == today
    clock.advance(days=3)
    assert (await sides(books))["wallet"] == -4009


async def test_an_overdrawn_float_stands_in_the_other_column(database: Database) -> None:
    await write(database, "1", Leg(chart.SUSPENSE_SURPLUS, FLOAT, 70))
    assert await rows(database, TRIAL_BALANCE) == [
        ("float:campay:mtn", "asset", "XAF", 0, 70),
        ("suspense:surplus", "liability", "XAF", 70, 0),
    ]


@pytest.mark.parametrize("marked", [0, 1, 3, 4])
async def test_it_does_not_matter_what_has_been_added_up(
    books: Database, clock: ManualClock, marked: int, mark: Callable[[int], Awaitable[None]]
) -> None:
    """Every instant at which something happened, and those around it, as ends and as beginnings."""
    instants = [clock.now() + timedelta(days=days, hours=hours) for days in (-3, -2, -1, 0, 1) for hours in (0, 1)]
    instants += [datetime(2026, 11, day, tzinfo=DOUALA) for day in (21, 22, 23, 24)]
    edges = sorted(instant + shift for instant in instants for shift in (-TICK, TICK - TICK, TICK))
    pairs = [(since, until) for since in edges for until in edges if since <= until][::7]
    async with books.reading() as tx:
        before = [await moved(tx, *pair) for pair in pairs]
    await mark(marked)
    async with books.reading() as tx:
        assert [await moved(tx, *pair) for pair in pairs] == before
    assert any(before)


@pytest.fixture
def mark(database: Database) -> Callable[[int], Awaitable[None]]:
    """Adds up to a journal, as the worker would."""

    async def up_to(journal_id: int) -> None:
        async with database.transaction() as tx:
            await (await tx.driver()).execute("SELECT mark_balances($1)", journal_id)

    return up_to


# ---- what we have and what we earned ---------------------------------------------------------------------


async def test_the_two_sides_of_a_balance_sheet_are_equal(books: Database) -> None:
    await Marks(books).advance()
    await write(books, "5", Leg(FLOAT, chart.COMMISSION, 300), Leg(FLOAT, chart.OWNERS_CAPITAL, 1000))
    assert await rows(books, BALANCE_SHEET) == [
        ("float:campay:mtn", "asset", "XAF", 5200, 0),
        ("wallet", "liability", "XAF", 0, 4000),
        ("equity:capital", "equity", "XAF", 0, 1000),
        ("points", "liability", "PTS", 0, 30),
        ("result", "equity", "XAF", 0, 300 - 95 - 5),
        ("result", "equity", "PTS", 0, -30),
    ]


async def test_the_income_statement_is_of_its_period(books: Database) -> None:
    await write(books, "5", Leg(FLOAT, chart.COMMISSION, 300))
    first_day = await rows(books, INCOME_STATEMENT, since="2026-11-21", until="2026-11-21")
    assert first_day == [
        ("expense:provider_fees", "expense", "XAF", -95),
        ("expense:provider_rounding", "expense", "XAF", -5),
    ]
    third_day = await rows(books, INCOME_STATEMENT, since="2026-11-23")
    assert third_day == [
        ("income:commission", "income", "XAF", 300),
        ("expense:points_issued", "expense", "PTS", -30),
    ]
    both = await rows(books, INCOME_STATEMENT, since="2026-11", until="2026-11")
    assert {row[0]: row[3] for row in both} == {row[0]: row[3] for row in (*first_day, *third_day)}


# ---- asking ----------------------------------------------------------------------------------------------


NOW = datetime(2026, 11, 21, 12, tzinfo=DOUALA)


def test_a_month_a_day_and_an_instant_are_meant_whole() -> None:
    assert read(INCOME_STATEMENT, now=NOW, since="2026-10", until="2026-10") == Asked(
        datetime(2026, 10, 1, tzinfo=DOUALA), datetime(2026, 11, 1, tzinfo=DOUALA)
    )
    assert read(TRIAL_BALANCE, now=NOW, as_of="2026-02-28").until == datetime(2026, 3, 1, tzinfo=DOUALA)
    assert read(TRIAL_BALANCE, now=NOW, as_of="2026-02-28T10:00Z").until == (
        datetime(2026, 2, 28, 11, tzinfo=DOUALA) + TICK
    )
    assert read(TRIAL_BALANCE, now=NOW).until == NOW + TICK


@pytest.mark.parametrize(
    ("report", "asked", "field"),
    [
        (TRIAL_BALANCE, {"as_of": "2026-13"}, "as_of"),
        (TRIAL_BALANCE, {"as_of": "yesterday"}, "as_of"),
        (TRIAL_BALANCE, {"as_of": "2026-10-31T12:00"}, "as_of"),  # whose noon?
        (TRIAL_BALANCE, {"until": "2026-10"}, "until"),
        (TRIAL_BALANCE, {"subject": "wallet"}, "subject"),
        (TRIAL_BALANCE, {"as_of": "9999-12-31T23:59:59.999999Z"}, "as_of"),  # nothing comes after it
        (INCOME_STATEMENT, {"as_of": "2026-10"}, "as_of"),
        (INCOME_STATEMENT, {"since": "0001-01-01T00:00+14:00"}, "since"),  # before all calendars elsewhere
        (INCOME_STATEMENT, {"since": "2026-10-31", "until": "2026-10-30"}, "since"),
    ],
)
def test_what_a_report_does_not_ask_for_is_refused(report: Report, asked: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(report, now=NOW, **asked)
    assert refused.value.params == {"field": field}


async def test_an_empty_ledger_has_every_report(database: Database) -> None:
    for report in REPORTS:
        if report.subject is None:
            assert await rows(database, report) == []
