"""How long money has lain in suspense: an alarm for what nobody has dealt with."""

from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import text

from core.database import Tx

# What came in first is taken to have gone out first; `since` is when the oldest of the rest came.
_AGES = text("""
WITH entries AS (
    SELECT code, recorded_at, debit, credit,
           sum(debit) OVER so_far AS debits, sum(credit) OVER so_far AS credits,
           sum(debit) OVER (PARTITION BY code) AS all_debits, sum(credit) OVER (PARTITION BY code) AS all_credits
    FROM entry JOIN account ON account.id = account_id WHERE code LIKE 'suspense:%'
    WINDOW so_far AS (PARTITION BY code ORDER BY journal_id, leg)
)
SELECT code, (all_credits - all_debits)::bigint AS balance, min(recorded_at) FILTER (
    WHERE CASE WHEN all_credits > all_debits THEN credit > 0 AND credits > all_debits
               ELSE debit > 0 AND debits > all_credits END) AS since
FROM entries WHERE all_credits <> all_debits GROUP BY code, all_credits, all_debits ORDER BY code
""")


class Aged(Struct, frozen=True):
    """A suspense account that is not empty; a negative balance is owed to it."""

    code: str
    balance_xaf: int
    since: datetime
    alarm: bool


async def suspense(tx: Tx) -> list[Aged]:
    """Every suspense account with a balance; `alarm` after `suspense_alarm_days`."""
    patient_since = tx.now - timedelta(days=tx.settings.suspense_alarm_days)
    return [Aged(row.code, row.balance, row.since, row.since <= patient_since) for row in await tx.all(_AGES)]
