-- What counts before `books.closed_until` is closed: nothing more is booked there. One instant, so that there is never a
-- gap. This is its history: a closing is in force at once, and complete ('closed') when every transaction that may have
-- looked at the books before it has ended (ledger/periods.py waits).
CREATE TABLE period_event (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_period_event PRIMARY KEY,
    event text NOT NULL CONSTRAINT ck_period_event_event CHECK (event IN ('closing', 'closed', 'reopened')),
    period text NOT NULL,               -- 2026-10, or 2026-10-31
    closed_from timestamptz NOT NULL,   -- up to here the books were closed before
    closed_until timestamptz NOT NULL,
    journal_id bigint,                  -- of 'closed': no journal after this one counts in the period
    actor text NOT NULL,
    approved_by text,                   -- of 'reopened', which takes two
    reason text,
    at timestamptz NOT NULL,
    CONSTRAINT ck_period_event_span CHECK (closed_from < closed_until),
    CONSTRAINT ck_period_event_closed CHECK ((event = 'closed') = (journal_id IS NOT NULL)),
    CONSTRAINT ck_period_event_four_eyes CHECK ((event = 'reopened') = (approved_by IS NOT NULL)
        AND (event = 'reopened') = (reason IS NOT NULL) AND approved_by <> actor)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_event EXECUTE FUNCTION refuse_change();

-- Close what counts before `ends`. 'closing': done, or begun before and not complete; 'closed': it was closed before;
-- 'gap': something counts between `open_from` and `begins`.
CREATE FUNCTION close_period(
    closed_period text, begins timestamptz, ends timestamptz, closing_actor text, recorded timestamptz,
    OUT verdict text, OUT open_from timestamptz, OUT closing bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before timestamptz;
BEGIN
    SELECT closed_until INTO STRICT before FROM books FOR UPDATE;
    IF ends <= before THEN
        SELECT event, id INTO verdict, closing FROM period_event WHERE period = closed_period ORDER BY id DESC LIMIT 1;
        verdict := CASE verdict WHEN 'closing' THEN 'closing' ELSE 'closed' END;
        RETURN;
    END IF;
    SELECT min(effective_at) INTO open_from FROM posting WHERE effective_at >= before AND effective_at < begins;
    IF open_from IS NOT NULL THEN
        verdict := 'gap';
        RETURN;
    END IF;
    UPDATE books SET closed_until = ends;
    INSERT INTO period_event (event, period, closed_from, closed_until, actor, at)
    VALUES ('closing', closed_period, before, ends, closing_actor, recorded) RETURNING id INTO closing;
    verdict := 'closing';
END
$$;

-- Nothing that began before the event `closing` is under way any more; `last` is the newest journal that can count in the
-- period. By the event and not by the name: a period that was reopened and closed anew has another wait ahead of it.
CREATE FUNCTION complete_period(closing bigint, last bigint, closing_actor text, recorded timestamptz)
RETURNS boolean  -- whether that closing stands, completed by us or by somebody else; false: it was reopened
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    begun period_event;
    after text;
BEGIN
    PERFORM FROM books FOR UPDATE;
    SELECT * INTO STRICT begun FROM period_event WHERE id = closing;
    SELECT event INTO after FROM period_event WHERE period = begun.period AND id > closing ORDER BY id LIMIT 1;
    IF after IS NULL THEN
        INSERT INTO period_event (event, period, closed_from, closed_until, journal_id, actor, at)
        VALUES ('closed', begun.period, begun.closed_from, begun.closed_until, last, closing_actor, recorded);
        RETURN true;
    END IF;
    RETURN after = 'closed'
        AND NOT EXISTS (SELECT FROM period_event WHERE period = begun.period AND id > closing AND event = 'reopened');
END
$$;

-- The last closing can be taken back, and then the one before it.
CREATE FUNCTION reopen_period(
    reopened_period text, proposer text, approver text, why text, recorded timestamptz)
RETURNS boolean  -- false: it is not the last that was closed
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    until timestamptz;
    latest period_event;
BEGIN
    SELECT closed_until INTO STRICT until FROM books FOR UPDATE;
    SELECT * INTO latest FROM period_event WHERE closed_until = until AND event = 'closing' ORDER BY id DESC LIMIT 1;
    IF latest.period IS DISTINCT FROM reopened_period THEN
        RETURN false;
    END IF;
    UPDATE books SET closed_until = latest.closed_from;
    INSERT INTO period_event (event, period, closed_from, closed_until, actor, approved_by, reason, at)
    VALUES ('reopened', reopened_period, latest.closed_from, until, proposer, approver, why, recorded);
    RETURN true;
END
$$;

-- An account ahead of its first journal; the same account again is the same.
CREATE FUNCTION open_account(
    wanted_code text, wanted_kind text, wanted_currency text, floor bigint, ceiling bigint, wanted_hot boolean,
    recorded timestamptz)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    opened account;
BEGIN
    INSERT INTO account (code, family, kind, currency, debit_sign, hot, min_balance, max_balance, opened_at)
    VALUES (wanted_code, family_of(wanted_code), wanted_kind, wanted_currency, sign_of(wanted_kind), wanted_hot,
            floor, ceiling, recorded)
    ON CONFLICT (code) DO NOTHING;
    SELECT * INTO STRICT opened FROM account WHERE code = wanted_code;
    IF (opened.kind, opened.currency, opened.hot, opened.min_balance, opened.max_balance)
       IS DISTINCT FROM (wanted_kind, wanted_currency, wanted_hot, floor, ceiling) THEN
        RAISE EXCEPTION 'an account has another kind, currency or limit' USING ERRCODE = 'LE003';
    END IF;
    RETURN opened.id;
END
$$;
REVOKE ALL ON FUNCTION close_period, complete_period, reopen_period, open_account FROM PUBLIC;
