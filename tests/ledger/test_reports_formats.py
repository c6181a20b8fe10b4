"""Every format says the same, to people in their words and to programs in theirs, the same each time it is asked."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import openpyxl
import pytest

from core.clock import DOUALA, ManualClock
from core.database import Database, Tx
from core.texts import LANGUAGES, catalogue
from ledger import chart
from ledger.rendering import FORMATS, Column, ReportTooLong, Row, Table, render
from ledger.rendering.pdf import MOST_ROWS as PDF_ROWS
from ledger.rendering.sheets import MOST_ROWS as SHEET_ROWS
from ledger.rendering.sheets import XlsxWriter
from ledger.reporting import BEGINNING, Asked, Report, head, money, snapshot, whole, write
from ledger.reports import REPORTS
from ledger.reports.balances import TRIAL_BALANCE
from ledger.reports.journals import JOURNAL_EXPORT
from ledger.reports.statements import ACCOUNT_STATEMENT
from ledger.service import Leg, post

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
ANNA, BEN = (chart.wallet(UUID(int=n, version=4)) for n in (1, 2))
NOON = datetime(2026, 11, 23, 12, tzinfo=DOUALA)

AMOUNTS = Table(
    name="trial_balance",
    facts={"as_of": NOON},
    columns=(Column("account"), Column("currency"), money("debit", blank=True), money("credit", blank=True)),
    rows=[
        ("expense:sms", "USD", 123456, 0),
        ("float:campay:mtn", "XAF", 3_900_000, 0),
        ("prepaid:sms:at", "USD", 0, 5),
        ("=1+1", "XAF", 0, 70),
    ],
    made_at=NOON,
)


@pytest.fixture
async def books(database: Database, clock: ManualClock) -> Database:
    async def write_down(key: str, *legs: Leg) -> None:
        async with database.transaction() as tx:
            await post(tx, key=key, kind="test", legs=legs)

    await write_down("1", Leg(FLOAT, ANNA, 3705), Leg(chart.PROVIDER_FEES, ANNA, 95))
    clock.advance(days=2)
    await write_down("2", Leg(ANNA, BEN, 1000), Leg(FLOAT, BEN, 200))
    await write_down("3", Leg(chart.POINTS_ISSUED, chart.points(UUID(int=1)), 30))
    return database


async def written(database: Database, report: Report, form: str, asked: Asked, language: str = "en") -> bytes:
    async with snapshot(database) as tx:
        return b"".join([piece async for _, piece in write(tx, report, asked, form=form, language=language)])


def everything(clock: ManualClock, subject: str = "") -> Asked:
    return Asked(BEGINNING, clock.now().replace(microsecond=1), subject)


# ---- for people ------------------------------------------------------------------------------------------


async def test_people_read_the_trial_balance(books: Database, clock: ManualClock) -> None:
    assert (await written(books, TRIAL_BALANCE, "text", everything(clock))).decode() == (
        "Trial balance\n"
        "As of: 2026-11-23 12:00\n"
        "\n"
        "Account                Kind       Currency  Debit  Credit\n"
        "---------------------  ---------  --------  -----  ------\n"
        "float:campay:mtn       asset      XAF       3 905        \n".rstrip(" \n")
        + "\n"
        "wallet                 liability  XAF               4 000\n"
        "expense:provider_fees  expense    XAF          95\n"
        "points                 liability  PTS                  30\n"
        "expense:points_issued  expense    PTS          30\n"
        "---------------------  ---------  --------  -----  ------\n"
        "Total                             XAF       4 000   4 000\n"
        "Total                             PTS          30      30\n"
    )
    french = (await written(books, TRIAL_BALANCE, "text", everything(clock), "fr")).decode()
    assert french.startswith("Balance générale\nArrêtée au : 2026-11-23 12:00\n")


async def test_people_read_a_statement(books: Database, clock: ManualClock) -> None:
    asked = Asked(datetime(2026, 11, 22, tzinfo=DOUALA), datetime(2026, 11, 24, tzinfo=DOUALA), FLOAT.code)
    text = (await written(books, ACCOUNT_STATEMENT, "text", asked, "fr")).decode()
    assert text.startswith(
        "Relevé de compte\n"
        "Du : 2026-11-22 00:00\n"
        "Au : 2026-11-23 23:59\n"
        "Compte : float:campay:mtn\n"
        "Devise : XAF\n"
        "Solde initial : 3 705\n"
        "Solde final : 3 905\n"
    )
    assert " 2  2026-11-23 12:00  2026-11-23 12:00         2  test       wallet:" in text


def test_amounts_are_in_main_units_for_people_and_in_minor_units_for_programs() -> None:
    lines = render(AMOUNTS, "text", "en").splitlines()
    assert [line.split()[-1] for line in lines if "USD" in line] == ["234.56", "0.05", "0.05"]
    assert "1 234.56" in lines[5] and "3 900 000" in lines[6]
    assert [row["debit"] for row in json.loads(render(AMOUNTS, "json"))["rows"]] == [123456, 3900000, 0, 0]


def test_a_name_cannot_draw_on_the_readers_terminal() -> None:
    table = Table("receipt", {}, (Column("item"),), [("Jus\x1b[2J\ndrôle",)])
    assert render(table, "text", "fr").splitlines()[-1] == "Jus [2J drôle"


def test_every_report_is_headed_in_every_language() -> None:
    for language in LANGUAGES:
        for report in REPORTS:
            keys = [report.key, *(column.key for column in report.columns)]
            assert {f"report.{key}" for key in keys} <= catalogue(language).keys()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_kind_of_account_has_a_name(database: Database, clock: ManualClock, language: str) -> None:
    for kind in ("asset", "liability", "income", "expense", "equity"):
        account = chart.Account(f"a:{kind}", kind, floor=None)  # type: ignore[arg-type]
        async with database.transaction() as tx:
            await post(tx, key=kind, kind="test", legs=[Leg(account, chart.SUSPENSE_UNMATCHED, 1)])
    text = await written(database, TRIAL_BALANCE, "text", everything(clock), language)
    assert len(text.splitlines()) == 5 + 6 + 2


# ---- for spreadsheets and programs -----------------------------------------------------------------------


async def test_programs_read_the_trial_balance(books: Database, clock: ManualClock) -> None:
    rows = list(csv.DictReader(io.StringIO((await written(books, TRIAL_BALANCE, "csv", everything(clock))).decode())))
    assert rows[0] == {"account": "float:campay:mtn", "kind": "asset", "currency": "XAF", "debit": "3905",
                       "credit": "0"}  # fmt: skip
    report = json.loads(await written(books, TRIAL_BALANCE, "json", everything(clock)))
    assert (report["report"], report["as_of"]) == ("trial_balance", clock.now().isoformat())
    assert report["rows"][1]["credit"] == 4000
    assert report["totals"][0] == {"currency": "XAF", "debit": 4000, "credit": 4000}


def test_a_spreadsheet_runs_nothing() -> None:
    assert "'=1+1" in render(AMOUNTS, "csv")
    assert sheet(AMOUNTS)["A8"].value == "=1+1" and sheet(AMOUNTS)["A8"].data_type == "s"


def sheet(table: Table, language: str = "en") -> openpyxl.worksheet.worksheet.Worksheet:
    writer = XlsxWriter(table, language)
    data = b"".join([writer.rows(table.rows), *writer.end()])
    return openpyxl.load_workbook(io.BytesIO(data)).active


def test_a_workbook_has_numbers_and_dates() -> None:
    cells = sheet(AMOUNTS)
    assert [cell.value for cell in cells[4]] == ["Account", "Currency", "Debit", "Credit"]
    assert (cells["C5"].value, cells["C5"].number_format) == (1234.56, "#,##0.00")
    assert (cells["C6"].value, cells["C6"].number_format) == (3_900_000, "#,##0")
    assert [[cell.value for cell in row] for row in cells.iter_rows(min_row=9)] == [
        ["Total", "USD", 1234.56, 0.05],
        ["Total", "XAF", 3_900_000, 70],
    ]
    dated = sheet(Table("periods", {}, (Column("at"),), [(NOON,)]))
    assert dated["A4"].value == datetime(2026, 11, 23, 12)


async def test_a_page_is_set(books: Database, clock: ManualClock) -> None:
    """Names that typst would take for commands are text."""
    page = await written(books, TRIAL_BALANCE, "pdf", everything(clock))
    assert page.startswith(b"%PDF-") and page.rstrip().endswith(b"%%EOF")
    name = '#panic("no") $x$ *b* @a <l> \\ "q" [x] //'
    table = Table("receipt", {"order": name}, (Column("item"), money("amount_xaf")), [(name, 1)])
    writer = FORMATS["pdf"](table, "fr")
    writer.rows(table.rows)
    assert next(iter(writer.end())).startswith(b"%PDF-")


@pytest.mark.parametrize("form", FORMATS)
async def test_the_same_books_give_the_same_bytes(books: Database, clock: ManualClock, form: str) -> None:
    asked = everything(clock)
    first = await written(books, TRIAL_BALANCE, form, asked)
    await asyncio.sleep(1.1)  # a file that bears the time of its making would show it
    assert await written(books, TRIAL_BALANCE, form, asked) == first


# ---- long ones -------------------------------------------------------------------------------------------


def long(rows: int) -> Report:
    async def numbers(_tx: Tx, _asked: Asked) -> AsyncIterator[Row]:
        for number in range(rows):
            yield f"a{number:04}", 1

    return Report(name="tax", asks="period", columns=(Column("item"), money("amount_xaf")), rows=numbers)


@pytest.mark.parametrize("form", ["text", "csv", "json"])
async def test_a_long_report_comes_in_pieces(database: Database, clock: ManualClock, form: str) -> None:
    async with snapshot(database) as tx:
        asked = everything(clock)
        pieces = [piece async for piece in write(tx, long(5500), asked, form=form, language="en")]
        at_once = render(await whole(tx, long(5500), asked), form, "en")
    assert [rows for rows, _ in pieces][:6] == [1000, 2000, 3000, 4000, 5000, 5500]
    assert all(piece for _, piece in pieces[1:6])
    together = b"".join(piece for _, piece in pieces).decode()
    assert together == at_once
    assert "a5499" in together
    if form == "json":
        assert json.loads(together)["totals"] == [{"amount_xaf": 5500}]


async def test_rows_come_through_a_cursor(books: Database, clock: ManualClock) -> None:
    async with books.transaction() as tx:
        for number in range(1500):
            await post(tx, key=f"long:{number}", kind="test", legs=[Leg(FLOAT, ANNA, 1)])
    async with snapshot(books) as tx:
        rows = (await whole(tx, JOURNAL_EXPORT, everything(clock))).rows
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)  # type: ignore[type-var]
        assert len(rows) == 1505
        assert (await whole(tx, TRIAL_BALANCE, everything(clock))).rows  # another in the same transaction


async def test_a_report_sees_one_instant(books: Database, clock: ManualClock) -> None:
    async with snapshot(books) as tx:
        before = (await whole(tx, TRIAL_BALANCE, everything(clock))).rows
        async with books.transaction() as other:
            await post(other, key="meanwhile", kind="test", legs=[Leg(FLOAT, ANNA, 1)])
        assert (await whole(tx, TRIAL_BALANCE, everything(clock))).rows == before


async def test_a_format_that_ends_says_so(database: Database, clock: ManualClock) -> None:
    with pytest.raises(ReportTooLong) as refused:
        await written(database, long(PDF_ROWS + 1), "pdf", everything(clock))
    assert refused.value.params == {"rows": PDF_ROWS}
    async with snapshot(database) as tx:
        workbook = XlsxWriter(await head(tx, long(0), everything(clock)), "en")
    with pytest.raises(ReportTooLong):
        workbook.rows([("a", 1)] * SHEET_ROWS)
