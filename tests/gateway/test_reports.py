"""`gateway report`: where it writes, how it tells that it is under way, and what it says when it cannot."""

import io
import json
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.database import Database
from gateway import reports
from gateway.cli import _parser
from gateway.errors import CannotRun
from gateway.reports import Progress, print_report
from ledger import chart
from ledger.service import Leg, post
from marketplace.finance import REPORTS

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
Captured = pytest.CaptureFixture[bytes]


@pytest.fixture
async def books(database: Database) -> Database:
    async with database.transaction() as tx:
        await post(tx, key="1", kind="test", legs=[Leg(FLOAT, chart.COMMISSION, 3705)])
    return database


async def report(database: Database, *words: str) -> None:
    await print_report(database, _parser().parse_args(["report", *words]))


async def test_a_report_goes_to_the_standard_output(books: Database, capsysbinary: Captured) -> None:
    await report(books, "income-statement", "--format", "csv", "--since", "2026-11", "--until", "2026-11")
    told = capsysbinary.readouterr()
    assert told.out == b"account,kind,currency,amount\nincome:commission,income,XAF,3705\n"
    assert told.err == b""


async def test_a_report_goes_to_a_file(books: Database, tmp_path: Path) -> None:
    file = tmp_path / "statement.pdf"
    await report(books, "account-statement", "--account", FLOAT.code, "--format", "pdf", "--output", str(file))
    assert file.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("known", [one for one in REPORTS if one.subject is None], ids=lambda one: one.name)
async def test_every_report_is_made_of_an_empty_installation(
    database: Database,
    capsysbinary: Captured,
    known: reports.Report,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports.registry, "build", lambda _: ())
    for form in known.formats:
        await report(database, known.name, "--format", form)
    told = capsysbinary.readouterr().out
    assert f'"report":"{known.key}"'.encode() in told and b"%PDF-" in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["turnover"], "There is no report turnover; there are trial-balance, balance-sheet,"),
        (["tax", "--format", "hledger"], "tax is written as text, csv, json, xlsx, pdf, not as hledger."),
        (["tax", "--as-of", "2026-10"], "--as-of: tax asks for --since and --until, as in 2026-10"),
        (["trial-balance", "--as-of", "october"], "--as-of: trial-balance asks for --as-of, as in 2026-10"),
        (["trial-balance", "--account", "wallet"], "--account: "),
        (["account-statement"], "Which account? Name it with --account."),
        (["account-statement", "--account", "income:nothing"], "No journal has ever named an account income:nothing."),
        (["receipt", "--order", "4821"], "Introuvable"),
    ],
)
async def test_what_cannot_be_written_is_said_in_a_sentence(books: Database, words: list[str], why: str) -> None:
    with pytest.raises(CannotRun) as refused:
        await report(books, *words)
    assert str(refused.value).startswith(why)


async def test_a_terminal_is_not_filled_with_bytes(books: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", _Terminal())
    with pytest.raises(CannotRun, match="--output FILE"):
        await report(books, "trial-balance", "--format", "xlsx")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "told"),
    [
        (io.StringIO(), "2,000 rows\n4,000 rows\n"),
        (_Terminal(), "\r2,000 rows\r4,000 rows\r\x1b[K"),
    ],
)
def test_a_long_report_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch, out: io.StringIO, told: str) -> None:
    seconds = iter([0, 0.4, 1.1, 1.1, 1.9, 2.2, 2.2])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    progress = Progress(out)
    for rows in (1000, 2000, 3000, 4000):
        progress.tell(rows)
    progress.end()
    assert out.getvalue() == told


def test_a_short_report_says_nothing() -> None:
    out = _Terminal()
    progress = Progress(out)
    progress.tell(10)
    progress.end()
    assert out.getvalue() == ""


async def test_asking_how_the_floats_stand_asks_the_providers_first(
    books: Database, clock: ManualClock, capsysbinary: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def ask(_database: Database, _providers: object) -> list[str]:
        asked.append("now")
        return ["noupay"]

    monkeypatch.setattr(reports, "ask", ask)
    await report(books, "provider-float", "--format", "json")
    told = capsysbinary.readouterr()
    assert asked == ["now"] and told.err == b"noupay does not tell its balances now.\n"
    assert json.loads(told.out)["rows"] == [{"provider": "campay", "carrier": "mtn", "ours_xaf": 3705}]
    await report(books, "provider-float", "--as-of", "2026-11-20")
    assert asked == ["now"]
