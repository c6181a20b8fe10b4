DROP VIEW entry;
DROP FUNCTION post_journal;
DROP TRIGGER permanent ON account;
DROP TRIGGER identity ON account;
CREATE TEMPORARY TABLE old_posting ON COMMIT DROP AS SELECT * FROM posting;
CREATE TEMPORARY TABLE old_journal ON COMMIT DROP AS SELECT * FROM journal;
DROP TABLE posting, journal;

-- A code is a family, or a family and its owner's id.
CREATE FUNCTION family_of(code text) RETURNS text IMMUTABLE RETURN regexp_replace(code, ':[0-9a-f-]{36}$', '');
-- +1 where a debit raises the balance, -1 where it lowers it; no account without one.
CREATE FUNCTION sign_of(kind text) RETURNS int IMMUTABLE
RETURN CASE WHEN kind IN ('asset', 'expense') THEN 1 WHEN kind IN ('liability', 'income', 'equity') THEN -1 END;

-- One narrow row that is updated in place. A hot account's row stands still between two marks.
ALTER TABLE account
    DROP CONSTRAINT ck_account_floor, DROP CONSTRAINT ck_account_kind, DROP CONSTRAINT uq_account_id_currency,
    ALTER COLUMN debit_sign DROP EXPRESSION,
    ALTER COLUMN code TYPE text COLLATE "C",
    ADD COLUMN family text,
    ADD COLUMN hot boolean,
    ADD COLUMN held bigint NOT NULL DEFAULT 0,
    ADD COLUMN max_balance bigint;
-- Hot accounts begin at nothing: the first marks count every posting there is.
UPDATE account SET family = family_of(code), hot = min_balance IS NULL,
                   balance = CASE WHEN min_balance IS NULL THEN 0 ELSE balance END,
                   version = CASE WHEN min_balance IS NULL THEN 0 ELSE version END;
ALTER TABLE account
    ALTER COLUMN family SET NOT NULL,
    ALTER COLUMN hot SET NOT NULL,
    -- The only check on this row: each costs as much as a third of the update it guards. Kind, sign and family are set
    -- once, by the posting functions; these also keep the ceiling, and `gateway doctor` looks after both.
    ADD CONSTRAINT ck_account_floor CHECK (balance - held >= min_balance);
CREATE INDEX ix_account_family ON account (family);

CREATE SEQUENCE journal_id;
CREATE TABLE posting (
    journal_id bigint NOT NULL,
    leg smallint NOT NULL,
    amount bigint NOT NULL,
    debit_account bigint NOT NULL,
    debit_seq bigint,      -- NULL on the side of a hot account, with its balance
    debit_balance bigint,  -- after this leg
    credit_account bigint NOT NULL,
    credit_seq bigint,
    credit_balance bigint,
    effective_at timestamptz NOT NULL,  -- when it counts: reports
    recorded_at timestamptz NOT NULL,   -- when it was written: statements
    kind text NOT NULL,
    -- of the journal, on its first leg
    key text COLLATE "C",  -- permanent: a repeat in ten years is still a repeat
    request_hash bytea,
    actor text,
    reverses bigint,
    metadata jsonb,
    CONSTRAINT pk_posting PRIMARY KEY (journal_id, leg),
    CONSTRAINT ck_posting_movement CHECK (amount > 0 AND debit_account <> credit_account)
);
CREATE UNIQUE INDEX uq_posting_key ON posting (key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX uq_posting_reverses ON posting (reverses) WHERE reverses IS NOT NULL;
CREATE UNIQUE INDEX uq_posting_debit_account_debit_seq ON posting (debit_account, debit_seq) WHERE debit_seq IS NOT NULL;
CREATE UNIQUE INDEX uq_posting_credit_account_credit_seq ON posting (credit_account, credit_seq)
    WHERE credit_seq IS NOT NULL;
CREATE INDEX ix_posting_hot_debit ON posting (debit_account, journal_id) WHERE debit_seq IS NULL;
CREATE INDEX ix_posting_hot_credit ON posting (credit_account, journal_id) WHERE credit_seq IS NULL;
-- Instants nearly follow the order of writing, so a few bytes per hundred pages find a day.
CREATE INDEX ix_posting_effective_at ON posting USING brin (effective_at) WITH (pages_per_range = 32, autosummarize = on);

INSERT INTO posting
SELECT journal.id, leg, amount,
       debit_account, CASE WHEN NOT debited.hot THEN debit_seq END, CASE WHEN NOT debited.hot THEN debit_balance END,
       credit_account, CASE WHEN NOT credited.hot THEN credit_seq END, CASE WHEN NOT credited.hot THEN credit_balance END,
       effective_at, recorded_at, journal.kind,
       CASE WHEN leg = 1 THEN key END, CASE WHEN leg = 1 THEN request_hash END, NULL, NULL,
       CASE WHEN leg = 1 THEN nullif(metadata, '{}') END
FROM (SELECT *, row_number() OVER (PARTITION BY journal_id ORDER BY id) AS leg FROM old_posting) AS old
JOIN old_journal AS journal ON journal.id = old.journal_id
JOIN account AS debited ON debited.id = debit_account
JOIN account AS credited ON credited.id = credit_account;
SELECT setval('journal_id', max(journal_id)) FROM posting HAVING count(*) > 0;

CREATE TABLE hold (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_hold PRIMARY KEY,
    key text COLLATE "C" NOT NULL CONSTRAINT uq_hold_key UNIQUE,
    request_hash bytea NOT NULL,
    kind text NOT NULL,
    account_id bigint NOT NULL CONSTRAINT fk_hold_account_id_account REFERENCES account,
    amount bigint NOT NULL CONSTRAINT ck_hold_amount CHECK (amount > 0),
    captured bigint NOT NULL DEFAULT 0,  -- what of it was posted
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    closed_at timestamptz,
    journal_id bigint,
    CONSTRAINT ck_hold_state CHECK (state IN ('open', 'captured', 'released', 'expired')),
    CONSTRAINT ck_hold_captured CHECK (captured BETWEEN 0 AND amount
        AND (state = 'captured') = (captured > 0) AND (state = 'captured') = (journal_id IS NOT NULL)),
    CONSTRAINT ck_hold_closed CHECK ((state = 'open') = (closed_at IS NULL))
);
CREATE INDEX ix_hold_expires_at ON hold (expires_at) WHERE state = 'open';
CREATE INDEX ix_hold_account_id ON hold (account_id) WHERE state = 'open';

-- A hot account's balance after all journals up to and including `journal_id`; `seq` counts its postings.
CREATE TABLE balance_mark (
    account_id bigint NOT NULL,
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    balance bigint NOT NULL,
    CONSTRAINT pk_balance_mark PRIMARY KEY (account_id, journal_id)
);
-- What each family of accounts turned over, by the business day on which it counts.
CREATE TABLE turnover (
    family text NOT NULL,
    currency text NOT NULL,
    day date NOT NULL,
    debit numeric NOT NULL,
    credit numeric NOT NULL,
    CONSTRAINT pk_turnover PRIMARY KEY (family, currency, day)
);
-- The state of the books as a whole: one row.
CREATE TABLE books (
    one boolean NOT NULL DEFAULT true CONSTRAINT pk_books PRIMARY KEY CONSTRAINT ck_books_one CHECK (one),
    marked_to bigint NOT NULL DEFAULT 0,  -- the last journal that marks and turnover have counted
    closed_until timestamptz NOT NULL DEFAULT '-infinity'  -- what counts before this instant is closed
);
INSERT INTO books DEFAULT VALUES;
