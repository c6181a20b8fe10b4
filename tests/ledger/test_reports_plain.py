"""The journals as hledger and beancount take them: by the tools where they are, strictly in any case."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from beancount import loader
from beancount.core import data

from core.clock import ManualClock
from core.database import Database
from ledger import chart
from ledger.chart import CHART, Account, Family
from ledger.rendering.plain import BeancountWriter
from ledger.reporting import BEGINNING, Asked, snapshot, write
from ledger.reports import trial_balance
from ledger.reports.journals import JOURNAL_EXPORT
from ledger.service import Leg, post, reverse

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
ANNA = chart.wallet(UUID("abcdef01-0000-4000-8000-000000000001"))
ROOTS = {"asset": "Assets", "liability": "Liabilities", "equity": "Equity", "income": "Income", "expense": "Expenses"}
SMS_CREDIT, SMS = Account("prepaid:sms:at", "asset", "USD", None), Account("expense:sms", "expense", "USD", None)


def owned(family: Family) -> Account:
    """Some account of a family."""
    known = {"provider": "campay", "carrier": "orange"}
    owners = [known.get(owner, str(UUID(int=7, version=4))) for owner in re.findall("<([a-z]+)>", family.pattern)]
    return family.account(*owners)


@pytest.fixture
async def books(database: Database, clock: ManualClock) -> Database:
    """An account of each family, legs in several currencies, dates put back, words that the formats use themselves."""
    async with database.transaction() as tx:
        for number, family in enumerate(CHART):
            account = owned(family)
            other = Account(f"suspense:{account.currency.lower()}", "liability", account.currency, None)
            legs = [Leg(other, account, 10**number % 997 + 1)]
            if account.kind in ("asset", "expense"):
                legs = [Leg(leg.credit, leg.debit, leg.amount) for leg in legs]
            await post(tx, key=f"chart:{number}", kind="opening", legs=legs)
        legs = [Leg(FLOAT, ANNA, 3705), Leg(chart.PROVIDER_FEES, ANNA, 95), Leg(SMS, SMS_CREDIT, 5)]
        odd = {"Order Nr": '4821, "paid" \\ twice', "x": "two\nlines; #tag ^link", "belongs_to": "2026-10-31 23:00+01"}
        paid = await post(tx, key='key "1"; a,b', kind="collection", legs=legs, metadata=odd, actor="staff:7")
        before = tx.now - timedelta(days=400)
        await post(tx, key="late", kind="late", legs=[Leg(FLOAT, ANNA, 7)], effective_at=before)
    async with database.transaction() as tx:
        await reverse(tx, journal_id=paid.journal_id, key="back", kind="reversed")
    return database


async def exported(database: Database, clock: ManualClock, form: str) -> str:
    async with snapshot(database) as tx:
        asked = Asked(BEGINNING, clock.now() + timedelta(seconds=1))
        pieces = [piece async for _, piece in write(tx, JOURNAL_EXPORT, asked, form=form, language="fr")]
    return b"".join(pieces).decode()


async def balances(database: Database) -> dict[tuple[str, str, str], int]:
    """Kind, family and currency -> debits less credits, by our own trial balance."""
    async with database.reading() as tx:
        return {(x.kind, x.family, x.currency): x.net for x in await trial_balance(tx) if x.net}


async def test_beancount_reads_it_and_comes_to_our_balances(books: Database, clock: ManualClock) -> None:
    entries, problems, _ = loader.load_string(await exported(books, clock, "beancount"))
    assert problems == []
    codes = {entry.account: entry.meta["code"] for entry in entries if isinstance(entry, data.Open)}
    found: dict[tuple[str, str, str], int] = {}
    transactions = [entry for entry in entries if isinstance(entry, data.Transaction)]
    for posting in (posting for entry in transactions for posting in entry.postings):
        kind = next(kind for kind, root in ROOTS.items() if posting.account.startswith(f"{root}:"))
        family = re.sub(":[0-9a-f-]{36}$", "", codes[posting.account])
        minor = posting.units.number * (100 if posting.units.currency == "USD" else 1)
        key = kind, family, posting.units.currency
        found[key] = found.get(key, 0) + int(minor)
    assert {key: net for key, net in found.items() if net} == await balances(books)
    (collection,) = (entry for entry in transactions if entry.narration == "collection")
    assert collection.meta["key"] == 'key "1"; a,b'
    assert collection.meta["order-nr"] == '4821, "paid" \\ twice'
    assert collection.meta["x-x"] == "two lines; #tag ^link"


def test_two_accounts_never_share_a_name() -> None:
    writer = BeancountWriter(None, "fr")  # type: ignore[arg-type]
    lines = [line for family in CHART for line in writer._declare(owned(family).code, family.kind, family.currency)]
    names = [line.split()[2] for line in lines if " open " in line]
    assert len(set(names)) == len(CHART)


# ---- hledger ---------------------------------------------------------------------------------------------

# The part of hledger's journal format that we use, and nothing beside it: hledger.org/hledger.html, "Journal".
_COMMODITY = re.compile(r"commodity 1000\.(0*) ([A-Z]{3})")
_CODE = "(?:assets|liabilities|equity|income|expenses)(?::[a-z0-9_-]+)+"
_ACCOUNT = re.compile(rf"account ({_CODE})  ; type: [ALERX]")
_TRANSACTION = re.compile(r"\d{4}-\d\d-\d\d \* \(\d+\) [a-z_]+")
_TAG = re.compile(r"    ; [a-z][a-z0-9-]+: [^,\n]*")
_POSTING = re.compile(
    r"    ((?:assets|liabilities|equity|income|expenses)(?::[a-z0-9_-]+)+)  (-?\d+(?:\.(\d+))?) ([A-Z]{3})"
)


def transactions(journal: str) -> Iterator[list[tuple[str, str, str]]]:
    """The postings of each transaction (account, amount, commodity); every line must be one that hledger knows."""
    accounts: set[str] = set()
    commodities: dict[str, int] = {}
    for block in re.split("\n\n", journal.strip("\n")):
        lines = block.split("\n")
        postings = []
        if _TRANSACTION.fullmatch(lines[0]):
            lines.pop(0)
            while lines and _TAG.fullmatch(lines[0]):
                lines.pop(0)
            while lines and (posting := _POSTING.fullmatch(lines[0])):
                account, amount, fraction, commodity = posting.groups()
                assert account in accounts and len(fraction or "") == commodities[commodity]
                postings.append((account, amount, commodity))
                lines.pop(0)
            yield postings
        for line in lines:  # directives of the next transaction
            if commodity := _COMMODITY.fullmatch(line):
                commodities[commodity[2]] = len(commodity[1])
            else:
                declared = _ACCOUNT.fullmatch(line)
                assert declared is not None, line
                accounts.add(declared[1])


async def test_hledgers_grammar_takes_it_and_it_balances(books: Database, clock: ManualClock) -> None:
    journal = await exported(books, clock, "hledger")
    found: dict[str, int] = {}
    number = 0
    for postings in transactions(journal):
        number += 1
        assert len(postings) >= 2
        for commodity in {commodity for _, _, commodity in postings}:
            assert sum(int(amount.replace(".", "")) for _, amount, of in postings if of == commodity) == 0
        for account, amount, commodity in postings:
            family = re.sub(":[0-9a-f-]{36}$", "", account)
            found[f"{family} {commodity}"] = found.get(f"{family} {commodity}", 0) + int(amount.replace(".", ""))
    assert number == len(CHART) + 3
    roots = {kind: root.lower() for kind, root in ROOTS.items()}
    assert {key: net for key, net in found.items() if net} == {
        f"{roots[kind]}:{family} {currency}": net for (kind, family, currency), net in (await balances(books)).items()
    }
    assert '    ; order-nr: 4821  "paid" \\ twice\n' in journal
    assert "\n2025-10-17 * " in journal  # the business day on which it counts


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")
async def test_hledger_reads_it(books: Database, clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "mboa.journal"
    file.write_text(await exported(books, clock, "hledger"))
    for command in (["check", "--strict"], ["balancesheet"], ["incomestatement"]):
        read = subprocess.run(["hledger", "-f", str(file), *command], capture_output=True, text=True, timeout=60)
        assert (read.returncode, read.stderr) == (0, "")
