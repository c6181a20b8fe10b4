INSERT INTO account (id, code, kind, currency, balance, min_balance, version, opened_at) OVERRIDING SYSTEM VALUE
SELECT id, code, kind, currency, balance, min_balance, version, opened_at FROM old_account ORDER BY id;
INSERT INTO journal OVERRIDING SYSTEM VALUE SELECT * FROM old_journal ORDER BY id;
INSERT INTO posting (journal_id, currency, amount, debit_account, debit_seq, debit_balance,
                     credit_account, credit_seq, credit_balance)
SELECT journal_id, currency, amount, debit_account, debit_seq, debit_balance, credit_account, credit_seq, credit_balance
FROM old_posting ORDER BY journal_id, leg;
SELECT setval(pg_get_serial_sequence('account', 'id'), max(id)) FROM account HAVING count(*) > 0;
SELECT setval(pg_get_serial_sequence('journal', 'id'), max(id)) FROM journal HAVING count(*) > 0;
DROP TABLE old_account, old_journal, old_posting;
