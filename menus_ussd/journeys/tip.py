"""A tip for the driver, after the meal."""

from core.money import format_xaf
from marketplace.ordering import tipping
from marketplace.ordering.queries import Order
from marketplace.wallets import service as wallets
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.payer import payer
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.questions import Option


async def tip(call: Call, order: Order) -> End:
    """How much, and how it is paid."""
    amounts = [Option(format_xaf(amount), amount) for amount in call.database.settings.tips_xaf]
    amount_xaf = await call.choose("tip.amount", amounts, of=int, number=order.number)
    pay_with = await _pay_with(call, order, amount_xaf)
    phone = None
    if pay_with == "wallet":
        await enter_pin(call)
    else:
        phone = await payer(call)
    await within(call, "payments")
    given = {"order_id": order.id, "person_id": call.person_id, "amount_xaf": amount_xaf, "pay_with": pay_with}
    made = await call.once(
        "tip.give", tipping.give, told=told.TIP, payer_phone=phone, session_id=call.session_ref, **given
    )
    return End("ussd.tip.given" if pay_with == "wallet" else "ussd.tip.sent", {"amount": format_xaf(made.amount_xaf)})


async def _pay_with(call: Call, order: Order, amount_xaf: int) -> str:
    """The wallet is offered when it holds enough."""
    balance = await call.look("tip.balance", wallets.balance, person_id=call.person_id)
    options = [Option(call.say("ussd.option.mobile_money"), "mobile_money", digit="1")]
    if balance >= amount_xaf:
        options.append(Option(call.say("ussd.option.wallet", balance=format_xaf(balance)), "wallet", digit="2"))
    pay_with: str = await call.confirm("tip.confirm", options, number=order.number, amount=format_xaf(amount_xaf))
    return pay_with
