"""What the database itself refuses, whoever asks."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from core.database import Database
from ledger import chart
from ledger.holds import hold
from ledger.service import Leg, balance, post, reverse
from tests.ledger.books import ANNA, BEN, FLOAT, give

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("table", ["posting", "account", "hold", "balance_mark", "turnover", "books"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_nothing_leaves_the_books(owner: Database, table: str, change: str) -> None:
    await refused_as_append_only(owner, change.format(table))


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM journal",
        "UPDATE journal SET kind = 'gift'",
        "UPDATE posting SET amount = amount + 1",
        "UPDATE account SET code = 'wallet:mine'",
        "UPDATE account SET kind = 'income'",
        "UPDATE account SET hot = true",
        "UPDATE hold SET amount = 1",
        "UPDATE hold SET expires_at = 'infinity'",
        "UPDATE balance_mark SET balance = 0",
        "INSERT INTO books (one) VALUES (false)",
    ],
)
async def test_nothing_in_the_books_changes(owner: Database, change: str) -> None:
    await refused_as_append_only(owner, change)


async def refused_as_append_only(owner: Database, change: str) -> None:
    await give(owner, ANNA, 100)
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with owner.transaction() as tx:
            await (await tx.driver()).execute(change)
    assert refused.value.sqlstate == "LE005"


def row(amount: int, debit: str, credit: str, key: str = "NULL", reverses: str = "NULL") -> str:
    """One posting written past the functions; `debit` and `credit` are an account and its sequence."""
    return f"""
        INSERT INTO posting (journal_id, leg, amount, debit_account, debit_seq, debit_balance,
                             credit_account, credit_seq, credit_balance, effective_at, recorded_at, kind, key, reverses)
        SELECT journal_id, leg + 5, {amount}, {debit}, 0, {credit}, 0,
               effective_at, recorded_at, kind, {key}, {reverses}
        FROM posting ORDER BY journal_id LIMIT 1"""


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        ("ck_account_floor", "UPDATE account SET balance = -1 WHERE code LIKE 'wallet:%'"),
        ("ck_account_floor", "UPDATE account SET held = balance + 1 WHERE code LIKE 'wallet:%'"),
        ("ck_posting_movement", row(0, "1, 9", "2, 9")),
        ("ck_posting_movement", row(5, "1, 9", "1, 10")),
        ("uq_posting_debit_account_debit_seq", row(5, "credit_account, 2", "99, 9")),
        ("uq_posting_credit_account_credit_seq", row(5, "99, 9", "credit_account, 1")),
        ("uq_posting_key", row(5, "1, 9", "2, 9", key="key")),
        ("uq_posting_reverses", row(5, "1, 9", "2, 9", reverses="(SELECT max(reverses) FROM posting)")),
        ("pk_posting", row(5, "1, 9", "2, 9").replace("leg + 5", "leg")),
        ("ck_hold_captured", "UPDATE hold SET captured = 1"),
        ("ck_hold_captured", "UPDATE hold SET state = 'captured', closed_at = opened_at"),
        ("ck_hold_closed", "UPDATE hold SET state = 'released'"),
        ("ck_hold_state", "UPDATE hold SET state = 'lost', closed_at = opened_at"),
    ],
)
async def test_the_schema_refuses_even_its_owner(owner: Database, constraint: str, statement: str) -> None:
    async with owner.transaction() as tx:
        transfer = await post(tx, key="k", kind="transfer", legs=[Leg(chart.GOODWILL, ANNA, 30), Leg(ANNA, BEN, 10)])
        await post(tx, key="again", kind="transfer", legs=[Leg(ANNA, BEN, 5)])
        await reverse(tx, journal_id=transfer.journal_id + 1, key="back", kind="transfer_back")
        later = tx.now + timedelta(hours=1)
        await hold(tx, key="h", kind="reserved", account=ANNA, amount=10, expires_at=later)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        async with owner.transaction() as tx:
            await (await tx.driver()).execute(statement)
    assert refused.value.constraint_name == constraint


LEG = (
    "SELECT post_leg('k', 'h', 'raw', $1, $1, NULL, NULL, NULL, false, 'XAF', $2,"
    " $3, $5, NULL, NULL, true, $4, $5, NULL, NULL, true)"
)
MANY = (
    "SELECT post_journals(false, false, '{k}', '{h}', '{raw}', ARRAY[$1::timestamptz], $1, '{NULL}', '{NULL}',"
    " '{NULL}', $2, $3, $4, $5, $5, $6, array_fill(1, ARRAY[cardinality($9::bigint[])]), $7, $8, $9)"
)


@pytest.mark.parametrize(
    ("sqlstate", "kind", "codes", "change"),
    [
        ("23514", "asset", ["a", "b"], 0),
        ("23514", "asset", ["a", "a"], 5),
        ("23502", "treasure", ["a", "b"], 5),
    ],
)
async def test_the_function_for_one_leg_trusts_no_caller(
    database: Database, sqlstate: str, kind: str, codes: list[str], change: int
) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).execute(LEG, tx.now, change, *codes, kind)
    assert refused.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "kind", "codes", "legs"),
    [
        ("LE001", "asset", ["a", "b"], ([], [], [])),
        ("LE004", "asset", ["a", "points"], ([1], [2], [5])),
        ("23514", "asset", ["a", "b"], ([1], [2], [-5])),
        ("23514", "asset", ["a", "b"], ([1], [1], [5])),
        ("23502", "asset", ["a", "b"], ([1], [3], [5])),
        ("23502", "treasure", ["a", "b"], ([1], [2], [5])),
        ("23514", "asset", ["a", "a"], ([1], [2], [5])),
    ],
)
async def test_the_function_for_many_trusts_no_caller(
    database: Database, sqlstate: str, kind: str, codes: list[str], legs: tuple[list[int], ...]
) -> None:
    each = range(len(codes))
    currencies = ["PTS" if code == "points" else "XAF" for code in codes]
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).execute(
                MANY, tx.now, codes, [kind for _ in each], currencies, [None for _ in each], [True for _ in each], *legs
            )
    assert refused.value.sqlstate == sqlstate


async def test_the_service_may_post_and_read_without_a_right_to_write(database: Database) -> None:
    async with database.transaction() as tx:
        await post(tx, key="k", kind="top_up", legs=[Leg(FLOAT, ANNA, 100)])
        assert await balance(tx, ANNA) == 100
    for write in (
        "UPDATE account SET balance = 9",
        "INSERT INTO account (code, family, kind, currency, debit_sign, hot, opened_at) "
        "VALUES ('x', 'x', 'asset', 'XAF', 1, true, now())",
        row(5, "1, 9", "2, 9"),
        "DELETE FROM posting",
        "TRUNCATE posting",
        "UPDATE hold SET state = 'released'",
        "UPDATE books SET marked_to = 0",
        "SELECT setval('journal_id', 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction() as tx:
                await (await tx.driver()).execute(write)


async def test_a_stranger_may_not_post(database: Database) -> None:
    writers = [
        "post_leg",
        "belonging_to",
        "post_journals",
        "judge_journals",
        "locked_accounts",
        "open_hold",
        "end_hold",
        "capture_hold",
        "mark_balances",
    ]
    async with database.reading() as tx:
        rows = await (await tx.driver()).fetch(
            "SELECT proname, has_function_privilege('public', oid, 'EXECUTE') AS granted FROM pg_proc"
            " WHERE proname = ANY ($1)",
            writers,
        )
    assert {row["proname"]: row["granted"] for row in rows} == dict.fromkeys(writers, False)


@pytest.mark.parametrize("together", [False, True])
async def test_plans_made_while_the_tables_are_tiny_still_use_the_indexes(
    database: Database, owner: Database, together: bool
) -> None:
    await give(database, ANNA, 1)
    async with owner.transaction() as tx:
        await (await tx.driver()).execute("ANALYZE account, posting")
    async with database.transaction() as tx:
        for n in range(20):
            wallet = chart.wallet(uuid4())
            if together:
                await post(tx, key=f"k{n}", kind="top_up", legs=[Leg(FLOAT, ANNA, 1), Leg(ANNA, wallet, 1)])
            else:
                await post(tx, key=f"k{n}", kind="top_up", legs=[Leg(FLOAT, wallet, 1)])
        scans = await (await tx.driver()).fetch(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname IN ('account', 'posting')"
        )
    assert {row["relname"]: row["seq_scan"] for row in scans} == {"account": 0, "posting": 0}
