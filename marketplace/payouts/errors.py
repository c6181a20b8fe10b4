"""Why nothing is paid out, as facts that the payee or finance can be told."""

from core.errors import Conflict, Forbidden


class PayoutTooSmall(Conflict):
    """Less than `minimum_xaf`: of what was asked for, or of what there is."""

    text_key = "error.payout_too_small"


class PayoutLimit(Conflict):
    """More than `left_xaf`, which is what may still be sent today without two finance users (D27)."""

    text_key = "error.payout_limit"


class PayoutRunning(Conflict):
    """A payout of this same amount is still on its way."""

    text_key = "error.payout_running"


class WithdrawalsClosed(Forbidden):
    """Wallet money is store credit here: it buys meals (D13)."""

    text_key = "error.withdrawals_closed"


class NotWithdrawable(Conflict):
    """Only what came in from this very number goes back to it: `left_xaf` (D13)."""

    text_key = "error.not_withdrawable"
