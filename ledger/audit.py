"""What would be wrong in the books if the constraints, the triggers or a superuser had failed us.

Each check is one statement, so it sees one instant of a ledger that is being written, and it trusts none of
the constraints that make its finding impossible.
"""

from sqlalchemy import text

from core.database import Tx
from ledger import chart

# Of one kind; a damaged ledger should not fill the screen.
_MOST = 100

_LEGS = """
SELECT journal_id AS id, min(kind) AS kind, count(*) AS found, max(leg) AS last FROM posting
GROUP BY journal_id HAVING (min(leg), max(leg), count(key)) <> (1, count(*), 1) ORDER BY journal_id
"""

_ACCOUNTS = """
SELECT journal_id, leg, debited.currency AS debit, credited.currency AS credit
FROM posting
LEFT JOIN account debited ON debited.id = debit_account
LEFT JOIN account credited ON credited.id = credit_account
WHERE debited.currency IS DISTINCT FROM credited.currency OR debited.id IS NULL OR credited.id IS NULL
ORDER BY journal_id, leg
"""

_KIND = """
SELECT code, kind, family, debit_sign FROM account
WHERE debit_sign IS DISTINCT FROM sign_of(kind) OR family <> family_of(code)
   OR hot <> (min_balance IS NULL AND max_balance IS NULL) ORDER BY code
"""

_UNBALANCED = """
SELECT currency, sum(balance * debit_sign) AS difference FROM account_balance
GROUP BY currency HAVING sum(balance * debit_sign) <> 0 ORDER BY currency
"""

_BALANCE = """
SELECT code, now.balance, coalesce(debit_sign * sum, 0) AS sum
FROM account_balance AS now
LEFT JOIN (SELECT account_id, sum(debit - credit) FROM entry GROUP BY account_id) AS entries ON account_id = now.id
WHERE now.balance <> coalesce(debit_sign * sum, 0) ORDER BY code
"""

_SEQUENCE = """
SELECT code, version, count(seq) AS postings, count(DISTINCT seq) AS numbers, coalesce(max(seq), 0) AS last
FROM account LEFT JOIN entry ON account_id = account.id
WHERE NOT hot GROUP BY account.id
HAVING (count(account_id), count(seq), count(DISTINCT seq), coalesce(min(seq), 1), coalesce(max(seq), 0))
    <> (version, version, version, 1, version)
ORDER BY code
"""

_RUNNING = """
SELECT code, seq, balance, expected
FROM (SELECT code, seq, entry.balance,
             lag(entry.balance, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY seq)
             + debit_sign * (debit - credit) AS expected
      FROM entry JOIN account ON account.id = account_id WHERE NOT hot) AS steps
WHERE balance IS DISTINCT FROM expected ORDER BY code, seq
"""

_LIMITS = """
SELECT code, balance, held, min_balance, max_balance FROM account
WHERE balance - held < min_balance OR balance > max_balance ORDER BY code
"""

_HELD = """
SELECT code, held, coalesce(sum, 0) AS sum
FROM account LEFT JOIN (SELECT account_id, sum(amount) FROM hold WHERE state = 'open' GROUP BY account_id) AS holds
ON account_id = account.id WHERE held <> coalesce(sum, 0) ORDER BY code
"""

_CAPTURED = """
SELECT hold.id, captured, coalesce(sum(amount_posted), 0) AS posted FROM hold
LEFT JOIN (SELECT journal_id, debit_account, amount AS amount_posted FROM posting) AS taken
    ON taken.journal_id = hold.journal_id AND debit_account = account_id
WHERE state = 'captured' GROUP BY hold.id HAVING captured <> coalesce(sum(amount_posted), 0) ORDER BY hold.id
"""

# The same legs the other way round, last first.
_REVERSED = """
SELECT back.journal_id AS id, back.reverses FROM (
    SELECT journal_id, max(reverses) AS reverses,
           array_agg((debit_account, credit_account, amount) ORDER BY leg) AS legs
    FROM posting WHERE journal_id IN (SELECT journal_id FROM posting WHERE reverses IS NOT NULL) GROUP BY journal_id
) AS back
WHERE legs IS DISTINCT FROM (
    SELECT array_agg((credit_account, debit_account, amount) ORDER BY leg DESC) FROM posting
    WHERE journal_id = back.reverses)
ORDER BY back.journal_id
"""

