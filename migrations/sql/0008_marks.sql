-- What reports read instead of every posting: how much each family turned over per business day, and, for hot accounts,
-- their balance as of a journal. Both only up to a journal below which nothing can appear any more; the caller
-- (ledger/marks.py) knows which that is.
CREATE FUNCTION mark_balances(up_to bigint)
RETURNS bigint  -- postings that were added up
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
-- A worker that first ran this on empty tables would read all of a later ledger every second.
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    marked bigint;
    added bigint;
BEGIN
    SELECT marked_to INTO STRICT marked FROM books FOR UPDATE;
    IF up_to <= marked THEN
        RETURN 0;
    END IF;
    WITH new AS MATERIALIZED (
        SELECT account_id, family, account.currency, hot, debit_sign, debit, credit,
               (effective_at AT TIME ZONE 'Africa/Douala')::date AS day
        FROM entry JOIN account ON account.id = account_id WHERE journal_id > marked AND journal_id <= up_to
    ), turned_over AS (
        INSERT INTO turnover AS old (family, currency, day, debit, credit)
        SELECT family, currency, day, sum(debit), sum(credit) FROM new GROUP BY family, currency, day
        ON CONFLICT (family, currency, day)
        DO UPDATE SET debit = old.debit + excluded.debit, credit = old.credit + excluded.credit
    ), added_up AS (
        UPDATE account SET balance = balance + sums.change, version = version + sums.entries
        FROM (SELECT account_id, sum(debit_sign * (debit - credit)) AS change, count(*) AS entries
              FROM new WHERE hot GROUP BY account_id) AS sums
        WHERE id = account_id
        RETURNING id, balance, version
    ), marks AS (
        INSERT INTO balance_mark (account_id, journal_id, seq, balance) SELECT id, up_to, version, balance FROM added_up
    )
    SELECT count(*) / 2 INTO added FROM new;
    UPDATE books SET marked_to = up_to;
    RETURN added;
END
$$;
REVOKE ALL ON FUNCTION mark_balances FROM PUBLIC;
