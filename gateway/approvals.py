"""What two finance users together may have done: each kind of proposal with its deed, in one list (D27)."""

from collections.abc import Sequence

from core.four_eyes import Approvals
from ledger import manual, periods
from marketplace.ordering.outcomes import OUTCOMES
from marketplace.payouts import approved
from marketplace.people import sim_changes
from payments import decisions
from payments.providers.protocol import Provider
from payments.reconciliation import resolving


def make_approvals(providers: Sequence[Provider]) -> Approvals:
    """Every deed. The providers are asked for their rates only."""
    return Approvals(
        {
            decisions.KIND: decisions.Decisions(OUTCOMES, providers).carry_out,
            resolving.KIND: resolving.carry_out,
            approved.KIND: approved.carry_out,
            manual.POSTING: manual.carry_out,
            manual.REVERSAL: manual.carry_out,
            periods.REOPENING: periods.reopen,
            sim_changes.KIND: sim_changes.lift,
        }
    )
