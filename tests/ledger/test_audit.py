"""The audit finds what the constraints would have prevented, so each test breaks in as a superuser."""

from datetime import timedelta
from uuid import UUID

import pytest

from core.database import Database
from ledger import chart
from ledger.audit import audit
from ledger.holds import capture, hold
from ledger.marks import Marks
from ledger.service import Leg, post, reverse
from tests.ledger.books import settle

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
ANNA = chart.wallet(UUID(int=1))
BEN = chart.wallet(UUID(int=2))


@pytest.fixture
async def books(database: Database) -> Database:
    """Every sort of row the ledger has: hot accounts, several legs, a reversal, holds open and captured, marks."""
    async with database.transaction() as tx:
        await post(tx, key="1", kind="top_up", legs=[Leg(FLOAT, ANNA, 100)])
        await post(tx, key="2", kind="transfer", legs=[Leg(ANNA, BEN, 30), Leg(ANNA, BEN, 20)])
        await post(tx, key="3", kind="points", legs=[Leg(chart.POINTS_ISSUED, chart.points(UUID(int=1)), 3)])
        mistake = await post(tx, key="4", kind="gift", legs=[Leg(chart.GOODWILL, BEN, 7)])
        await reverse(tx, journal_id=mistake.journal_id, key="5", kind="gift_back")
    async with database.transaction() as tx:
        later = tx.now + timedelta(hours=1)
        await hold(tx, key="6", kind="reserved", account=ANNA, amount=10, expires_at=later)
        taken = await hold(tx, key="7", kind="reserved", account=ANNA, amount=10, expires_at=later)
        await capture(tx, hold_id=taken.hold_id, key="8", kind="bought", legs=[Leg(ANNA, BEN, 4)])
    assert await settle(Marks(database)) == 7
    return database


async def findings_after(owner: Database, damage: str) -> list[str]:
    async with owner.transaction() as tx:
        await (await tx.driver()).execute(f"SET LOCAL session_replication_role = replica; {damage}")
        return await audit(tx)


async def test_sound_books_have_no_findings(books: Database) -> None:
    async with books.reading() as tx:
        assert await audit(tx) == []


