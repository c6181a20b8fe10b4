CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting EXECUTE FUNCTION refuse_change();
CREATE TRIGGER permanent BEFORE DELETE OR TRUNCATE ON account EXECUTE FUNCTION refuse_change();
CREATE TRIGGER identity BEFORE UPDATE OF id, code, family, kind, currency, debit_sign, hot, opened_at ON account
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER permanent BEFORE DELETE OR TRUNCATE ON hold EXECUTE FUNCTION refuse_change();
CREATE TRIGGER identity BEFORE UPDATE OF id, key, request_hash, kind, account_id, amount, opened_at, expires_at ON hold
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON balance_mark EXECUTE FUNCTION refuse_change();
CREATE TRIGGER permanent BEFORE DELETE OR TRUNCATE ON turnover EXECUTE FUNCTION refuse_change();
CREATE TRIGGER permanent BEFORE INSERT OR DELETE OR TRUNCATE ON books EXECUTE FUNCTION refuse_change();
