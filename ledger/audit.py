"""What would be wrong in the books if the constraints, the triggers or a superuser had failed us.

Each check is one statement, so it sees one instant of a ledger that is being written, and it trusts none of
the constraints that make its finding impossible.
"""

from sqlalchemy import text

from core.database import Tx

# Of one kind; a damaged ledger should not fill the screen.
_MOST = 100

_EMPTY_JOURNAL = """
SELECT id, kind FROM journal WHERE NOT EXISTS (SELECT FROM posting WHERE journal_id = journal.id) ORDER BY id
"""

_TWO_CURRENCIES = """
SELECT posting.id, debited.currency AS debit, credited.currency AS credit, posting.currency
FROM posting JOIN account debited ON debited.id = debit_account JOIN account credited ON credited.id = credit_account
WHERE debited.currency <> posting.currency OR credited.currency <> posting.currency ORDER BY posting.id
"""

_UNBALANCED = """
SELECT currency, sum(balance * debit_sign) AS difference FROM account
GROUP BY currency HAVING sum(balance * debit_sign) <> 0 ORDER BY currency
"""

_BALANCE = """
SELECT code, account.balance, coalesce(sum(debit_sign * (debit - credit)), 0) AS sum
FROM account LEFT JOIN entry ON account_id = account.id
GROUP BY account.id HAVING account.balance <> coalesce(sum(debit_sign * (debit - credit)), 0) ORDER BY code
"""

_SEQUENCE = """
SELECT code, version, count(seq) AS postings, count(DISTINCT seq) AS numbers,
       coalesce(max(seq), 0) AS last
FROM account LEFT JOIN entry ON account_id = account.id
GROUP BY account.id
HAVING (count(seq), count(DISTINCT seq), coalesce(min(seq), 1), coalesce(max(seq), 0)) <> (version, version, 1, version)
ORDER BY code
"""

_RUNNING = """
SELECT code, seq, balance, expected
FROM (SELECT code, seq, entry.balance,
             lag(entry.balance, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY seq)
             + debit_sign * (debit - credit) AS expected
      FROM entry JOIN account ON account.id = account_id) AS steps
WHERE balance <> expected ORDER BY code, seq
"""

_FLOOR = "SELECT code, balance, min_balance FROM account WHERE balance < min_balance ORDER BY code"

_CHECKS = (
    (_EMPTY_JOURNAL, "journal {id} ({kind}) has no posting"),
    (_TWO_CURRENCIES, "posting {id} is in {currency} between accounts in {debit} and {credit}"),
    (_UNBALANCED, "the books in {currency} are off by {difference}"),
    (_BALANCE, "account {code} holds {balance}, its postings sum to {sum}"),
    (
        _SEQUENCE,
        "account {code} should have postings 1 to {version}, has {postings} with {numbers} numbers up to {last}",
    ),
    (_RUNNING, "account {code}: posting {seq} leaves {balance}, should leave {expected}"),
    (_FLOOR, "account {code} holds {balance}, below its floor of {min_balance}"),
)


async def audit(tx: Tx) -> list[str]:
    """One sentence for each thing that is wrong with the books; empty when they are sound."""
    return [
        sentence.format(**row._mapping)
        for check, sentence in _CHECKS
        for row in await tx.all(text(f"{check} LIMIT {_MOST}"))
    ]
