"""What becomes of orders, top-ups and payouts when mobile money has spoken (design: payments 23).

`payments` knows only a purpose and a reference; here they are handed to whom they belong. The journal of an
outcome is posted after its handler, in the same transaction.
"""

from collections.abc import Mapping

from core.database import Tx
from core.ids import new_id
from ledger import chart
from ledger.service import Leg, post
from marketplace.notifications.service import notify
from marketplace.ordering import messages, paying_again, tipping
from marketplace.ordering.placing import offer
from marketplace.ordering.transitions import move
from marketplace.payouts import service as payouts
from marketplace.people import service as people
from marketplace.wallets import service as wallets
from payments.outcomes import Handler, Outcomes, Payment
from payments.states import PaymentState


async def _order_paid(tx: Tx, payment: Payment) -> None:
    await offer(tx, order_id=payment.reference, actor="payments")


async def _order_failed(tx: Tx, payment: Payment) -> None:
    reason = payment.failure or "unstated"
    order = await move(tx, order_id=payment.reference, to="PAYMENT_EXPIRED", actor="payments", reason=str(reason))
    again = await paying_again.is_offered(tx, order, payment.failure)
    await messages.unpaid(tx, order, payment.failure, again=again)


async def _order_expired(tx: Tx, payment: Payment) -> None:
    order = await move(tx, order_id=payment.reference, to="PAYMENT_EXPIRED", actor="payments", reason="deadline")
    await messages.payment_expired(tx, order, again=await paying_again.is_offered(tx, order, payment.failure))


async def _surplus(tx: Tx, payment: Payment) -> None:
    """Money that nobody wanted any more and that cannot go back to its phone: into that phone's wallet."""
    person = await people.recognise(tx, phone=payment.phone)
    params = {"amount_xaf": payment.amount_xaf}
    await notify(tx, phone=person.phone, language=person.language, key="sms.surplus_in_wallet", params=params)
    # Payments calls once per surplus, and one collection may have several: each is a journal of its own.
    leg = Leg(chart.SUSPENSE_SURPLUS, chart.wallet(person.id), payment.amount_xaf)
    await post(tx, key=f"surplus:{new_id()}", kind="surplus", legs=[leg], metadata={"payment": str(payment.id)})


async def _surplus_sent_back(tx: Tx, payment: Payment) -> None:
    if payment.state is PaymentState.PAID:
        person = await people.recognise(tx, phone=payment.phone)
        params = {"amount_xaf": payment.amount_xaf}
        await notify(tx, phone=person.phone, language=person.language, key="sms.surplus_sent_back", params=params)


def _by_purpose(handlers: Mapping[str, Handler]) -> Handler:
    async def handle(tx: Tx, payment: Payment) -> None:
        await handlers[payment.purpose](tx, payment)

    return handle


OUTCOMES = Outcomes(
    paid=_by_purpose({"order": _order_paid, "top_up": wallets.paid, "tip": tipping.paid}),
    failed=_by_purpose({"order": _order_failed, "top_up": wallets.failed, "tip": tipping.failed}),
    expired=_by_purpose({"order": _order_expired, "top_up": wallets.expired, "tip": tipping.expired}),
    surplus=_surplus,
    payout_done=_by_purpose({"payout": payouts.done, "surplus": _surplus_sent_back}),
)
