"""The wallet: what is in it, and filling it from mobile money."""

from collections.abc import Callable

from core.errors import InvalidAmount
from core.money import format_xaf, parse_xaf
from core.settings import Settings
from marketplace.loyalty import service as loyalty
from marketplace.wallets import service as wallets
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.payer import payer
from menus_ussd.questions import Option


async def wallet(call: Call) -> End:
    """Balance and points on one page, and what can be done with them."""
    balance = await call.look("wallet.balance", wallets.balance, person_id=call.person_id)
    points = await call.look("wallet.points", loyalty.points, person_id=call.person_id)
    options = [Option(call.say("ussd.option.top_up"), "top_up")]
    await call.choose("wallet", options, balance=format_xaf(balance), points=points)
    return await _top_up(call)


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


def amount_between(settings: Settings) -> Callable[[str], int]:
    """Reads an amount inside the limits of one mobile-money operation."""

    def parse(typed: str) -> int:
        amount_xaf = parse_xaf(typed)
        if not settings.attempt_minimum_xaf <= amount_xaf <= settings.attempt_maximum_xaf:
            raise InvalidAmount()
        return amount_xaf

    return parse
