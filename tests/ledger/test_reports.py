"""What finance reads agrees with what was posted, at any instant and page by page."""

import csv
import io
import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core.clock import ManualClock
from core.database import Database
from core.errors import NotFound
from core.texts import LANGUAGES
from ledger import chart
from ledger.rendering import render
from ledger.reports import Statement, account_statement, statement_table, trial_balance, trial_balance_table
from ledger.service import Leg, post

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
ANNA, BEN = (chart.wallet(UUID(int=n, version=4)) for n in (1, 2))
POINTS = chart.points(UUID(int=1, version=4))


async def write(database: Database, key: str, *legs: Leg, effective_at: datetime | None = None) -> None:
    async with database.transaction() as tx:
        await post(tx, key=key, kind="test", legs=legs, effective_at=effective_at)


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


async def sides(database: Database, as_of: datetime | None = None) -> dict[str, int]:
    """Family -> debit minus credit."""
    async with database.reading() as tx:
        report = await trial_balance(tx, as_of=as_of)
    assert all(total.difference == 0 and total.debit == total.credit for total in report.totals)
    return {line.code: line.debit - line.credit for line in report.lines}


async def test_the_trial_balance_shows_a_family_as_one_line(books: Database) -> None:
    assert await sides(books) == {
        "float:campay:mtn": 3900,
        "wallet": -4000,
        "expense:provider_fees": 95,
        "expense:provider_rounding": 5,
        "expense:points_issued": 30,
        "points": -30,
    }
    async with books.reading() as tx:
        report = await trial_balance(tx)
    assert [(total.currency, total.debit) for total in report.totals] == [("XAF", 4000), ("PTS", 30)]
    assert {line.code: line.accounts for line in report.lines}["wallet"] == 2


async def test_a_past_instant_counts_what_was_effective_by_then(books: Database, clock: ManualClock) -> None:
    start = clock.now() - timedelta(days=2)
    assert await sides(books, start - timedelta(seconds=1)) == {}
    assert await sides(books, start) == {"float:campay:mtn": 3705, "wallet": -3800, "expense:provider_fees": 95}
    late = await sides(books, start + timedelta(hours=1))
    assert (late["float:campay:mtn"], late["expense:provider_rounding"]) == (3700, 5)
    assert await sides(books, clock.now()) == await sides(books)


async def test_an_overdrawn_float_stands_in_the_other_column(database: Database) -> None:
    await write(database, "1", Leg(chart.SUSPENSE_SURPLUS, FLOAT, 70))
    assert await sides(database) == {"float:campay:mtn": -70, "suspense:surplus": 70}


async def test_a_statement_follows_the_balance_page_by_page(books: Database) -> None:
    pages: list[Statement] = []
    async with books.reading() as tx:
        while not pages or pages[-1].next is not None:
            after = pages[-1].next if pages else None
            pages.append(await account_statement(tx, code=FLOAT.code, limit=2, after=after))
    assert [(page.opening, page.closing) for page in pages] == [(0, 3905), (3905, 3900)]
    lines = [line for page in pages for line in page.lines]
    assert [(line.seq, line.debit, line.credit, line.balance) for line in lines] == [
        (1, 3705, 0, 3705),
        (2, 200, 0, 3905),
        (3, 0, 5, 3900),
    ]
    assert [line.other_account for line in lines] == [ANNA.code, BEN.code, chart.PROVIDER_ROUNDING.code]


async def test_a_statement_of_a_period_opens_with_what_was_there(books: Database, clock: ManualClock) -> None:
    second_day = clock.now() - timedelta(days=1)
    async with books.reading() as tx:
        page = await account_statement(tx, code=ANNA.code, since=second_day, until=second_day + timedelta(hours=1))
        assert (page.opening, [line.debit for line in page.lines], page.closing) == (3800, [1000], 2800)
        quiet = await account_statement(tx, code=ANNA.code, since=clock.now())
        assert (quiet.opening, quiet.lines, quiet.closing, quiet.next) == (2800, [], 2800, None)
        before = await account_statement(tx, code=ANNA.code, until=clock.now() - timedelta(days=2))
        assert (before.opening, before.lines, before.closing) == (0, [], 0)


async def test_there_is_no_statement_of_an_account_never_opened(database: Database) -> None:
    with pytest.raises(NotFound):
        async with database.reading() as tx:
            await account_statement(tx, code="wallet:nobody")


async def test_people_read_the_trial_balance(books: Database) -> None:
    async with books.reading() as tx:
        table = trial_balance_table(await trial_balance(tx))
    assert render(table, "text", "en") == (
        "Trial balance\n"
        "As of: 2026-11-23 12:00\n"
        "\n"
        "Account                    Kind       Currency  Accounts  Debit  Credit\n"
        "-------------------------  ---------  --------  --------  -----  ------\n"
        "float:campay:mtn           asset      XAF              1  3 900\n"
        "wallet                     liability  XAF              2          4 000\n"
        "expense:provider_fees      expense    XAF              1     95\n"
        "expense:provider_rounding  expense    XAF              1      5\n"
        "points                     liability  PTS              1             30\n"
        "expense:points_issued      expense    PTS              1     30\n"
        "-------------------------  ---------  --------  --------  -----  ------\n"
        "Total                                 XAF                 4 000   4 000\n"
        "Total                                 PTS                    30      30\n"
    )
    assert "Balance générale\nArrêtée au : 2026-11-23 12:00\n" in render(table, "text", "fr")


async def test_programs_read_the_trial_balance(books: Database, clock: ManualClock) -> None:
    async with books.reading() as tx:
        table = trial_balance_table(await trial_balance(tx))
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert rows[0] == {"account": "float:campay:mtn", "kind": "asset", "currency": "XAF", "accounts": "1",
                       "debit": "3900", "credit": "0"}  # fmt: skip
    report = json.loads(render(table, "json"))
    assert report["as_of"] == clock.now().isoformat()
    assert report["rows"][1]["credit"] == 4000
    assert report["totals"][0] == {"currency": "XAF", "debit": 4000, "credit": 4000}


async def test_people_read_a_statement(books: Database) -> None:
    async with books.reading() as tx:
        table = statement_table(await account_statement(tx, code="expense:provider_rounding"))
    assert render(table, "text", "fr") == (
        "Relevé de compte\n"
        "Compte : expense:provider_rounding\n"
        "Devise : XAF\n"
        "Solde initial : 0\n"
        "Solde final : 5\n"
        "\n"
        "N°  Saisie            Date d'effet      Écriture  Opération  Contrepartie      Débit  Crédit  Solde\n"
        "--  ----------------  ----------------  --------  ---------  ----------------  -----  ------  -----\n"
        " 1  2026-11-23 12:00  2026-11-21 13:00         4  test       float:campay:mtn      5              5\n"
    )
    assert json.loads(render(table, "json"))["opening"] == 0


async def test_every_kind_of_account_has_a_name(database: Database) -> None:
    for kind in ("asset", "liability", "income", "expense", "equity"):
        other = chart.SUSPENSE_UNMATCHED
        await write(database, kind, Leg(chart.Account(f"a:{kind}", kind, floor=None), other, 1))  # type: ignore[arg-type]
    async with database.reading() as tx:
        table = trial_balance_table(await trial_balance(tx))
    for language in LANGUAGES:
        assert len(render(table, "text", language).splitlines()) == 5 + 6 + 2
