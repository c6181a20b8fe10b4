"""How old the money is that rests somewhere on its way: for each account, what its balance is made of.

Nobody writes down which entry an entry undoes. So the oldest are taken to leave first, and the balance consists of the
newest entries that sum to it. Spans are days of Douala.
"""

from datetime import datetime

from sqlalchemy import text

from core.clock import business_day
from core.database import Tx
from ledger.rendering import Column, Row
from ledger.reporting import CURRENCY, TICK, Asked, Report, Rows, count, money, stream

# What stands on each account of the families of :families when :until comes: today's balance without what counts later.
STANDING = """
WITH later (account_id, net) AS (
    SELECT account_id, sum(debit - credit) FROM entry WHERE effective_at >= :until GROUP BY account_id
), standing AS (
    SELECT id, code, family, currency, debit_sign, (balance - debit_sign * coalesce(net, 0))::bigint AS balance
    FROM account_balance LEFT JOIN later ON account_id = id
    WHERE family = ANY (SELECT family FROM account_family WHERE family LIKE ANY (CAST(:families AS text[])))
)"""

# The newest entries of an account that sum to its balance; `amount` is what is left of each, signed as the balance.
AGED = (
    STANDING  # noqa: S608 - our own text
    + """, aged AS (
    SELECT code, currency, kind, effective_at, journal_id,
           sum(sign(balance) * least(raised, abs(balance) - (so_far - raised)))::bigint AS amount
    FROM standing CROSS JOIN LATERAL (
        SELECT kind, effective_at, journal_id, raised,
               sum(raised) OVER (ORDER BY effective_at DESC, journal_id DESC, leg DESC) AS so_far
        FROM entries_of(standing.id) CROSS JOIN LATERAL (
            SELECT CASE WHEN standing.balance * debit_sign > 0 THEN debit ELSE credit END AS raised) AS side
        WHERE effective_at < :until AND raised > 0
    ) AS newest
    WHERE balance <> 0 AND so_far - raised < abs(balance)
    GROUP BY code, currency, kind, effective_at, journal_id
)"""
)

# Days up to which money is in each column; the last one takes the rest.
_SPANS = (1, 7, 30)
SPANS = (
    count("days", total=False),
    money("up_to_1_day", blank=True),
    money("up_to_7_days", blank=True),
    money("up_to_30_days", blank=True),
    money("older", blank=True),
    money("amount"),
)


def spread(amount: int, since: datetime, asked: Asked) -> Row:
    """The cells of `SPANS`: how many days old the money is, and its amount in the column of its age."""
    days = (business_day(asked.until - TICK) - business_day(since)).days
    place = sum(days > span for span in _SPANS)
    return days, *(amount if number == place else 0 for number in range(len(_SPANS) + 1)), amount


_OLDEST_FIRST = text(f"{AGED} SELECT * FROM aged ORDER BY effective_at, journal_id, code")  # noqa: S608 - our own


async def _suspense(tx: Tx, asked: Asked) -> Rows:
    wanted = {"families": ["suspense:%", "in\\_transit:%"], "until": asked.until}
    async for code, currency, event, since, journal, amount in stream(tx, _OLDEST_FIRST, wanted):
        yield code, currency, event, journal, since, *spread(amount, since, asked)


# What people must find a home for: money that came without one, and payouts of which nobody knows whether they arrived.
SUSPENSE_AGEING = Report(
    name="suspense-ageing",
    asks="day",
    columns=(
        Column("account"),
        CURRENCY,
        Column("event"),
        Column("journal", number=True),
        Column("resting_since"),
        *SPANS,
    ),
    rows=_suspense,
)
