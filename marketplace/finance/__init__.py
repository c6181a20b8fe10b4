"""Every report there is: those of the ledger, and those that need the names of restaurants, drivers and orders."""

from core.errors import NotFound
from ledger import reports
from ledger.reporting import Report
from marketplace.finance.orders import COMMISSION, ESCROW_AGEING, RECEIPT, TAX
from marketplace.finance.people import DRIVER_PAY, PAYOUTS, POINTS_LIABILITY
from payments.balances import PROVIDER_FLOAT

REPORTS: tuple[Report, ...] = (
    *reports.REPORTS,
    ESCROW_AGEING,
    PROVIDER_FLOAT,
    COMMISSION,
    DRIVER_PAY,
    PAYOUTS,
    TAX,
    POINTS_LIABILITY,
    RECEIPT,
)

__all__ = ("REPORTS", "find")


def find(name: str) -> Report:
    """The report of this name. Raises NotFound."""
    report = next((one for one in REPORTS if one.name == name), None)
    if report is None:
        raise NotFound()
    return report
