-- What the service may do, said anew after every migration, so that it holds for tables of later ones and in a restored
-- copy that came without rights. `mboa.role` is the service's role and `mboa.login` who connects as it, both of them
-- settings of this transaction (gateway/schema.py).
--
-- The rule: what the triggers guard may only be read, what runs with its owner's rights may be executed, and everything
-- else of the product may be read and written. Nothing may be created, changed in its shape or truncated.
DO $$
DECLARE
    service constant name := current_setting('mboa.role');
    login constant name := coalesce(nullif(current_setting('mboa.login'), ''), current_user);
    -- Before version 16 every member of a role may become it.
    may_become constant text := CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END;
    item record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', service);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Roles belong to the whole server: whoever migrates another database of it was quicker.
        END;
    END IF;
    IF login <> service AND NOT pg_has_role(login, service, may_become) THEN
        EXECUTE format('GRANT %I TO %I', service, login);
    END IF;

    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', service);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM %I', service);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM %I', service);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', service);
    FOR item IN
        SELECT format(
            'GRANT %s ON %s TO %I',
            CASE WHEN relkind = 'v' OR relname = 'alembic_version' OR EXISTS (
                    SELECT FROM pg_trigger WHERE tgrelid = class.oid AND tgfoid = to_regproc('refuse_change'))
                THEN 'SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END,
            class.oid::regclass, service) AS statement
        FROM pg_class AS class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
        UNION ALL
        -- A column that numbers itself needs no right to its sequence; `serial` ones, as the queue has them, do.
        SELECT format(
            'GRANT %s ON SEQUENCE %s TO %I',
            CASE WHEN EXISTS (SELECT FROM pg_depend WHERE objid = class.oid AND deptype = 'a') THEN 'USAGE, ' ELSE '' END
                || 'SELECT',
            class.oid::regclass, service)
        FROM pg_class AS class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
        UNION ALL
        SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', oid::regprocedure, service)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
    LOOP
        EXECUTE item.statement;
    END LOOP;
END
$$;
