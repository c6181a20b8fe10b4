"""Every leg of every journal, in the order of recording: for auditors, and for other bookkeeping programs."""

from ledger.rendering import Column
from ledger.rendering.plain import BeancountWriter, HledgerWriter
from ledger.reporting import CURRENCY, Report, money, selected

_LEGS = """
SELECT journal_id, leg, effective_at, recorded_at, posting.kind,
       debited.code, debited.kind, credited.code, credited.kind, debited.currency, amount,
       key, actor, reverses, metadata::text
FROM posting
JOIN account AS debited ON debited.id = debit_account
JOIN account AS credited ON credited.id = credit_account
WHERE effective_at >= :since AND effective_at < :until
ORDER BY journal_id, leg
"""

JOURNAL_EXPORT = Report(
    name="journal-export",
    asks="period",
    columns=(
        Column("journal", number=True),
        Column("leg", number=True),
        Column("effective_at"),
        Column("recorded_at"),
        Column("event"),
        Column("debit_account"),
        Column("debit_kind"),
        Column("credit_account"),
        Column("credit_kind"),
        CURRENCY,
        money("amount"),
        Column("key"),
        Column("actor"),
        Column("reverses", number=True),
        Column("metadata"),
    ),
    rows=selected(_LEGS),
    also={"hledger": HledgerWriter, "beancount": BeancountWriter},
)
