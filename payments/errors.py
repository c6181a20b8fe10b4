"""What can stop a request for money, as facts a caller can be told."""

from core.errors import Conflict, GatewayError, Unavailable


class UnsupportedCarrier(GatewayError):
    """No provider moves money for the carrier of this number."""

    status = 422
    text_key = "error.unsupported_carrier"


class AmountOutOfLimits(GatewayError):
    """Outside `minimum_xaf` … `maximum_xaf` for one operation."""

    status = 422
    text_key = "error.amount_out_of_limits"


class PaymentsPaused(Unavailable):
    """Every provider for this carrier is in maintenance or does not work at the moment; later is worth a try."""

    text_key = "error.payments_paused"


class PaymentBusy(Conflict):
    """A worker holds this payment at this moment; the same request a second later gets its answer."""

    text_key = "error.payment_busy"
    retryable = True


class NotRetryable(Conflict):
    """The payment is paid, under way, or not one that a customer may start again."""

    text_key = "error.payment_not_retryable"


class RefundTooLarge(Conflict):
    """More would go back than was received."""

    text_key = "error.refund_too_large"
