"""Hand-written posting to compare with: what a careful engineer writes in an afternoon, and what most write first.

Bare ledgers of their own (schema `floor`): a transfer with its key, two entries with running balances, no overdraft.
No metadata, no request hash, no holds, no hot accounts, no closed periods, one currency.
"""

import random
from collections.abc import Sequence
from uuid import uuid4

import asyncpg

ACCOUNTS = 10_000
OPENING = 10**9

_SCHEMA = """
CREATE SCHEMA floor;
SET search_path = floor;
CREATE TABLE account (
    id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0), version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE transfer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text COLLATE "C" NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transfer_id bigint NOT NULL, account_id bigint NOT NULL,
    amount bigint NOT NULL, seq bigint NOT NULL, balance bigint NOT NULL, UNIQUE (account_id, seq)
);
CREATE FUNCTION post(wanted text, debited bigint, credited bigint, moved bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = floor SET enable_seqscan = off AS $$
DECLARE posted bigint; d record; c record;
BEGIN
    INSERT INTO transfer (key) VALUES (wanted) ON CONFLICT DO NOTHING RETURNING id INTO posted;
    IF posted IS NULL THEN RETURN (SELECT id FROM transfer WHERE key = wanted); END IF;
    PERFORM FROM account WHERE id IN (debited, credited) ORDER BY id FOR NO KEY UPDATE;
    UPDATE account SET balance = balance - moved, version = version + 1 WHERE id = debited RETURNING * INTO d;
    UPDATE account SET balance = balance + moved, version = version + 1 WHERE id = credited RETURNING * INTO c;
    INSERT INTO entry (transfer_id, account_id, amount, seq, balance)
    VALUES (posted, debited, -moved, d.version, d.balance), (posted, credited, moved, c.version, c.balance);
    RETURN posted;
END $$;
"""


async def build(connection: asyncpg.Connection) -> None:
    """Make the bare ledger, with money on every account."""
    await connection.execute(_SCHEMA)
    await connection.execute(
        f"INSERT INTO floor.account SELECT id, {OPENING} FROM generate_series(1, {ACCOUNTS}) AS id; ANALYZE"
    )


def two(hot: bool) -> tuple[int, int]:
    """A debited and another credited account; with `hot` the credited one is always the same."""
    credited = 1 if hot else random.randint(2, ACCOUNTS)
    debited = random.randint(2, ACCOUNTS)
    return (debited, credited) if debited != credited else two(hot)


async def one_call(connection: asyncpg.Connection, hot: bool) -> None:
    """The floor: one function call, committed by itself."""
    await connection.execute("SELECT floor.post($1, $2, $3, 100)", str(uuid4()), *two(hot))


async def one_call_in_transaction(connection: asyncpg.Connection, hot: bool) -> None:
    """The same inside BEGIN and COMMIT, as a caller with rows of their own needs it."""
    await connection.execute("BEGIN")
    await one_call(connection, hot)
    await connection.execute("COMMIT")


async def four_statements(connection: asyncpg.Connection, hot: bool) -> None:
    """What most write first: a statement for each thing, in a transaction."""
    debited, credited = two(hot)
    await connection.execute("BEGIN")
    transfer = await connection.fetchval("INSERT INTO floor.transfer (key) VALUES ($1) RETURNING id", str(uuid4()))
    await connection.fetch("SELECT FROM floor.account WHERE id = ANY ($1) ORDER BY id FOR UPDATE", [debited, credited])
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "UPDATE floor.account SET balance = balance + CASE id WHEN $1 THEN -100 ELSE 100 END, version = version + 1"
        " WHERE id IN ($1, $2) RETURNING id, balance, version",
        debited,
        credited,
    )
    await connection.execute(
        "INSERT INTO floor.entry (transfer_id, account_id, amount, seq, balance)"
        " SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])",
        transfer,
        [row["id"] for row in rows],
        [-100 if row["id"] == debited else 100 for row in rows],
        [row["version"] for row in rows],
        [row["balance"] for row in rows],
    )
    await connection.execute("COMMIT")
