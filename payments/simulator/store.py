"""The simulator's own memory: one SQLite file that survives restarts.

Every call takes microseconds on a local file (WAL, one connection, one process), so it runs on the event
loop itself; and because no `await` stands between two statements of a block, blocks never interleave.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS subscriber (
    phone TEXT PRIMARY KEY,                 -- E.164
    name TEXT NOT NULL,
    balance_xaf INTEGER NOT NULL CHECK (balance_xaf >= 0),
    sms_code INTEGER NOT NULL DEFAULT 101   -- what Africa's Talking answers for this recipient
) STRICT;
CREATE TABLE IF NOT EXISTS prompt (
    id TEXT PRIMARY KEY,
    phone TEXT NOT NULL,
    amount_xaf INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,                    -- waiting | approved | rejected | expired | failed
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS prompt_phone ON prompt (phone, state);
CREATE TABLE IF NOT EXISTS token (
    provider TEXT NOT NULL,                 -- or one product of it: mtn.collection
    token TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (provider, token)
) STRICT;
CREATE TABLE IF NOT EXISTS float (
    provider TEXT NOT NULL,
    carrier TEXT NOT NULL,
    balance_xaf INTEGER NOT NULL,
    PRIMARY KEY (provider, carrier)
) STRICT;
CREATE TABLE IF NOT EXISTS movement (
    number INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,                     -- collect | payout | refund (of a collection, where the provider has it)
    ref TEXT NOT NULL,                      -- the provider's name for it; some take the product's own id
    our_id TEXT,                            -- the product's name for it
    returns TEXT,                           -- a refund: the ref of the collection
    phone TEXT NOT NULL,
    carrier TEXT NOT NULL,
    amount_xaf INTEGER NOT NULL,
    fee_xaf INTEGER NOT NULL,
    status TEXT NOT NULL,                   -- PENDING | SUCCESSFUL | FAILED
    failure TEXT,                           -- a word of ours; each provider has its own for it
    description TEXT NOT NULL,
    external_user TEXT,
    callback_url TEXT,                      -- where the product wants to hear of it, if it said so
    created_at REAL NOT NULL,
    settled_at REAL,                        -- when it first ended; it may end otherwise afterwards
    UNIQUE (provider, ref)
) STRICT;
CREATE INDEX IF NOT EXISTS movement_our_id ON movement (our_id);
CREATE TABLE IF NOT EXISTS plan (
    number INTEGER PRIMARY KEY,
    movement INTEGER NOT NULL,
    act TEXT NOT NULL,                      -- what payers and networks are going to do by themselves: see outcomes.py
    due_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS plan_due ON plan (due_at);
CREATE TABLE IF NOT EXISTS sms (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    direction TEXT NOT NULL,                -- in: to the product | out: to a subscriber
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sms_recipient ON sms (recipient, number);
CREATE TABLE IF NOT EXISTS ussd_talk (
    id TEXT PRIMARY KEY,
    dialect TEXT NOT NULL,                  -- whose wire it is on
    phone TEXT NOT NULL,
    inputs TEXT NOT NULL,                   -- JSON list: what was dialled after the code, then every input
    hops TEXT NOT NULL,                     -- JSON list of the labels that came with the answers
    request TEXT NOT NULL,                  -- JSON: the last request, as it stood on the wire
    answer TEXT NOT NULL,                   -- the product's last answer, as it came
    open INTEGER NOT NULL,
    started_at REAL NOT NULL,
    touched_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ussd_talk_phone ON ussd_talk (phone, open);
CREATE TABLE IF NOT EXISTS callback (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,                     -- who calls: campay.callback, africastalking.incoming ...
    path TEXT NOT NULL,
    encoding TEXT NOT NULL,                 -- get | post-json | post-form | put-json
    fields TEXT NOT NULL,                   -- JSON object, byte for byte what a JSON callback says
    headers TEXT NOT NULL,                  -- JSON object: the signature, where it is not among the fields
    tries_left INTEGER NOT NULL,
    retry_seconds REAL NOT NULL,
    due_at REAL NOT NULL,
    state TEXT NOT NULL                     -- waiting | delivered | given_up
) STRICT;
CREATE INDEX IF NOT EXISTS callback_due ON callback (state, due_at);
CREATE TABLE IF NOT EXISTS fault (
    number INTEGER PRIMARY KEY,
    call TEXT NOT NULL,
    kind TEXT NOT NULL,
    left INTEGER NOT NULL,
    seconds REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS switch (name TEXT PRIMARY KEY, enabled INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS chance (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seed INTEGER NOT NULL,
    level TEXT NOT NULL,
    late_seconds REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS drawn (call TEXT PRIMARY KEY, times INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS met (
    call TEXT NOT NULL,
    kind TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (call, kind)
) STRICT;
"""


class Store:
    """The one connection to the file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Litestar may start the application in another thread than the one that made it.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def block(self) -> Iterator[None]:
        """All statements inside, or none of them. Holds no `await`. Blocks do not nest."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def run(self, sql: str, *values: Any) -> int:
        """Execute a write; the number of rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Insert one row; its row number."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - names are ours
        return self._connection.execute(statement, tuple(values.values())).lastrowid or 0

    def first(self, sql: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        return self._connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.first(sql, *values)
        return row[0] if row is not None else None

    def close(self) -> None:
        self._connection.close()
