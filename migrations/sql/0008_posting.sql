-- The only writers of the ledger. `post_leg` serves the commonest journal, of one leg, and takes plain values: half the
-- price. `post_journals` serves everything else: the journal of several legs, the flusher, which has some hundreds at
-- once that have nothing to do with each other; it pays each statement once for all of them. Both keep the same rules;
-- the tests drive both by one model.
--
-- Accounts come in the order of their codes, so that everybody locks them in one order. Hot accounts are only looked
-- at: nobody waits for their rows, and their balance is summed up later. The transaction has its id before a journal
-- takes its number: a number that is in sight is then final once every transaction older than the look has ended,
-- which is what seals and marks go by.
--
-- A session that first plans these statements on empty tables would keep sequential scans for good, and would plan the
-- look-ups by array anew on every call, a fifth of the time it takes: hence the settings.
CREATE FUNCTION post_leg(
    journal_key text, fingerprint bytea, journal_kind text, effective timestamptz, recorded timestamptz,
    actor text, reversed bigint, detail text, moving_on boolean,
    leg_currency text, change bigint,  -- of the first account, in debits: below zero when it is the credited one
    first_code text, first_kind text, first_floor bigint, first_ceiling bigint, first_hot boolean,
    second_code text, second_kind text, second_floor bigint, second_ceiling bigint, second_hot boolean,
    OUT posted_id bigint, OUT replayed boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    first_fingerprint bytea;
    open_from timestamptz;
    first account;
    second account;
    debited account;
    credited account;
    done text;  -- an assignment costs less than a statement
BEGIN
    -- A second caller with this key waits here until the first has committed or rolled back, and finds its journal.
    done := pg_advisory_xact_lock(hashtextextended(journal_key, 8));
    done := pg_current_xact_id();  -- before this look at the books: whoever closes a period waits for older transactions
    SELECT journal_id, request_hash, closed_until INTO STRICT posted_id, first_fingerprint, open_from
    FROM books LEFT JOIN posting ON key = journal_key;
    replayed := posted_id IS NOT NULL;
    IF replayed AND first_fingerprint = fingerprint THEN
        RETURN;
    ELSIF replayed THEN
        RAISE EXCEPTION 'the key belongs to another journal' USING ERRCODE = 'LE002';
    END IF;
    IF effective < open_from THEN
        IF NOT moving_on THEN
            RAISE EXCEPTION 'the period is closed' USING ERRCODE = 'LE006';
        END IF;
        detail := belonging_to(detail, effective);
        effective := open_from;
    END IF;

    -- The floor, and that two accounts are two, are constraints.
    LOOP
        IF first_hot THEN
            SELECT * INTO first FROM account WHERE code = first_code;
        ELSE
            UPDATE account SET balance = balance + debit_sign * change, version = version + 1
            WHERE code = first_code RETURNING * INTO first;
        END IF;
        EXIT WHEN FOUND;
        PERFORM open_account(first_code, first_kind, leg_currency, first_floor, first_ceiling, first_hot, recorded);
    END LOOP;
    LOOP
        IF second_hot THEN
            SELECT * INTO second FROM account WHERE code = second_code;
        ELSE
            UPDATE account SET balance = balance - debit_sign * change, version = version + 1
            WHERE code = second_code RETURNING * INTO second;
        END IF;
        EXIT WHEN FOUND;
        PERFORM open_account(second_code, second_kind, leg_currency, second_floor, second_ceiling, second_hot, recorded);
    END LOOP;
    IF first.kind <> first_kind OR first.currency <> leg_currency OR first.hot <> first_hot
       OR second.kind <> second_kind OR second.currency <> leg_currency OR second.hot <> second_hot THEN
        RAISE EXCEPTION 'an account has another kind, currency or limit' USING ERRCODE = 'LE003';
    ELSIF first.balance > first.max_balance OR second.balance > second.max_balance THEN
        RAISE EXCEPTION 'an account would rise above its ceiling'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_account_ceiling';
    END IF;
    IF first_hot THEN
        first.version := NULL;
        first.balance := NULL;
    END IF;
    IF second_hot THEN
        second.version := NULL;
        second.balance := NULL;
    END IF;
    IF change > 0 THEN
        debited := first;
        credited := second;
    ELSE
        debited := second;
        credited := first;
    END IF;

    posted_id := nextval('journal_id');
    INSERT INTO posting (journal_id, leg, amount, debit_account, debit_seq, debit_balance,
                         credit_account, credit_seq, credit_balance, effective_at, recorded_at, kind,
                         key, request_hash, actor, reverses, metadata)
    VALUES (posted_id, 1, abs(change), debited.id, debited.version, debited.balance,
            credited.id, credited.version, credited.balance, effective, recorded, journal_kind,
            journal_key, fingerprint, actor, reversed, detail::jsonb);
END
$$;

-- The metadata of a journal that would have counted at another time, had the period not been closed.
CREATE FUNCTION belonging_to(detail text, effective timestamptz) RETURNS text
RETURN (coalesce(detail::jsonb, '{}') || jsonb_build_object('belongs_to', effective))::text;

-- Many journals of different keys, leg by leg: what belongs to a journal comes with its first leg, and `leg_journals`
-- counts them from 1; legs name accounts by their place, counted from 1, too. All or none, unless `judging`: then each
-- journal gets a verdict, and those that can be posted are. With `moving_on`, what belongs to a closed period counts from
-- the beginning of the open one.
-- 0 posted, 1 posted before, 2 the key belongs to another journal, 3 too little, 4 too much, 5 the period is closed.
--
-- Inside a query an array is unnested and never subscripted: that would walk it from its beginning for each element.
CREATE FUNCTION post_journals(
    judging boolean, moving_on boolean,
    keys text[], fingerprints bytea[], kinds text[], effective timestamptz[], recorded timestamptz,
    actors text[], reversed bigint[], details text[],
    codes text[], account_kinds text[], currencies text[], floors bigint[], ceilings bigint[], hots boolean[],
    leg_journals int[], debits int[], credits int[], amounts bigint[],
    OUT journal_ids bigint[], OUT verdicts int[])
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    nothing constant bigint[] := array_fill(0::bigint, ARRAY[cardinality(codes)]);
    no_leg constant bigint[] := array_fill(0::bigint, ARRAY[cardinality(amounts)]);
    changes bigint[] := nothing;  -- net debits of each account by these journals, so far
    lowest bigint[] := nothing;   -- the least and the most of it between two legs
    highest bigint[] := nothing;
    moves bigint[] := nothing;
    numbers bigint[] := no_leg;   -- of the leg in its journal; 0 for what is not posted
    debit_changes bigint[] := no_leg;
    credit_changes bigint[] := no_leg;
    debit_moves bigint[] := no_leg;
    credit_moves bigint[] := no_leg;
    ids bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(codes)]);
    signs int[] := ids;
    balances bigint[] := ids;  -- before these journals; NULL for hot accounts
    versions bigint[] := ids;
    debit_ids bigint[] := no_leg;
    credit_ids bigint[] := no_leg;
    posting_ids bigint[] := no_leg;
    open_from timestamptz;
    missing int;
    begun int := 0;  -- journals
    of_journal int;
    before_journal int := 0;
    debited int;
    credited int;
    change bigint;
    row record;
    done text;
