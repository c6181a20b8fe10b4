"""The wallet: what is in it, what went in and out, filling it, and taking money back where that is allowed."""

from collections.abc import Awaitable, Callable

from core.clock import DOUALA
from core.errors import InvalidAmount
from core.money import format_xaf, parse_xaf
from core.settings import Settings
from marketplace.loyalty import service as loyalty
from marketplace.payouts import withdrawals
from marketplace.wallets import alerts
from marketplace.wallets import service as wallets
from marketplace.wallets.alerts import Alert
from marketplace.wallets.service import Movement
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.payer import payer
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.journeys.points import points
from menus_ussd.questions import Option

DIGITS = {"top_up": "1", "statement": "2", "points": "3", "limits": "4", "alert": "5", "again": "6", "withdraw": "7"}
STATEMENT_LINES = 12
STATEMENT_DAYS = 90
# What people call the journals that move a wallet; whatever is not here is "other".
MOVEMENTS = {
    "collection": "top_up",
    "order_funded": "order",
    "order_refunded": "refund",
    "order_cancelled": "refund",
    "order_released": "gift",
    "points_redeemed": "points",
    "surplus": "surplus",
    "payout_set_aside": "withdrawal",
    "payout_failed": "returned",
}


async def wallet(call: Call) -> End:
    """Balance and points on one page, and what can be done with them."""
    balance = await call.look("wallet.balance", wallets.balance, person_id=call.person_id)
    held = await call.look("wallet.points", loyalty.points, person_id=call.person_id)
    alert = await call.look("wallet.alert", alerts.alert, person_id=call.person_id)
    action = await call.choose("wallet", _actions(call, alert), balance=format_xaf(balance), points=held)
    call.enter(f"wallet.{action}")
    if action == "again":
        assert alert is not None, "it was offered"
        return await _pay_in(call, alert.amount_xaf)
    return await ACTIONS[action](call)


def _actions(call: Call, alert: Alert | None) -> list[Option]:
    """Each with its digit for good, whatever else there is."""
    offered = {name: call.say(f"ussd.option.{name}") for name in ("top_up", "statement", "points", "limits", "alert")}
    if alert:
        offered["again"] = call.say("ussd.option.again", amount=format_xaf(alert.amount_xaf))
    if call.database.settings.wallet_withdrawals:
        offered["withdraw"] = call.say("ussd.option.withdraw")
    return [Option(label, name, digit=DIGITS[name]) for name, label in offered.items()]


async def _top_up(call: Call) -> End:
    return await _pay_in(call, await call.ask("wallet.amount", amount_between(call.database.settings)))


async def _pay_in(call: Call, amount: int) -> End:
    phone = await payer(call)
    await call.confirm("wallet.confirm", [Option(call.say("ussd.option.yes"), True)], amount=format_xaf(amount))
    await within(call, "payments")
    asked = await call.once(
        "wallet.top_up",
        wallets.request_top_up,
        told=told.TOP_UP,
        person_id=call.person_id,
        amount_xaf=amount,
        phone=phone,
        key=f"ussd:{call.session.run_id}:top_up",
        session_id=call.session_ref,
    )
    return End("ussd.wallet.sent", {"amount": format_xaf(asked.amount_xaf)})


async def _statement(call: Call) -> End:
    """The last movements, a line each; 98 goes on to the older ones."""
    asked = {"person_id": call.person_id, "days": STATEMENT_DAYS, "limit": STATEMENT_LINES}
    movements = await call.look("wallet.movements", wallets.statement, **asked)
    if not movements:
        return End("ussd.wallet.no_movements")
    await call.choose("wallet.statement", [], lines="\n".join(_line(call, one) for one in movements))
    raise AssertionError("a page without options has no answer")


def _line(call: Call, movement: Movement) -> str:
    """`21/11 Recharge +2000F`"""
    what = call.say(f"ussd.movement.{MOVEMENTS.get(movement.kind, 'other')}")
    return f"{movement.at.astimezone(DOUALA):%d/%m} {what} {movement.amount_xaf:+d}F"


async def _limits(call: Call) -> End:
    used = await call.look("wallet.used", wallets.limits, person_id=call.person_id)
    reserved = await call.look("wallet.reserved", wallets.reserved, person_id=call.person_id)
    facts = {
        "day": used.day_xaf,
        "day_maximum": format_xaf(used.day_maximum_xaf),
        "month": used.month_xaf,
        "month_maximum": format_xaf(used.month_maximum_xaf),
        "reserved": format_xaf(reserved),
    }
    await call.choose("wallet.limits", [], **facts)
    raise AssertionError("a page without options has no answer")


async def _alert(call: Call) -> End:
    """Whether a low balance is told, and which top-up is offered then."""
    known = await call.look("wallet.alert_known", alerts.alert, person_id=call.person_id)
    below = format_xaf(call.database.settings.low_balance_xaf)
    if known:
        amount = format_xaf(known.amount_xaf)
        await call.choose(
            "wallet.alert_off", [Option(call.say("ussd.option.alert_off"), "off")], below=below, amount=amount
        )
        await call.once("wallet.alert_gone", alerts.turn_off, person_id=call.person_id)
        return End("ussd.wallet.alert_gone")
    amount_xaf = await call.ask("wallet.alert_amount", amount_between(call.database.settings), below=below)
    await call.once("wallet.alert_set", alerts.turn_on, person_id=call.person_id, amount_xaf=amount_xaf)
    return End("ussd.wallet.alert_set", {"below": below, "amount": format_xaf(amount_xaf)})


async def _withdraw(call: Call) -> End:
    """To the caller's own number, as much as came from it; the PIN last."""
    own = await call.look("wallet.withdrawable", withdrawals.withdrawable, person_id=call.person_id)
    if not own:
        return End("ussd.wallet.nothing_to_withdraw")
    amount = await call.ask("wallet.withdraw_amount", amount_between(call.database.settings), own=format_xaf(own))
    yes = [Option(call.say("ussd.option.yes"), True)]
    await call.confirm("wallet.withdraw_confirm", yes, amount=format_xaf(amount))
    await enter_pin(call)
    await within(call, "payments")
    sent = await call.once(
        "wallet.withdraw",
        withdrawals.withdraw,
        told=told.WITHDRAWAL,
        person_id=call.person_id,
        amount_xaf=amount,
        key=f"ussd:{call.session.run_id}:withdraw",
    )
    return End("ussd.wallet.withdrawn", {"amount": format_xaf(sent.amount_xaf)})


ACTIONS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "top_up": _top_up,
    "statement": _statement,
    "points": points,
    "limits": _limits,
    "alert": _alert,
    "withdraw": _withdraw,
}


def amount_between(settings: Settings) -> Callable[[str], int]:
    """Reads an amount inside the limits of one mobile-money operation."""

    def parse(typed: str) -> int:
        amount_xaf = parse_xaf(typed)
        if not settings.attempt_minimum_xaf <= amount_xaf <= settings.attempt_maximum_xaf:
            raise InvalidAmount()
        return amount_xaf

    return parse
