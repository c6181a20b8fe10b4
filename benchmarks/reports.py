"""How long reports take over ten million postings, and by which plans: `python -m benchmarks.reports [--plans]`.

A year of orders is written straight into the tables of a scratch database, as the posting functions would have left
them: two million orders of two journals and five postings each, paid into an escrow of their own, shared out among 200
restaurants and 500 drivers. The last thousand orders wait in escrow, and the last ten thousand journals are not added
up yet. Medians of seven, nothing else running; marks: a trial balance in 1 s, as of a past date in 5 s, a page of any
statement in 20 ms.
"""

import argparse
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from statistics import median

import asyncpg
import uvloop
from sqlalchemy import event

from benchmarks.ledger import server
from core.clock import DOUALA, ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from gateway.schema import migrate
from ledger.audit import audit
from ledger.marks import STEP_JOURNALS
from ledger.rendering import render
from ledger.reporting import Report, snapshot, whole
from ledger.reports import REPORTS, account_statement
from ledger.reports.asking import read
from marketplace.finance.orders import ESCROW_AGEING

ROUNDS = 7
WAITING_ORDERS = 1_000
UNMARKED_JOURNALS = 10_000
BEGIN = datetime(2026, 1, 1, tzinfo=DOUALA)
END = datetime(2026, 12, 31, 18, tzinfo=DOUALA)

# Orders are numbered from 1; order n has the journals 2n - 1 and 2n, restaurant n % 200 and driver n % 500.
_ACCOUNTS = """
INSERT INTO account (code, family, kind, currency, debit_sign, hot, min_balance, opened_at)
SELECT code, family_of(code), kind, 'XAF', sign_of(kind), hot, CASE WHEN NOT hot THEN 0 END, $2
FROM (
    VALUES ('float:campay:mtn', 'asset', true), ('expense:provider_fees', 'expense', true),
           ('income:commission', 'income', true)
    UNION ALL
    SELECT stem || lpad(to_hex(n), 8, '0') || '-0000-4000-8000-000000000000', 'liability', false
    FROM (VALUES ('payable:restaurant:', 0, 199), ('payable:driver:', 0, 499), ('escrow:', 1, $1::int))
        AS owners (stem, first, last), generate_series(first, last) AS n
) AS one (code, kind, hot)
"""  # ids follow this order, from 1: three hot ones, restaurants from 4, drivers from 204, escrows from 704
_POSTINGS = """
INSERT INTO posting (journal_id, leg, amount, debit_account, debit_seq, debit_balance, credit_account, credit_seq,
                     credit_balance, effective_at, recorded_at, kind, key, request_hash)
SELECT 2 * n - 1 + released, leg, amount, debited, debit_seq, debit_balance, credited, credit_seq, credit_balance,
       at, at, CASE released WHEN 0 THEN 'collection' ELSE 'order_released' END,
       CASE leg WHEN 1 THEN n || CASE released WHEN 0 THEN ':paid' ELSE ':settle' END END,
       CASE leg WHEN 1 THEN '\\x00'::bytea END
FROM generate_series($1::int, $2::int) AS n
CROSS JOIN LATERAL (SELECT $3::timestamptz + ($4::timestamptz - $3) * (n / $5::float8) AS at) AS moment
CROSS JOIN LATERAL (VALUES
    (0, 1, 3705, 1, NULL, NULL, 703 + n, 1, 3705),
    (0, 2, 95, 2, NULL, NULL, 703 + n, 2, 3800),
    (1, 1, 2550, 703 + n, 3, 1250, 4 + n % 200, (n + 199) / 200 , (n + 199) / 200 * 2550),
    (1, 2, 450, 703 + n, 4, 800, 3, NULL, NULL),
    (1, 3, 800, 703 + n, 5, 0, 204 + n % 500, (n + 499) / 500, (n + 499) / 500 * 800)
) AS leg (released, leg, amount, debited, debit_seq, debit_balance, credited, credit_seq, credit_balance)
WHERE released = 0 OR n <= $5 - $6
ORDER BY n, released, leg
"""
_BALANCES = """
UPDATE account SET balance = last.balance, version = last.seq
FROM (SELECT DISTINCT ON (account_id) account_id, seq, balance FROM entry
      WHERE seq IS NOT NULL ORDER BY account_id, seq DESC) AS last
WHERE id = account_id
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index WHERE indrelid = 'posting'::regclass AND NOT indisprimary
"""


async def fill(url: str, orders: int) -> None:
    """Write the books. Their indexes are built afterwards, as a restore builds them."""
    connection = await asyncpg.connect(url, command_timeout=3600)
    await connection.execute("SET synchronous_commit = off; SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'")
    await connection.execute(_ACCOUNTS, orders, BEGIN)
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    for first in range(1, orders + 1, 100_000):
        last = min(orders, first + 99_999)
        await connection.execute(_POSTINGS, first, last, BEGIN, END, orders, WAITING_ORDERS)
        print(f"\r{last:,} of {orders:,} orders", end="", flush=True)
    for index in indexes:
        await connection.execute(index["definition"])
    await connection.execute(_BALANCES)
    await connection.execute(f"SELECT setval('journal_id', {2 * orders})")
    await connection.execute("VACUUM (ANALYZE) posting; ")
    await _mark(connection, 2 * orders - UNMARKED_JOURNALS)
    await connection.execute("VACUUM (ANALYZE)")
    print(f"\r{await connection.fetchval('SELECT count(*) FROM posting'):,} postings             ")
    await connection.close()


