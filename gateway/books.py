"""The books at the terminal: closing periods, postings by hand, the chart.

What takes two is only proposed here: `gateway approve`, signed by somebody else, has it done.
"""

import argparse
from datetime import UTC, datetime

from core.database import Database
from core.texts import say
from gateway.errors import CannotRun
from gateway.finance import sign_in
from ledger import accounts, chart, manual, periods
from ledger.manual import Line, UnknownAccount, Wish
from ledger.rendering import Table, render
from ledger.trail import trail, trail_table
from marketplace.people import staff

_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)  # of any trail


# ---- periods ---------------------------------------------------------------------------------------------


async def close(database: Database, arguments: argparse.Namespace) -> str:
    period = periods.read_period(arguments.period)
    by = await sign_in(database, arguments.username)
    last = await periods.close(database, period=period, actor=f"staff:{by}")
    return say(arguments.language, "finance.period_closed", period=period.name, journal=last)


async def reopen(database: Database, arguments: argparse.Namespace) -> str:
    period = periods.read_period(arguments.period)
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        made = await periods.propose_reopening(tx, period=period, reason=arguments.reason, by=by)
    return say(arguments.language, "finance.proposed", id=made.id)


async def periods_closed(database: Database, arguments: argparse.Namespace) -> str:
    async with database.reading() as tx:
        names = {f"staff:{id}": name for id, name in (await staff.usernames(tx)).items()}
        table = periods.history_table(await periods.history(tx), names=names)
    return _rendered(table, arguments)


# ---- postings by hand ------------------------------------------------------------------------------------


async def propose(database: Database, arguments: argparse.Namespace) -> str:
    lines = [Line(debit, credit, _amount(amount)) for debit, credit, amount in arguments.leg]
    wish = Wish(lines=lines, effective_at=arguments.effective, moving_on=arguments.moving_on)
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        made = await manual.propose(tx, wish=wish, reason=arguments.reason, by=by)
    return say(arguments.language, "finance.proposed", id=made.id)


async def reverse(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        made = await manual.propose_reversal(tx, journal_id=arguments.journal, reason=arguments.reason, by=by)
    return say(arguments.language, "finance.proposed", id=made.id)


async def audit_trail(database: Database, arguments: argparse.Namespace) -> str:
    since, until = arguments.since or _BEGINNING, arguments.until or database.clock.now()
    async with database.reading() as tx:
        deeds, names = await trail(tx, since=since, until=until), await staff.usernames(tx)
    return _rendered(trail_table(deeds, names=names, since=since, until=until), arguments)


# ---- the chart -------------------------------------------------------------------------------------------


async def open_account(database: Database, arguments: argparse.Namespace) -> str:
    account = chart.named(arguments.account)
    if account is None:
        raise UnknownAccount(account=arguments.account)
    await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        await accounts.open(tx, account)
    return say(arguments.language, "finance.account_open", account=account.code)


async def print_chart(_: Database, arguments: argparse.Namespace) -> str:
    return _rendered(accounts.chart_table(), arguments)


def _amount(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit()):
        raise CannotRun(f"{typed}: an amount is a whole number of minor units, for example 2500.")
    return int(typed)


def _rendered(table: Table, arguments: argparse.Namespace) -> str:
    return render(table, arguments.format, arguments.language).rstrip("\n")
