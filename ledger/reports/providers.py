"""What the providers of mobile money charged, by the books: beside the float of each carrier."""

from ledger.chart import PROVIDER_FEES
from ledger.rendering import Column
from ledger.reporting import Report, count, money, selected

# A journal with a fee moves one float. In: it debits float and fee. Out: both leave the float. Taken back: the reverse.
_FEES = """
WITH fee AS (
    SELECT journal_id, min(entry.kind) AS event, sum(debit - credit)::bigint AS fee_xaf
    FROM entry WHERE account_id = (SELECT id FROM account WHERE code = :fees)
        AND effective_at >= :since AND effective_at < :until
    GROUP BY journal_id
), moved AS (
    SELECT fee.*, held.family, (SELECT sum(debit - credit) FROM entry
                                WHERE entry.journal_id = fee.journal_id AND account_id = held.id)::bigint AS net_xaf
    FROM fee JOIN LATERAL (
        SELECT account.id, family FROM entry JOIN account ON account.id = account_id
        WHERE entry.journal_id = fee.journal_id AND starts_with(family, 'float:') LIMIT 1) AS held ON true
)
SELECT split_part(family, ':', 2), split_part(family, ':', 3), event, count(*),
       sum(net_xaf + fee_xaf)::bigint, sum(fee_xaf)::bigint
FROM moved GROUP BY family, event ORDER BY family COLLATE "C", event COLLATE "C"
"""

PROVIDER_FEES_REPORT = Report(
    name="provider-fees",
    asks="period",
    columns=(
        Column("provider"),
        Column("carrier"),
        Column("event"),
        count("journals"),
        money("moved_xaf", total=False),  # out is below zero
        money("fee_xaf"),
    ),
    rows=selected(_FEES, fees=PROVIDER_FEES.code),
)
