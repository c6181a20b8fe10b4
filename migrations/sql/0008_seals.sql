-- Seals make a change by somebody whom no right holds back (a superuser, or whoever has the files) show afterwards. Each
-- covers the journals above `first_after` up to `last_journal`, once nothing can appear there any more: the root of a
-- Merkle tree over them, and a head that goes on from the head before. Whoever keeps one head, outside the database,
-- holds everything below it fast. `leaves` is only there to name what was changed: for each journal, in order, its
-- number in eight bytes and its hash in 32.
CREATE TABLE seal (
    number bigint NOT NULL,
    first_after bigint NOT NULL,
    last_journal bigint NOT NULL,
    journals bigint NOT NULL,
    leaves bytea NOT NULL,
    root bytea NOT NULL,
    head bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT pk_seal PRIMARY KEY (number),
    CONSTRAINT uq_seal_last_journal UNIQUE (last_journal),
    CONSTRAINT ck_seal_range CHECK (first_after < last_journal AND journals > 0 AND octet_length(leaves) = 40 * journals)
);
ALTER TABLE seal ALTER COLUMN leaves SET STORAGE EXTERNAL;  -- hashes cannot be compressed
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal EXECUTE FUNCTION refuse_change();

-- The next seal. It goes on where the last one ended and has seen as many journals as there are; whether nothing more
-- can appear among them is for the caller to know (ledger/marks.py). `ledger.seals.head_of` is the same sum in Python.
CREATE FUNCTION add_seal(after bigint, up_to bigint, seen bytea, seen_root bytea, recorded timestamptz)
RETURNS bytea  -- the head
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    last seal;
    counted bigint;
    next_head bytea;
BEGIN
    SELECT * INTO last FROM seal ORDER BY number DESC LIMIT 1;
    SELECT count(*) INTO counted FROM posting WHERE leg = 1 AND journal_id > after AND journal_id <= up_to;
    IF after <> coalesce(last.last_journal, 0) OR up_to > (SELECT last_value FROM journal_id)
       OR octet_length(seen) <> 40 * counted OR octet_length(seen_root) <> 32 THEN
        RAISE EXCEPTION 'a seal must go on from the last one and cover every journal' USING ERRCODE = 'LE011';
    END IF;
    next_head := sha256('\x02'::bytea || coalesce(last.head, sha256('')) || int8send(coalesce(last.number, 0) + 1)
        || int8send(after) || int8send(up_to) || int8send(counted) || seen_root
        || int8send((extract(epoch FROM recorded) * 1000000)::bigint));
    INSERT INTO seal (number, first_after, last_journal, journals, leaves, root, head, sealed_at)
    VALUES (coalesce(last.number, 0) + 1, after, up_to, counted, seen, seen_root, next_head, recorded);
    RETURN next_head;
END
$$;
REVOKE ALL ON FUNCTION add_seal FROM PUBLIC;
