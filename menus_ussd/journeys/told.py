"""What an SMS tells of an effect that its turn could not wait for: only of what its caller must not be in doubt about.

Without a text for success, the effect writes an SMS of its own.
"""

from marketplace.notifications.promises import Told

ORDER_SENT = Told("sms.late.order_failed", "sms.late.order_sent", ("number", "total_xaf"))
ORDER_PAID = Told("sms.late.order_failed", "sms.late.order_paid", ("number", "total_xaf"))
PAID_AGAIN = Told("sms.late.pay_again_failed", "sms.late.order_sent", ("number", "total_xaf"))
CANCELLED = Told("sms.late.cancel_failed")
RECEIVED = Told("sms.late.received_failed")
TOP_UP = Told("sms.late.top_up_failed", "sms.late.top_up", ("amount_xaf",))
TIP = Told("sms.late.tip_failed")
PAYOUT = Told("sms.late.payout_failed")
WITHDRAWAL = Told("sms.late.withdrawal_failed")
