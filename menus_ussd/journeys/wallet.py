"""The wallet: what is in it, what went in and out, filling it, and taking money back where that is allowed."""

from collections.abc import Awaitable, Callable

from core.clock import DOUALA
from core.errors import InvalidAmount
from core.money import format_xaf, parse_xaf
from core.settings import Settings
from marketplace.loyalty import service as loyalty
from marketplace.payouts import withdrawals
from marketplace.wallets import service as wallets
from marketplace.wallets.service import Movement
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.payer import payer
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.journeys.points import points
from menus_ussd.questions import Option

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
    actions = ["top_up", "statement", "points", "limits"]
    if call.database.settings.wallet_withdrawals:
        actions.append("withdraw")
    options = [Option(call.say(f"ussd.option.{action}"), action) for action in actions]
    action = await call.choose("wallet", options, balance=format_xaf(balance), points=held)
    call.enter(f"wallet.{action}")
    return await ACTIONS[action](call)


async def _top_up(call: Call) -> End:
    amount = await call.ask("wallet.amount", amount_between(call.database.settings))
    phone = await payer(call)
    await call.confirm("wallet.confirm", [Option(call.say("ussd.option.yes"), True)], amount=format_xaf(amount))
    await within(call, "payments")
    await call.once(
        "wallet.top_up",
        wallets.request_top_up,
        told=told.TOP_UP,
        person_id=call.person_id,
        amount_xaf=amount,
        phone=phone,
        key=f"ussd:{call.session.run_id}:top_up",
        session_id=call.session_ref,
    )
    return End("ussd.wallet.sent", {"amount": format_xaf(amount)})


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
    used = await call.look("wallet.limits", wallets.limits, person_id=call.person_id)
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
    await call.once(
        "wallet.withdraw",
        withdrawals.withdraw,
        told=told.WITHDRAWAL,
        person_id=call.person_id,
        amount_xaf=amount,
        key=f"ussd:{call.session.run_id}:withdraw",
    )
    return End("ussd.wallet.withdrawn", {"amount": format_xaf(amount)})


ACTIONS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "top_up": _top_up,
    "statement": _statement,
    "points": points,
    "limits": _limits,
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