BEGIN
    PERFORM pg_advisory_xact_lock(lock)
    FROM (SELECT hashtextextended(key, 8) AS lock FROM unnest(keys) AS key WHERE key IS NOT NULL ORDER BY 1) AS locks;
    done := pg_current_xact_id();  -- before the look at the books, as above
    SELECT array_agg(first.journal_id ORDER BY number),
           array_agg(CASE WHEN first.journal_id IS NOT NULL THEN (first.request_hash <> fingerprint)::int + 1
                          WHEN asked.effective < closed_until THEN 5 ELSE 0 END ORDER BY number)
    INTO journal_ids, verdicts
    FROM unnest(keys, fingerprints, effective) WITH ORDINALITY AS asked (key, fingerprint, effective, number)
    CROSS JOIN books LEFT JOIN posting AS first ON first.key = asked.key WHERE asked.key IS NOT NULL;
    IF moving_on AND 5 = ANY (verdicts) THEN
        SELECT closed_until INTO STRICT open_from FROM books;
        FOR leg IN 1 .. cardinality(amounts) LOOP
            CONTINUE WHEN verdicts[leg_journals[leg]] <> 5;
            IF keys[leg] IS NOT NULL THEN
                details[leg] := belonging_to(details[leg], effective[leg]);
            END IF;
            effective[leg] := open_from;
        END LOOP;
        verdicts := array_replace(verdicts, 5, 0);
    END IF;
    IF judging THEN
        verdicts := judge_journals(
            verdicts, codes, account_kinds, floors, ceilings, leg_journals, debits, credits, amounts);
    ELSIF 2 = ANY (verdicts) THEN
        RAISE EXCEPTION 'the key belongs to another journal' USING ERRCODE = 'LE002';
    ELSIF 5 = ANY (verdicts) THEN
        RAISE EXCEPTION 'the period is closed' USING ERRCODE = 'LE006';
    END IF;
    IF 0 <> ALL (verdicts) THEN
        RETURN;
    END IF;

    FOR leg IN 1 .. cardinality(amounts) LOOP
        of_journal := leg_journals[leg];
        CONTINUE WHEN verdicts[of_journal] <> 0;
        debited := debits[leg];
        credited := credits[leg];
        IF currencies[debited] <> currencies[credited] THEN
            RAISE EXCEPTION 'a leg needs one currency' USING ERRCODE = 'LE004';
        END IF;
        change := changes[debited] + amounts[leg];
        changes[debited] := change;
        debit_changes[leg] := change;
        IF change > highest[debited] THEN highest[debited] := change; END IF;
        change := changes[credited] - amounts[leg];
        changes[credited] := change;
        credit_changes[leg] := change;
        IF change < lowest[credited] THEN lowest[credited] := change; END IF;
        moves[debited] := moves[debited] + 1;
        debit_moves[leg] := moves[debited];
        moves[credited] := moves[credited] + 1;
        credit_moves[leg] := moves[credited];
        IF of_journal = before_journal THEN
            numbers[leg] := numbers[leg - 1] + 1;
        ELSE
            numbers[leg] := 1;
            before_journal := of_journal;
            begun := begun + 1;
        END IF;
    END LOOP;
    IF begun <> cardinality(array_positions(verdicts, 0)) THEN
        RAISE EXCEPTION 'a journal needs a leg' USING ERRCODE = 'LE001';
    END IF;

    missing := cardinality(codes) - cardinality(array_positions(moves, 0));
    LOOP
        FOR row IN
            WITH wanted AS MATERIALIZED (
                SELECT * FROM unnest(codes, account_kinds, currencies, hots, changes, moves, ids) WITH ORDINALITY
                AS wanted (code, kind, currency, hot, change, moves, id, place)
                WHERE id IS NULL AND moves > 0
            ), moved AS (
                UPDATE account SET balance = balance + debit_sign * change, version = version + moves
                FROM wanted WHERE account.code = wanted.code AND NOT wanted.hot
                RETURNING place, account.id, debit_sign AS sign, balance - debit_sign * change AS before,
                          version - moves AS seq, min_balance + held AS low, max_balance AS high,
                          account.kind = wanted.kind AND account.currency = wanted.currency AND NOT account.hot AS known
            )
            SELECT * FROM moved
            UNION ALL
            SELECT place, account.id, NULL, NULL, NULL, NULL, NULL,
                   account.kind = wanted.kind AND account.currency = wanted.currency AND account.hot
            FROM wanted JOIN account ON account.code = wanted.code WHERE wanted.hot
        LOOP
            IF NOT row.known THEN
                RAISE EXCEPTION 'an account has another kind, currency or limit' USING ERRCODE = 'LE003';
            END IF;
            missing := missing - 1;
            ids[row.place] := row.id;
            signs[row.place] := row.sign;
            balances[row.place] := row.before;
            versions[row.place] := row.seq;
            IF row.before + least(row.sign * lowest[row.place], row.sign * highest[row.place]) < row.low THEN
                RAISE EXCEPTION 'an account would fall below its floor'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_account_floor';
            ELSIF row.before + greatest(row.sign * lowest[row.place], row.sign * highest[row.place]) > row.high THEN
                RAISE EXCEPTION 'an account would rise above its ceiling'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_account_ceiling';
            END IF;
        END LOOP;
        EXIT WHEN missing = 0;
        INSERT INTO account (code, family, kind, currency, debit_sign, hot, min_balance, max_balance, opened_at)
        SELECT code, family_of(code), kind, currency, sign_of(kind), hot, floor, ceiling, recorded
        FROM unnest(codes, account_kinds, currencies, hots, floors, ceilings, ids, moves)
            AS new (code, kind, currency, hot, floor, ceiling, id, moves)
        WHERE id IS NULL AND moves > 0
        ON CONFLICT (code) DO NOTHING;
    END LOOP;

    SELECT array_agg(CASE verdict WHEN 0 THEN nextval('journal_id') ELSE id END ORDER BY number)
    INTO journal_ids
    FROM unnest(journal_ids, verdicts) WITH ORDINALITY AS journal (id, verdict, number);
    FOR leg IN 1 .. cardinality(amounts) LOOP
        CONTINUE WHEN numbers[leg] = 0;
        debited := debits[leg];
        credited := credits[leg];
        posting_ids[leg] := journal_ids[leg_journals[leg]];
        debit_ids[leg] := ids[debited];
        credit_ids[leg] := ids[credited];
        debit_moves[leg] := versions[debited] + debit_moves[leg];
        credit_moves[leg] := versions[credited] + credit_moves[leg];
        debit_changes[leg] := balances[debited] + signs[debited] * debit_changes[leg];
        credit_changes[leg] := balances[credited] + signs[credited] * credit_changes[leg];
    END LOOP;
    INSERT INTO posting (journal_id, leg, amount, debit_account, debit_seq, debit_balance,
                         credit_account, credit_seq, credit_balance, effective_at, recorded_at, kind,
                         key, request_hash, actor, reverses, metadata)
    SELECT id, number, amount, debit_id, debit_move, debit_change, credit_id, credit_move, credit_change,
           at, recorded, kind, key, fingerprint, actor, reverse, detail::jsonb
    FROM unnest(posting_ids, numbers, amounts, debit_ids, debit_moves, debit_changes,
                credit_ids, credit_moves, credit_changes, effective, kinds, keys, fingerprints, actors, reversed, details)
        AS leg (id, number, amount, debit_id, debit_move, debit_change, credit_id, credit_move, credit_change,
                at, kind, key, fingerprint, actor, reverse, detail)
    WHERE number > 0;
