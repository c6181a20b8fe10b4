"""The ledger: accounts, journals, postings, the one function that writes them, and triggers that refuse the rest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_POST_JOURNAL = """
CREATE FUNCTION post_journal(
    journal_key text, fingerprint bytea, journal_kind text, effective timestamptz, recorded timestamptz, details jsonb,
    codes text[], kinds text[], currencies text[], floors bigint[],  -- every account of the journal once
    debits int[], credits int[], amounts bigint[],                   -- the legs; accounts by their place in `codes`
    OUT posted_id bigint, OUT replayed boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A session that first plans these statements on empty tables would keep sequential scans for good,
SET enable_seqscan = off
-- and the look-ups by array would be planned anew on every call, a fifth of the time it takes.
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    first_fingerprint bytea;
    ids bigint[];
    as_known boolean;
    debited record;
    credited record;
BEGIN
    IF cardinality(amounts) = 0 THEN
        RAISE EXCEPTION 'a journal needs a leg' USING ERRCODE = 'LE001';
    END IF;

    -- A second caller with this key waits here until the first has committed or rolled back.
    INSERT INTO journal (key, request_hash, kind, effective_at, recorded_at, metadata)
    VALUES (journal_key, fingerprint, journal_kind, effective, recorded, details)
    ON CONFLICT (key) DO NOTHING
    RETURNING id INTO posted_id;
    replayed := posted_id IS NULL;
    IF replayed THEN
        SELECT id, request_hash INTO STRICT posted_id, first_fingerprint FROM journal WHERE key = journal_key;
        IF first_fingerprint <> fingerprint THEN
            RAISE EXCEPTION 'the key belongs to another journal' USING ERRCODE = 'LE002';
        END IF;
        RETURN;
    END IF;

    -- Opening comes before locking, and in one order: nobody waits for a new account while holding another.
    IF (SELECT count(*) FROM account WHERE code = ANY (codes)) < cardinality(codes) THEN
        INSERT INTO account (code, kind, currency, min_balance, opened_at)
        SELECT wanted.code, wanted.kind, wanted.currency, wanted.floor, recorded
        FROM unnest(codes, kinds, currencies, floors) AS wanted (code, kind, currency, floor)
        ORDER BY wanted.code
        ON CONFLICT (code) DO NOTHING;
    END IF;

    SELECT array_agg(id ORDER BY place), bool_and(kind = kinds[place] AND currency = currencies[place])
    INTO ids, as_known
    FROM (SELECT id, kind, currency, array_position(codes, code) AS place
          FROM account WHERE code = ANY (codes) ORDER BY id FOR NO KEY UPDATE) AS locked;
    IF NOT as_known THEN
        RAISE EXCEPTION 'an account has another kind or currency' USING ERRCODE = 'LE003';
    END IF;

    -- Legs apply in their order; the check on account.balance holds after every one of them.
    FOR leg IN 1 .. cardinality(amounts) LOOP
        IF currencies[debits[leg]] <> currencies[credits[leg]] THEN
            RAISE EXCEPTION 'a leg needs one currency' USING ERRCODE = 'LE004';
        END IF;
        UPDATE account SET balance = balance + debit_sign * amounts[leg], version = version + 1
        WHERE id = ids[debits[leg]] RETURNING balance, version INTO debited;
        UPDATE account SET balance = balance - debit_sign * amounts[leg], version = version + 1
        WHERE id = ids[credits[leg]] RETURNING balance, version INTO credited;
        INSERT INTO posting (journal_id, currency, amount, debit_account, debit_seq, debit_balance,
                             credit_account, credit_seq, credit_balance)
        VALUES (posted_id, currencies[debits[leg]], amounts[leg], ids[debits[leg]], debited.version, debited.balance,
                ids[credits[leg]], credited.version, credited.balance);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION post_journal FROM PUBLIC;
"""

_APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'LE005';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting EXECUTE FUNCTION refuse_change();
CREATE TRIGGER permanent BEFORE DELETE OR TRUNCATE ON account EXECUTE FUNCTION refuse_change();
CREATE TRIGGER identity BEFORE UPDATE OF id, code, kind, currency, opened_at ON account
    EXECUTE FUNCTION refuse_change();
"""

# A posting seen from each of its two accounts: what statements and audits read.
_ENTRY = """
CREATE VIEW entry AS
SELECT debit_account AS account_id, debit_seq AS seq, amount AS debit, 0::bigint AS credit, debit_balance AS balance,
       credit_account AS other_account, journal_id
FROM posting
UNION ALL
SELECT credit_account, credit_seq, 0, amount, credit_balance, debit_account, journal_id
FROM posting;
"""


def upgrade() -> None:
    _account()
    _journal()
    _posting()
    run_script(_POST_JOURNAL + _APPEND_ONLY + _ENTRY)


def downgrade() -> None:
    run_script("DROP VIEW entry; DROP TABLE posting, journal, account; DROP FUNCTION post_journal, refuse_change;")


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column(
            "debit_sign",
            sa.SmallInteger,
            sa.Computed("CASE WHEN kind IN ('asset', 'expense') THEN 1 ELSE -1 END", persisted=True),
            nullable=False,
        ),
        sa.Column("balance", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("min_balance", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('asset', 'liability', 'income', 'expense', 'equity')", name="kind"),
        sa.CheckConstraint("balance >= min_balance", name="floor"),
        sa.UniqueConstraint("code"),
        sa.UniqueConstraint("id", "currency"),
        postgresql_with={"fillfactor": 50},
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metadata", postgresql.JSONB, nullable=False),
        sa.UniqueConstraint("key"),
    )


def _posting() -> None:
    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("journal_id", sa.BigInteger, sa.ForeignKey("journal.id"), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("debit_account", sa.BigInteger, nullable=False),
        sa.Column("debit_seq", sa.BigInteger, nullable=False),
        sa.Column("debit_balance", sa.BigInteger, nullable=False),
        sa.Column("credit_account", sa.BigInteger, nullable=False),
        sa.Column("credit_seq", sa.BigInteger, nullable=False),
        sa.Column("credit_balance", sa.BigInteger, nullable=False),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.CheckConstraint("debit_account <> credit_account", name="two_accounts"),
        sa.ForeignKeyConstraint(["debit_account", "currency"], ["account.id", "account.currency"]),
        sa.ForeignKeyConstraint(["credit_account", "currency"], ["account.id", "account.currency"]),
        sa.UniqueConstraint("debit_account", "debit_seq"),
        sa.UniqueConstraint("credit_account", "credit_seq"),
    )
    op.create_index(op.f("ix_posting_journal_id"), "posting", ["journal_id"])
