-- A journal's own facts stand on its first leg: one row for most journals, and one write fewer for each.
CREATE VIEW journal AS
SELECT journal_id AS id, key, request_hash, kind, effective_at, recorded_at, actor, reverses,
       coalesce(metadata, '{}') AS metadata
FROM posting WHERE leg = 1;

-- A posting seen from each of its two accounts: what statements and audits read.
CREATE VIEW entry AS
SELECT debit_account AS account_id, debit_seq AS seq, amount AS debit, 0::bigint AS credit, debit_balance AS balance,
       credit_account AS other_account, journal_id, leg, kind, effective_at, recorded_at
FROM posting
UNION ALL
SELECT credit_account, credit_seq, 0, amount, credit_balance, debit_account, journal_id, leg, kind, effective_at, recorded_at
FROM posting;

-- Every account with the balance it has now: of a hot one the last mark, and what came since.
CREATE VIEW account_balance AS
SELECT id, code, family, kind, currency, debit_sign, hot, opened_at, held,
       CASE WHEN hot THEN balance + debit_sign * (
           (SELECT coalesce(sum(amount), 0) FROM posting
            WHERE debit_account = account.id AND debit_seq IS NULL AND journal_id > (SELECT marked_to FROM books))
           - (SELECT coalesce(sum(amount), 0) FROM posting
              WHERE credit_account = account.id AND credit_seq IS NULL AND journal_id > (SELECT marked_to FROM books)))
       ELSE balance END::bigint AS balance
FROM account;