async def test_empty_books_have_no_findings(database: Database) -> None:
    async with database.reading() as tx:
        assert await audit(tx) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DELETE FROM posting WHERE (journal_id, leg) = (2, 1)", "journal 2 (transfer) has 1 legs, numbered up to 2"),
        ("UPDATE posting SET key = NULL WHERE journal_id = 3", "journal 3 (points) has 1 legs, numbered up to 1"),
        (
            "UPDATE posting SET debit_account = (SELECT id FROM account WHERE family = 'points') WHERE journal_id = 1",
            "journal 1, leg 1 is between accounts in PTS and XAF",
        ),
        (
            "UPDATE posting SET debit_account = 99 WHERE journal_id = 1",
            "journal 1, leg 1 is between accounts in None and XAF",
        ),
        (
            f"UPDATE account SET debit_sign = 1 WHERE code = '{BEN.code}'",
            f"account {BEN.code} is liability of family wallet with sign 1: that cannot be",
        ),
        (
            f"UPDATE account SET max_balance = 5000 WHERE code = '{BEN.code}'",
            f"account {BEN.code}, one of 1 alike, is liability in XAF from 0 to 5000; "
            "the chart says liability in XAF from 0 to None",
        ),
        (
            "UPDATE account SET min_balance = -9 WHERE family = 'wallet'",
            f"account {ANNA.code}, one of 2 alike, is liability in XAF from -9 to None; "
            "the chart says liability in XAF from 0 to None",
        ),
        (
            f"UPDATE account SET family = 'purse' WHERE code = '{BEN.code}'",
            f"account {BEN.code} is liability of family purse with sign -1: that cannot be",
        ),
        (
            f"UPDATE account SET hot = true WHERE code = '{BEN.code}'",
            f"account {BEN.code} is liability of family wallet with sign -1: that cannot be",
        ),
        (
            f"UPDATE account SET balance = 55 WHERE code = '{BEN.code}'",
            f"account {BEN.code} holds 55, its postings sum to 54",
        ),
        (
            f"UPDATE account SET balance = 99 WHERE code = '{FLOAT.code}'",
            f"account {FLOAT.code} holds 99, its postings sum to 100",
        ),
        (f"UPDATE account SET balance = 55 WHERE code = '{BEN.code}'", "the books in XAF are off by -1"),
        (
            "UPDATE posting SET amount = 31 WHERE (journal_id, leg) = (2, 1)",
            f"account {ANNA.code} holds 46, its postings sum to 45",
        ),
        (
            "UPDATE posting SET amount = 31 WHERE (journal_id, leg) = (2, 1)",
            f"account {BEN.code}: posting 1 leaves 30, should leave 31",
        ),
        (
            "DELETE FROM posting WHERE journal_id = 2",
            f"account {ANNA.code} should have postings 1 to 4, has 2 with 2 numbers up to 4",
        ),
        (
            "UPDATE posting SET debit_seq = 7 WHERE (journal_id, leg) = (2, 2)",
            f"account {ANNA.code} should have postings 1 to 4, has 4 with 4 numbers up to 7",
        ),
        (
            "UPDATE posting SET debit_seq = 1 WHERE (journal_id, leg) = (2, 2)",
            f"account {ANNA.code} should have postings 1 to 4, has 4 with 3 numbers up to 4",
        ),
        (
            "UPDATE posting SET debit_seq = NULL WHERE (journal_id, leg) = (2, 2)",
            f"account {ANNA.code} should have postings 1 to 4, has 3 with 3 numbers up to 4",
        ),
        (
            "UPDATE posting SET debit_balance = 69 WHERE (journal_id, leg) = (2, 1)",
            f"account {ANNA.code}: posting 2 leaves 69, should leave 70",
        ),
        (
            "ALTER TABLE account DROP CONSTRAINT ck_account_floor;"
            f"UPDATE account SET balance = -1 WHERE code = '{BEN.code}'",
            f"account {BEN.code} holds -1 of which 0 are held, outside 0 to None",
        ),
        (
            f"UPDATE account SET max_balance = 40 WHERE code = '{BEN.code}'",
            f"account {BEN.code} holds 54 of which 0 are held, outside 0 to 40",
        ),
        (
            f"UPDATE account SET held = 9 WHERE code = '{ANNA.code}'",
            f"account {ANNA.code} has 9 held, its open holds sum to 10",
        ),
        ("UPDATE hold SET captured = 5 WHERE id = 2", "hold 2 says that 5 were captured, its journal took 4"),
        ("UPDATE hold SET journal_id = 1 WHERE id = 2", "hold 2 says that 4 were captured, its journal took 0"),
        ("UPDATE posting SET reverses = 99 WHERE reverses = 4", "journal 5 says that it reverses 99, and does not"),
        ("UPDATE posting SET reverses = 2 WHERE journal_id = 5", "journal 5 says that it reverses 2, and does not"),
        (
            "UPDATE balance_mark SET balance = 1 FROM account WHERE account_id = account.id AND family LIKE 'float%'",
            f"account {FLOAT.code}: the mark at journal 6 says 1, its postings sum to 100",
        ),
        (
            "UPDATE turnover SET debit = 1 WHERE family = 'float:campay:mtn'",
            "the turnover of float:campay:mtn on 2026-11-21 is kept as 1, its postings sum to 100",
        ),
        (
            "DELETE FROM turnover WHERE family = 'float:campay:mtn'",
            "the turnover of float:campay:mtn on 2026-11-21 is kept as 0, its postings sum to 100",
        ),
    ],
)
async def test_damage_is_named(books: Database, owner: Database, damage: str, finding: str) -> None:
    assert finding in await findings_after(owner, damage)


async def test_one_broken_line_is_named_once_and_not_with_all_that_follow(books: Database, owner: Database) -> None:
    findings = await findings_after(owner, "UPDATE posting SET credit_balance = 101 WHERE journal_id = 1")
    assert findings == [
        f"account {ANNA.code}: posting 1 leaves 101, should leave 100",
        f"account {ANNA.code}: posting 2 leaves 70, should leave 71",
    ]


async def test_a_damaged_ledger_does_not_fill_the_screen(books: Database, owner: Database) -> None:
    many = (
        "INSERT INTO posting (journal_id, leg, amount, debit_account, credit_account, effective_at, recorded_at, kind) "
        "SELECT 1000 + n, 1, 1, 1, 2, now(), now(), 'keyless' FROM generate_series(1, 500) AS n"
    )
    findings = await findings_after(owner, many)
    assert sum(finding.startswith("journal 1") and "(keyless)" in finding for finding in findings) == 100