# A mark counts every posting of its account up to its journal.
_MARKS = """
SELECT code, mark.journal_id, mark.balance, mark.seq, coalesce(sum, 0) AS sum, coalesce(entries, 0) AS entries
FROM (SELECT DISTINCT ON (account_id) * FROM balance_mark ORDER BY account_id, journal_id DESC) AS mark
JOIN account ON account.id = account_id
CROSS JOIN LATERAL (
    SELECT sum(debit_sign * (debit - credit)), count(*) AS entries
    FROM entry WHERE entry.account_id = account.id AND entry.journal_id <= mark.journal_id) AS counted
WHERE (mark.balance, mark.seq) <> (coalesce(sum, 0), entries) OR (mark.balance, mark.seq) <> (account.balance, version)
ORDER BY code
"""

_TURNOVER = """
SELECT family, currency, day, coalesce(kept.debit, 0) AS debit, coalesce(counted.debit, 0) AS expected
FROM turnover AS kept FULL JOIN (
    SELECT family, account.currency, (effective_at AT TIME ZONE 'Africa/Douala')::date AS day,
           sum(debit) AS debit, sum(credit) AS credit
    FROM entry JOIN account ON account.id = account_id WHERE journal_id <= (SELECT marked_to FROM books)
    GROUP BY 1, 2, 3) AS counted USING (family, currency, day)
WHERE (kept.debit, kept.credit) IS DISTINCT FROM (counted.debit, counted.credit) ORDER BY family, currency, day
"""

_CHECKS = (
    (_LEGS, "journal {id} ({kind}) has {found} legs, numbered up to {last}"),
    (_ACCOUNTS, "journal {journal_id}, leg {leg} is between accounts in {debit} and {credit}"),
    (_KIND, "account {code} is {kind} of family {family} with sign {debit_sign}: that cannot be"),
    (_UNBALANCED, "the books in {currency} are off by {difference}"),
    (_BALANCE, "account {code} holds {balance}, its postings sum to {sum}"),
    (
        _SEQUENCE,
        "account {code} should have postings 1 to {version}, has {postings} with {numbers} numbers up to {last}",
    ),
    (_RUNNING, "account {code}: posting {seq} leaves {balance}, should leave {expected}"),
    (_LIMITS, "account {code} holds {balance} of which {held} are held, outside {min_balance} to {max_balance}"),
    (_HELD, "account {code} has {held} held, its open holds sum to {sum}"),
    (_CAPTURED, "hold {id} says that {captured} were captured, its journal took {posted}"),
    (_REVERSED, "journal {id} says that it reverses {reverses}, and does not"),
    (_MARKS, "account {code}: the mark at journal {journal_id} says {balance}, its postings sum to {sum}"),
    (_TURNOVER, "the turnover of {family} on {day} is kept as {debit}, its postings sum to {expected}"),
)


# Accounts that are alike, and one of them.
_ALIKE = text("""
SELECT min(code) AS code, kind, currency, min_balance, max_balance, count(*) AS accounts FROM account
GROUP BY family, kind, currency, min_balance, max_balance ORDER BY 1
""")


async def audit(tx: Tx) -> list[str]:
    """One sentence for each thing that is wrong with the books; empty when they are sound."""
    found = [
        sentence.format(**row._mapping)
        for check, sentence in _CHECKS
        for row in await tx.all(text(f"{check} LIMIT {_MOST}"))
    ]
    return [*found, *await _beside_the_chart(tx)]


async def _beside_the_chart(tx: Tx) -> list[str]:
    """Limits are set when an account is opened, and kept: one that has others was changed, or the chart was."""
    found = []
    for row in await tx.all(_ALIKE):
        account = chart.named(row.code)
        is_there = (row.kind, row.currency, row.min_balance, row.max_balance)
        if account and is_there != (account.kind, account.currency, account.floor, account.ceiling):
            found.append(
                f"account {row.code}, one of {row.accounts} alike, is {row.kind} in {row.currency} from "
                f"{row.min_balance} to {row.max_balance}; the chart says {account.kind} in {account.currency} from "
                f"{account.floor} to {account.ceiling}"
            )
    return found