END
$$;

-- Which of these journals can be posted, in their order, when those that cannot are left out. Locks the accounts that
-- have limits, so that the answer still holds when the caller writes.
CREATE FUNCTION judge_journals(
    verdicts int[], codes text[], kinds text[], floors bigint[], ceilings bigint[],
    leg_journals int[], debits int[], credits int[], amounts bigint[])
RETURNS int[]
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    nets bigint[] := array_fill(0::bigint, ARRAY[cardinality(codes)]);  -- balances counted in debits
    signs int[] := nets;
    row record;
    of_journal int;
    debited int;
    credited int;
    first int := 1;
BEGIN
    FOR place IN 1 .. cardinality(codes) LOOP
        signs[place] := sign_of(kinds[place]);
    END LOOP;
    FOR row IN
        SELECT place, balance * debit_sign AS net, min_balance + held AS low, max_balance AS high
        FROM account JOIN unnest(codes) WITH ORDINALITY AS wanted (code, place) USING (code)
        WHERE NOT hot ORDER BY code FOR NO KEY UPDATE OF account
    LOOP
        nets[row.place] := row.net;
        floors[row.place] := row.low;
        ceilings[row.place] := row.high;
    END LOOP;
    FOR leg IN 1 .. cardinality(amounts) LOOP
        of_journal := leg_journals[leg];
        IF leg > 1 AND leg_journals[leg - 1] <> of_journal THEN
            first := leg;
        END IF;
        CONTINUE WHEN verdicts[of_journal] <> 0;
        debited := debits[leg];
        credited := credits[leg];
        nets[debited] := nets[debited] + amounts[leg];
        nets[credited] := nets[credited] - amounts[leg];
        IF signs[debited] * nets[debited] < floors[debited] OR signs[credited] * nets[credited] < floors[credited] THEN
            verdicts[of_journal] := 3;
        ELSIF signs[debited] * nets[debited] > ceilings[debited]
              OR signs[credited] * nets[credited] > ceilings[credited] THEN
            verdicts[of_journal] := 4;
        END IF;
        IF verdicts[of_journal] <> 0 THEN  -- take back what this journal has done so far
            FOR undone IN first .. leg LOOP
                nets[debits[undone]] := nets[debits[undone]] - amounts[undone];
                nets[credits[undone]] := nets[credits[undone]] + amounts[undone];
            END LOOP;
        END IF;
    END LOOP;
    RETURN verdicts;
END
$$;

-- Which of these accounts somebody else keeps locked just now, of those that a posting would have to lock.
CREATE FUNCTION locked_accounts(codes text[]) RETURNS text[]
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off
AS $$
WITH free AS MATERIALIZED (SELECT id FROM account WHERE code = ANY (codes) AND NOT hot FOR NO KEY UPDATE SKIP LOCKED)
SELECT coalesce(array_agg(code), '{}') FROM account
WHERE code = ANY (codes) AND NOT hot AND id NOT IN (SELECT id FROM free)
$$;
REVOKE ALL ON FUNCTION post_leg, belonging_to, post_journals, judge_journals, locked_accounts FROM PUBLIC;
