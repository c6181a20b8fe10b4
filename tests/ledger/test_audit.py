"""The audit finds what the constraints would have prevented, so each test breaks in as a superuser."""

from uuid import UUID

import pytest

from core.database import Database
from ledger import chart
from ledger.audit import audit
from ledger.service import Leg, post

pytestmark = pytest.mark.anyio

FLOAT = chart.provider_float("campay", "mtn")
ANNA = chart.wallet(UUID(int=1))
BEN = chart.wallet(UUID(int=2))


@pytest.fixture
async def books(database: Database) -> Database:
    async with database.transaction() as tx:
        await post(tx, key="1", kind="top_up", legs=[Leg(FLOAT, ANNA, 100)])
        await post(tx, key="2", kind="transfer", legs=[Leg(ANNA, BEN, 30), Leg(ANNA, BEN, 20)])
        await post(tx, key="3", kind="points", legs=[Leg(chart.POINTS_ISSUED, chart.points(UUID(int=1)), 3)])
    return database


async def findings_after(books: Database, damage: str) -> list[str]:
    async with books.transaction() as tx:
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
        ("DELETE FROM posting WHERE journal_id = 1", "journal 1 (top_up) has no posting"),
        (
            "UPDATE posting SET currency = 'PTS' WHERE id = 1",
            "posting 1 is in PTS between accounts in XAF and XAF",
        ),
        (
            f"UPDATE account SET balance = 51 WHERE code = '{BEN.code}'",
            f"account {BEN.code} holds 51, its postings sum to 50",
        ),
        (f"UPDATE account SET balance = 51 WHERE code = '{BEN.code}'", "the books in XAF are off by -1"),
        ("UPDATE posting SET amount = 31 WHERE id = 2", f"account {ANNA.code} holds 50, its postings sum to 49"),
        (
            "UPDATE posting SET amount = 31 WHERE id = 2",
            f"account {BEN.code}: posting 1 leaves 30, should leave 31",
        ),
        (
            "DELETE FROM posting WHERE id = 2",
            f"account {ANNA.code} should have postings 1 to 3, has 2 with 2 numbers up to 3",
        ),
        (
            "UPDATE posting SET debit_seq = 7 WHERE id = 3",
            f"account {ANNA.code} should have postings 1 to 3, has 3 with 3 numbers up to 7",
        ),
        (
            "UPDATE posting SET debit_seq = 1 WHERE id = 2",
            f"account {ANNA.code} should have postings 1 to 3, has 3 with 2 numbers up to 3",
        ),
        (
            "UPDATE posting SET debit_balance = 69 WHERE id = 2",
            f"account {ANNA.code}: posting 2 leaves 69, should leave 70",
        ),
        (
            "ALTER TABLE account DROP CONSTRAINT ck_account_floor;"
            f"UPDATE account SET balance = -1 WHERE code = '{BEN.code}'",
            f"account {BEN.code} holds -1, below its floor of 0",
        ),
    ],
)
async def test_damage_is_named(books: Database, damage: str, finding: str) -> None:
    assert finding in await findings_after(books, damage)


async def test_one_broken_line_is_named_once_and_not_with_all_that_follow(books: Database) -> None:
    findings = await findings_after(books, "UPDATE posting SET credit_balance = 101 WHERE id = 1")
    assert findings == [
        f"account {ANNA.code}: posting 1 leaves 101, should leave 100",
        f"account {ANNA.code}: posting 2 leaves 70, should leave 71",
    ]


async def test_a_damaged_ledger_does_not_fill_the_screen(books: Database) -> None:
    many = (
        "INSERT INTO journal (key, request_hash, kind, effective_at, recorded_at, metadata) "
        "SELECT 'empty' || n, '', 'empty', now(), now(), '{}' FROM generate_series(1, 500) AS n"
    )
    assert len(await findings_after(books, many)) == 100
