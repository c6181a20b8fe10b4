CREATE TEMPORARY TABLE numbered ON COMMIT DROP AS
SELECT account_id, journal_id, leg, row_number() OVER per_account AS seq,
       sum(debit_sign * (debit - credit)) OVER per_account AS balance
FROM entry JOIN account ON account.id = account_id
WINDOW per_account AS (PARTITION BY account_id ORDER BY journal_id, leg);

CREATE TABLE old_journal AS
SELECT id, key, request_hash, kind, effective_at, recorded_at, metadata FROM journal;
CREATE TABLE old_posting AS
SELECT posting.journal_id, posting.leg, debited.currency, amount,
       debit_account, d.seq AS debit_seq, d.balance AS debit_balance,
       credit_account, c.seq AS credit_seq, c.balance AS credit_balance
FROM posting
JOIN account AS debited ON debited.id = debit_account
JOIN numbered AS d ON (d.account_id, d.journal_id, d.leg) = (debit_account, posting.journal_id, posting.leg)
JOIN numbered AS c ON (c.account_id, c.journal_id, c.leg) = (credit_account, posting.journal_id, posting.leg);
CREATE TABLE old_account AS
SELECT id, code, kind, currency, min_balance, opened_at, coalesce(last.balance, 0) AS balance, coalesce(last.seq, 0) AS version
FROM account LEFT JOIN LATERAL (
    SELECT balance, seq FROM numbered WHERE account_id = account.id ORDER BY seq DESC LIMIT 1
) AS last ON true;

DROP FUNCTION post_leg, belonging_to, post_journals, judge_journals, locked_accounts, open_hold, end_hold, capture_hold, mark_balances,
              close_period, complete_period, reopen_period, open_account;
DROP FUNCTION entries_before, entries_up_to, entries_since_marks, entries_of;
DROP VIEW account_family, account_balance, entry, journal;
DROP TABLE posting, hold, balance_mark, turnover, period_event, books, account, provider_balance;
DROP FUNCTION add_seal;
DROP TABLE seal;
DROP SEQUENCE journal_id;
DROP FUNCTION refuse_change, family_of, sign_of;
