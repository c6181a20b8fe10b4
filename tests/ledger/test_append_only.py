"""What the database itself refuses, whoever asks."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from core.database import Database
from ledger import chart
from ledger.service import Leg, balance, post
from tests.ledger.books import ANNA, FLOAT, give

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("table", ["journal", "posting", "account"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_nothing_leaves_the_books(database: Database, table: str, change: str) -> None:
    await give(database, ANNA, 100)
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).execute(change.format(table))
    assert refused.value.sqlstate == "LE005"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET kind = 'gift'",
        "UPDATE posting SET amount = amount + 1",
        "UPDATE account SET code = 'wallet:mine'",
        "UPDATE account SET kind = 'income'",
    ],
)
async def test_nothing_in_the_books_changes(database: Database, change: str) -> None:
    await give(database, ANNA, 100)
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).execute(change)
    assert refused.value.sqlstate == "LE005"


def row(currency: str, amount: int, debit: str, credit: str) -> str:
    """One posting written past the function; `debit` and `credit` are an account and its sequence."""
    return f"""
        INSERT INTO posting (journal_id, currency, amount, debit_account, debit_seq, debit_balance,
                             credit_account, credit_seq, credit_balance)
        SELECT journal_id, '{currency}', {amount}, {debit}, 0, {credit}, 0 FROM posting"""


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        ("ck_account_floor", "UPDATE account SET balance = -1 WHERE code LIKE 'wallet:%'"),
        ("ck_posting_amount", row("XAF", 0, "1, 9", "2, 9")),
        ("ck_posting_two_accounts", row("XAF", 5, "1, 9", "1, 10")),
        ("fk_posting_debit_account_currency_account", row("PTS", 5, "1, 9", "2, 9")),
        ("uq_posting_debit_account_debit_seq", row("XAF", 5, "debit_account, 1", "2, 9")),
        ("uq_posting_credit_account_credit_seq", row("XAF", 5, "1, 9", "credit_account, 1")),
        (
            "uq_journal_key",
            "INSERT INTO journal (key, request_hash, kind, effective_at, recorded_at, metadata) "
            "SELECT key, request_hash, kind, effective_at, recorded_at, metadata FROM journal",
        ),
    ],
)
async def test_the_schema_refuses_even_its_owner(database: Database, constraint: str, statement: str) -> None:
    await give(database, ANNA, 100)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).execute(statement)
    assert refused.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("sqlstate", "codes", "legs"),
    [
        ("LE001", ["a", "b"], ([], [], [])),
        ("LE004", ["a", "points"], ([1], [2], [5])),
        ("23514", ["a", "b"], ([1], [2], [-5])),
        ("23502", ["a", "b"], ([1], [3], [5])),
    ],
)
async def test_the_function_trusts_no_caller(
    database: Database, sqlstate: str, codes: list[str], legs: tuple[list[int], ...]
) -> None:
    currencies = ["PTS" if code == "points" else "XAF" for code in codes]
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).execute(
                "SELECT post_journal('k', 'h', 'raw', $1, $1, '{}', $2, $3, $4, $5, $6, $7, $8)",
                tx.now,
                codes,
                ["asset"] * len(codes),
                currencies,
                [None] * len(codes),
                *legs,
            )
    assert refused.value.sqlstate == sqlstate


@pytest.fixture
async def poster(database: Database) -> AsyncIterator[str]:
    """A role that may execute the function and read the tables."""
    role = f"poster_{uuid4().hex[:8]}"
    async with database.transaction() as tx:
        await (await tx.driver()).execute(
            f"CREATE ROLE {role}; GRANT EXECUTE ON FUNCTION post_journal TO {role};"
            f"GRANT SELECT ON account, journal, posting, entry TO {role}"
        )
    yield role
    async with database.transaction() as tx:
        await (await tx.driver()).execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_role_may_post_and_read_without_a_right_to_write(database: Database, poster: str) -> None:
    async with database.transaction() as tx:
        await (await tx.driver()).execute(f"SET LOCAL ROLE {poster}")
        await post(tx, key="k", kind="top_up", legs=[Leg(FLOAT, ANNA, 100)])
        assert await balance(tx, ANNA) == 100
    for write in (
        "UPDATE account SET balance = 9",
        "INSERT INTO account (code, kind, currency, opened_at) VALUES ('x', 'asset', 'XAF', now())",
        row("XAF", 5, "1, 9", "2, 9"),
        "DELETE FROM journal",
        "TRUNCATE posting",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction() as tx:
                await (await tx.driver()).execute(f"SET LOCAL ROLE {poster}")
                await (await tx.driver()).execute(write)


async def test_a_stranger_may_not_post(database: Database) -> None:
    async with database.reading() as tx:
        granted = await (await tx.driver()).fetchval(
            "SELECT has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc WHERE proname = 'post_journal'"
        )
    assert granted is False


async def test_plans_made_while_the_tables_are_tiny_still_use_the_indexes(database: Database) -> None:
    await give(database, ANNA, 1)
    async with database.transaction() as tx:
        await (await tx.driver()).execute("ANALYZE account, journal, posting")
    async with database.transaction() as tx:
        for n in range(20):
            await post(tx, key=f"k{n}", kind="top_up", legs=[Leg(FLOAT, chart.wallet(uuid4()), 1)])
        scans = await (await tx.driver()).fetch(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname IN ('account', 'journal', 'posting')"
        )
    assert {row["relname"]: row["seq_scan"] for row in scans} == {"account": 0, "journal": 0, "posting": 0}
