"""The books at the terminal: closing, posting by hand and reopening, each with whoever must sign."""

import argparse

import pyotp
import pytest

from core.clock import ManualClock
from core.database import Database
from core.errors import InvalidInput
from core.four_eyes import SelfApproval
from gateway import books, finance, finance_verbs
from gateway.errors import CannotRun
from gateway.seed import SeedSummary, StaffAccount, seed
from ledger import chart, periods
from ledger.errors import PeriodClosed
from ledger.manual import UnknownAccount
from ledger.periods import read_period
from ledger.service import balance
from marketplace.people.errors import WrongPassword

pytestmark = pytest.mark.anyio


@pytest.fixture
async def demo(database: Database) -> SeedSummary:
    return await seed(database)


async def run(database: Database, *words: str) -> str:
    parser = argparse.ArgumentParser()
    finance_verbs.add_verbs(parser.add_subparsers(required=True), lambda _: "")
    arguments = parser.parse_args([*words, "--language", "en"])
    room = finance if arguments.does in ("approve", "waiting") else books
    shown: str = await getattr(room, arguments.does)(database, arguments)
    return shown


class Desk:
    """Somebody of finance, with their password and one-time codes in the environment."""

    def __init__(self, database: Database, account: StaffAccount, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database, self.account, self.monkeypatch = database, account, monkeypatch

    async def run(self, *words: str) -> str:
        self.database.clock.advance(seconds=30)  # type: ignore[attr-defined] # a code works once
        self.monkeypatch.setenv("STAFF_PASSWORD", self.account.password)
        self.monkeypatch.setenv("STAFF_TOTP", pyotp.TOTP(self.account.totp_secret).at(self.database.clock.now()))
        return await run(self.database, *words, "--as", self.account.username)


@pytest.fixture
def desks(database: Database, demo: SeedSummary, monkeypatch: pytest.MonkeyPatch) -> tuple[Desk, Desk]:
    one, other = (account for account in demo.staff if account.role == "finance")
    return Desk(database, one, monkeypatch), Desk(database, other, monkeypatch)


def proposed(shown: str) -> str:
    return shown.split()[1].rstrip(".")


async def test_a_journal_is_posted_by_two_taken_back_by_two_and_told_in_the_trail(
    database: Database, desks: tuple[Desk, Desk]
) -> None:
    one, other = desks
    float_code = chart.provider_float("campay", "mtn").code
    bought = ("--leg", "expense:goodwill", float_code, "2500", "--reason", "cold soup")
    with pytest.raises(UnknownAccount):
        await one.run("ledger", "post", *bought)
    assert await one.run("ledger", "open", float_code) == f"Account {float_code} is open."
    made = proposed(await one.run("ledger", "post", *bought))
    with pytest.raises(SelfApproval):
        await one.run("approve", made)
    assert "Approved and done" in await other.run("approve", made)
    async with database.reading() as tx:
        assert await balance(tx, float_code) == -2500
    line = (await run(database, "ledger", "trail", "--format", "csv")).splitlines()[1]
    assert f"finance,manual_posting,expense:goodwill < {float_code} 2500,cold soup,approved,finance2" in line
    await other.run("approve", proposed(await one.run("ledger", "reverse", line.rpartition(",")[2], "--reason", "no")))
    async with database.reading() as tx:
        assert await balance(tx, float_code) == 0
    shown = await run(database, "ledger", "trail")
    assert "posting" in shown and "reversal" in shown


async def test_a_period_is_closed_by_one_and_opened_by_two(database: Database, desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    assert (await one.run("period", "close", "2026-10")).startswith("2026-10 is closed, up to journal ")
    with pytest.raises(PeriodClosed):
        await other.run("period", "close", "2026-10-31")
    made = proposed(await one.run("period", "reopen", "2026-10", "--reason", "the bank's fees"))
    assert made in await run(database, "waiting")
    await other.run("approve", made)
    lines = (await run(database, "period", "list", "--format", "csv")).splitlines()[1:]
    assert [line.split(",")[:2] for line in lines] == [
        ["2026-10", "closing"],
        ["2026-10", "closed"],
        ["2026-10", "reopened"],
    ]
    assert "finance,finance2,the bank's fees" in lines[2]
    assert "reopened" in await run(database, "period", "list")
    await periods.close(database, period=read_period("2026-10"), actor="staff:anne")


async def test_whoever_closes_proves_who_they_are(
    database: Database, desks: tuple[Desk, Desk], clock: ManualClock
) -> None:
    one, _ = desks
    one.account = StaffAccount(one.account.username, "finance", "a guess", one.account.totp_secret)
    with pytest.raises(WrongPassword):
        await one.run("period", "close", "2026-10")
    async with database.reading() as tx:
        assert await periods.history(tx) == []


async def test_what_is_mistyped_is_said_before_anybody_signs(database: Database) -> None:
    with pytest.raises(InvalidInput):
        await run(database, "period", "close", "2026-13", "--as", "finance")
    fraction = ("--leg", "expense:goodwill", "payable:tax", "2.5", "--reason", "r", "--as", "finance")
    with pytest.raises(CannotRun, match=r"2\.5"):
        await run(database, "ledger", "post", *fraction)


async def test_the_chart_names_every_family(database: Database) -> None:
    shown = await run(database, "ledger", "chart", "--format", "csv")
    assert [line.split(",")[0] for line in shown.splitlines()[1:]] == [family.pattern for family in chart.CHART]
    for language in ("fr", "en"):
        arguments = argparse.Namespace(format="text", language=language)
        assert "float:<provider>:<carrier>" in await books.print_chart(database, arguments)