async def _mark(connection: asyncpg.Connection, last: int) -> None:
    """As the worker would have added up."""
    for up_to in range(STEP_JOURNALS, last + STEP_JOURNALS, STEP_JOURNALS):
        await connection.execute("SELECT mark_balances($1)", min(up_to, last))


async def measure(database: Database, accounts: dict[str, str]) -> None:
    """Print how long each thing takes."""
    reports = {one.name: one for one in (*REPORTS, ESCROW_AGEING)}

    def table(name: str, **asked: str) -> Callable[[], Awaitable[object]]:
        return lambda: _report(database, reports[name], asked)

    def page(code: str, **asked: object) -> Callable[[], Awaitable[object]]:
        return lambda: _page(database, code, asked)

    print(f"\n{'median ms':>48}{'slowest':>10}")
    await _timed("trial balance, now (mark 1,000)", table("trial-balance"))
    await _timed("as of the end of a past day (mark 5,000)", table("trial-balance", as_of="2026-05-31"))
    await _timed("as of a past noon", table("trial-balance", as_of="2026-05-31T12:00+01:00"))
    await _timed("balance sheet, now", table("balance-sheet"))
    await _timed("income statement of a month", table("income-statement", since="2026-05", until="2026-05"))
    await _timed("escrow ageing, now", table("escrow-ageing"))
    await _timed("escrow ageing, as of a week ago", table("escrow-ageing", as_of="2026-12-24"))
    middle = {"since": datetime(2026, 6, 1, tzinfo=DOUALA), "until": datetime(2026, 6, 2, tzinfo=DOUALA)}
    for name, code in accounts.items():
        async with database.reading() as tx:
            last = (await account_statement(tx, code=code, newest=True, limit=1)).lines[-1].seq
        print(f"a page of 100 entries of {name}, which has {last:,} (mark 20)")
        await _timed("  the first", page(code))
        await _timed("  the newest", page(code, newest=True))
        await _timed("  after the middle", page(code, after=last // 2))
        await _timed("  before the middle", page(code, before=last // 2))
        await _timed("  of a day in June", page(code, **middle))


async def _timed(name: str, act: Callable[[], Awaitable[object]]) -> None:
    await act()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await act()
        taken.append((time.perf_counter() - begun) * 1000)
    print(f"{name:40}{median(taken):>8.1f}{max(taken):>10.1f}")


async def _report(database: Database, report: Report, asked: dict[str, str]) -> None:
    async with snapshot(database) as tx:
        render(await whole(tx, report, read(report, now=tx.now, **asked)), "text")


async def _page(database: Database, code: str, asked: dict[str, object]) -> None:
    async with database.reading() as tx:
        await account_statement(tx, code=code, limit=100, **asked)  # type: ignore[arg-type]


async def plans(database: Database, accounts: dict[str, str]) -> None:
    """Print how the statements behind the figures are carried out."""
    sent: list[tuple[str, tuple[object, ...]]] = []

    def listen(_c: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            sent.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", listen)
    await _report(database, REPORTS[0], {"as_of": "2026-05-31T12:00+01:00"})
    for code in accounts.values():
        await _page(database, code, {"after": 5000})
    event.remove(database.engine.sync_engine, "before_cursor_execute", listen)
    async with database.reading() as tx:
        for statement, parameters in sent:
            plan = await (await tx.driver()).fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *parameters)
            print(statement, *(row[0] for row in plan), sep="\n", end="\n\n")


async def run(url: str, orders: int, *, with_plans: bool) -> None:
    """Fill, measure, and prove that what was measured are sound books."""
    await migrate(url)
    await fill(url, orders)
    clock = ManualClock(END + timedelta(seconds=1))
    settings = Settings(database_role="")
    database = Database(url, settings=settings, keys=Keyring(bytes(32)), clock=clock, connections=2)
    accounts = {
        "a restaurant": "payable:restaurant:00000007-0000-4000-8000-000000000000",
        "the float": "float:campay:mtn",
    }
    await measure(database, accounts)
    if with_plans:
        await plans(database, accounts)
    async with database.transaction() as tx:
        await (await tx.driver()).execute("SET LOCAL statement_timeout = 0")
        findings = await audit(tx)
    assert findings == [], findings
    await database.close()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000_000, help="five postings each")
    parser.add_argument("--plans", action="store_true")
    wanted = parser.parse_args()
    with server() as embedded:
        uvloop.run(run(embedded.url, wanted.orders, with_plans=wanted.plans))


if __name__ == "__main__":
    main()
