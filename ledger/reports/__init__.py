"""What finance reads from the books: declared here, asked for by `asking`, made and written by `ledger.reporting`.

    async with snapshot(database) as tx:
        async for _, piece in write(tx, report, read(report, now=tx.now, as_of="2026-10"), form="csv", language="fr"):
            …

Those that need the names of restaurants and drivers are declared in `marketplace.finance`.
"""

from ledger.reporting import Report
from ledger.reports.ageing import SUSPENSE_AGEING
from ledger.reports.balances import BALANCE_SHEET, INCOME_STATEMENT, TRIAL_BALANCE, trial_balance
from ledger.reports.journals import JOURNAL_EXPORT
from ledger.reports.providers import PROVIDER_FEES_REPORT
from ledger.reports.statements import ACCOUNT_STATEMENT, Statement, StatementLine, account_statement

REPORTS: tuple[Report, ...] = (
    TRIAL_BALANCE,
    BALANCE_SHEET,
    INCOME_STATEMENT,
    ACCOUNT_STATEMENT,
    SUSPENSE_AGEING,
    PROVIDER_FEES_REPORT,
    JOURNAL_EXPORT,
)

__all__ = ("REPORTS", "Report", "Statement", "StatementLine", "account_statement", "trial_balance")
