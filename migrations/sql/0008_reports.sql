-- What reports need beside the books themselves.

-- A statement begins at an entry's number: the last mark before it is where a hot account is counted on from.
CREATE INDEX ix_balance_mark_account_id_seq ON balance_mark (account_id, seq);

-- The families there are, without looking at each of their accounts: from one to the next in the index.
CREATE VIEW account_family AS
WITH RECURSIVE step (family, kind) AS (
    (SELECT family, kind FROM account ORDER BY family LIMIT 1)
    UNION ALL
    SELECT next.family, next.kind
    FROM step CROSS JOIN LATERAL (
        SELECT family, kind FROM account WHERE account.family > step.family ORDER BY family LIMIT 1) AS next
)
SELECT family, kind FROM step;

-- An account's entries by an index, whichever kind of account it is: their indexes are partial, and `entry` alone names
-- no part. A function of one SELECT is planned with the statement that calls it.
CREATE FUNCTION entries_of(wanted bigint) RETURNS SETOF entry LANGUAGE sql STABLE AS $$
    SELECT * FROM entry WHERE account_id = wanted AND seq IS NOT NULL
    UNION ALL
    SELECT * FROM entry WHERE account_id = wanted AND seq IS NULL
$$;

-- What marks and turnover have not counted yet: mostly a second's worth. Nobody can tell a planner so, and it would read
-- a third of all postings to find them.
CREATE FUNCTION entries_since_marks() RETURNS SETOF entry
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    SELECT * FROM entry WHERE journal_id > (SELECT marked_to FROM books)
$$;

-- How many entries a hot account has up to a journal: those of its last mark, and what came since.
CREATE FUNCTION entries_up_to(wanted bigint, up_to bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
    WITH mark (journal_id, seq) AS (
        SELECT coalesce(last.journal_id, 0), coalesce(last.seq, 0)
        FROM (VALUES (1)) AS always LEFT JOIN LATERAL (
            SELECT journal_id, seq FROM balance_mark WHERE account_id = wanted AND journal_id <= up_to
            ORDER BY journal_id DESC LIMIT 1) AS last ON true
    )
    SELECT seq
        + (SELECT count(*) FROM posting WHERE debit_account = wanted AND debit_seq IS NULL
           AND posting.journal_id > mark.journal_id AND posting.journal_id <= up_to)
        + (SELECT count(*) FROM posting WHERE credit_account = wanted AND credit_seq IS NULL
           AND posting.journal_id > mark.journal_id AND posting.journal_id <= up_to)
    FROM mark
$$;

-- How many entries an account had when `instant` came: the number of the last one recorded before it. The clocks of two
-- processes may disagree by a little, so the search goes by a fixed pattern of steps, and the answer for an instant in
-- the past never changes, however many entries come later: statements that follow each other meet without a gap.
CREATE FUNCTION entries_before(wanted bigint, instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    is_hot boolean;
    last bigint;       -- the place to search up to: an entry's number, or a journal's where the account numbers none
    found bigint := 0;
    step bigint := 1;
    recorded timestamptz;
BEGIN
    SELECT hot, version INTO is_hot, last FROM account WHERE id = wanted;
    IF is_hot THEN
        SELECT coalesce(max(journal_id), 0) INTO last FROM posting;
    END IF;
    WHILE step * 2 <= last LOOP
        step := step * 2;
    END LOOP;
    WHILE step > 0 LOOP
        IF found + step <= last THEN
            recorded := NULL;  -- no journal so low: whatever comes before it is before every instant
            IF is_hot THEN
                SELECT recorded_at INTO recorded FROM posting WHERE journal_id <= found + step
                ORDER BY journal_id DESC LIMIT 1;
            ELSE
                SELECT recorded_at INTO recorded FROM posting WHERE debit_account = wanted AND debit_seq = found + step
                UNION ALL
                SELECT recorded_at FROM posting WHERE credit_account = wanted AND credit_seq = found + step;
            END IF;
            IF recorded IS NULL OR recorded < instant THEN
                found := found + step;
            END IF;
        END IF;
        step := step / 2;
    END LOOP;
    RETURN CASE WHEN is_hot THEN entries_up_to(wanted, found) ELSE found END;
END
$$;

-- What a provider said it holds for us, each time it was asked.
CREATE TABLE provider_balance (
    provider text NOT NULL,
    carrier text NOT NULL,
    at timestamptz NOT NULL,
    balance_xaf bigint NOT NULL,
    CONSTRAINT pk_provider_balance PRIMARY KEY (provider, carrier, at)
);
