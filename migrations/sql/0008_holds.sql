-- A hold keeps part of an account's balance for one purpose. It ends once: captured (posted, all of it or part, the rest
-- set free), released, or expired. Locks are taken in one order: the key, the hold, the accounts by their codes.
CREATE FUNCTION open_hold(
    hold_key text, fingerprint bytea, hold_kind text, wanted_code text, wanted_amount bigint,
    expires timestamptz, recorded timestamptz,
    OUT hold_id bigint, OUT replayed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    first_fingerprint bytea;
    held_account bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(hold_key, 9));
    SELECT id, request_hash INTO hold_id, first_fingerprint FROM hold WHERE key = hold_key;
    replayed := FOUND;
    IF replayed THEN
        IF first_fingerprint <> fingerprint THEN
            RAISE EXCEPTION 'the key belongs to another hold' USING ERRCODE = 'LE002';
        END IF;
        RETURN;
    END IF;
    IF expires <= recorded THEN
        RAISE EXCEPTION 'the hold has expired' USING ERRCODE = 'LE008';
    END IF;
    -- Only what is there can be held: never an overdraft, and nothing of an account whose row does not guard it.
    UPDATE account SET held = held + wanted_amount
    WHERE code = wanted_code AND debit_sign = -1 AND min_balance >= 0
      AND balance - held - wanted_amount >= min_balance
    RETURNING id INTO held_account;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an account would fall below its floor'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_account_floor';
    END IF;
    INSERT INTO hold (key, request_hash, kind, account_id, amount, state, opened_at, expires_at)
    VALUES (hold_key, fingerprint, hold_kind, held_account, wanted_amount, 'open', recorded, expires)
    RETURNING id INTO hold_id;
END
$$;

CREATE FUNCTION end_hold(ended_id bigint, ending text, recorded timestamptz)
RETURNS boolean  -- false: it had ended like this before
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    ended hold;
BEGIN
    SELECT * INTO ended FROM hold WHERE id = ended_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such hold' USING ERRCODE = 'LE010';
    ELSIF ending NOT IN ('released', 'expired') OR ended.state NOT IN ('open', ending) THEN
        RAISE EXCEPTION 'the hold has ended' USING ERRCODE = 'LE007';
    ELSIF ended.state = ending THEN
        RETURN false;
    ELSIF ending = 'expired' AND ended.expires_at > recorded THEN
        RAISE EXCEPTION 'the hold has not expired' USING ERRCODE = 'LE007';
    END IF;
    UPDATE hold SET state = ending, closed_at = recorded WHERE id = ended_id;
    UPDATE account SET held = held - ended.amount WHERE id = ended.account_id;
    RETURN true;
END
$$;

-- The rest of the arguments are those of post_journals, for one journal.
CREATE FUNCTION capture_hold(
    captured_id bigint,
    keys text[], fingerprints bytea[], journal_kinds text[], effective timestamptz[], recorded timestamptz,
    actors text[], reversed bigint[], details text[],
    codes text[], kinds text[], currencies text[], floors bigint[], ceilings bigint[], hots boolean[],
    leg_journals int[], debits int[], credits int[], amounts bigint[],
    OUT posted_id bigint, OUT replayed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    caught hold;
    taken bigint;
BEGIN
    -- As in post_journals, before any account: whoever posts under this key waits here, not in a circle.
    PERFORM pg_advisory_xact_lock(hashtextextended(keys[1], 8));
    SELECT * INTO caught FROM hold WHERE id = captured_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such hold' USING ERRCODE = 'LE010';
    ELSIF caught.state = 'open' THEN
        IF caught.expires_at <= recorded THEN
            RAISE EXCEPTION 'the hold has expired' USING ERRCODE = 'LE008';
        END IF;
        SELECT sum(amounts[leg]) INTO taken
        FROM generate_series(1, cardinality(amounts)) AS leg, account
        WHERE account.id = caught.account_id AND codes[debits[leg]] = account.code;
        IF taken IS NULL OR taken > caught.amount THEN
            RAISE EXCEPTION 'the journal takes another sum than what is held' USING ERRCODE = 'LE009';
        END IF;
        PERFORM FROM account WHERE code = ANY (codes) AND NOT hot ORDER BY code FOR NO KEY UPDATE;
        UPDATE account SET held = held - caught.amount WHERE id = caught.account_id;
    ELSIF caught.state <> 'captured'
          OR NOT EXISTS (SELECT FROM posting WHERE journal_id = caught.journal_id AND key = keys[1]) THEN
        RAISE EXCEPTION 'the hold has ended' USING ERRCODE = 'LE007';
    END IF;
    SELECT posted.journal_ids[1], posted.verdicts[1] = 1 INTO posted_id, replayed
    FROM post_journals(false, false, keys, fingerprints, journal_kinds, effective, recorded, actors, reversed, details,
                       codes, kinds, currencies, floors, ceilings, hots, leg_journals, debits, credits, amounts) AS posted;
    IF caught.state = 'open' THEN
        IF replayed THEN
            RAISE EXCEPTION 'the key belongs to a journal outside this hold' USING ERRCODE = 'LE002';
        END IF;
        UPDATE hold SET state = 'captured', captured = taken, journal_id = posted_id, closed_at = recorded
        WHERE id = captured_id;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION open_hold, end_hold, capture_hold FROM PUBLIC;
