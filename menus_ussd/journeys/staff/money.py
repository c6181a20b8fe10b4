"""What a restaurant or a driver has earned, and having it sent: the same pages for both."""

from typing import Any, Literal
from uuid import UUID

from core.database import Tx
from core.errors import InvalidAmount
from core.money import format_xaf, parse_xaf
from ledger.service import balance
from marketplace.payouts import service as payouts
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.questions import Option

Earner = Literal["restaurant", "driver"]


async def payout(call: Call, owner: Earner, owner_id: UUID, **earned: str | int) -> End:
    """What is owed beside what was `earned`, and all or a part of it to the caller's own number, after the PIN."""
    call.enter("staff.money")
    whose: dict[str, Any] = {"owner": owner, "owner_id": owner_id}
    owed_xaf = await call.look("staff.owed", _owed, **whose)
    sendable_xaf = await call.look("staff.sendable", payouts.sendable, payee_id=call.person_id, **whose)
    amount_xaf = await _amount(call, f"staff.money_of_{owner}", sendable_xaf, owed=format_xaf(owed_xaf), **earned)
    yes = [Option(call.say("ussd.option.yes"), True)]
    await call.confirm("staff.payout", yes, amount=format_xaf(amount_xaf))
    await enter_pin(call)
    await within(call, "payments")
    key = f"ussd:{call.session.run_id}:payout"
    asked = {"phone": call.phone, "amount_xaf": amount_xaf, "key": key}
    sent_xaf = await call.once("staff.paid_out", _request, told=told.PAYOUT, **asked, **whose)
    return End("ussd.staff.payout_now", {"amount": format_xaf(sent_xaf)})


async def _owed(tx: Tx, *, owner: Earner, owner_id: UUID) -> int:
    return await balance(tx, payouts.payable(owner, owner_id))


async def _request(tx: Tx, **wanted: Any) -> int:
    """What is sent, in francs: all that a session needs to remember of a payout."""
    return (await payouts.request(tx, **wanted)).amount_xaf


async def _amount(call: Call, page: str, sendable_xaf: int, **facts: str | int) -> int:
    """All that may go today, or as much of it as is typed. Below the least payout there is nothing to choose."""
    options = [
        Option(call.say("ussd.staff.option.send_all", amount=format_xaf(sendable_xaf)), "all"),
        Option(call.say("ussd.staff.option.send_some"), "some"),
    ]
    least_xaf = call.database.settings.payout_minimum_xaf
    enough = sendable_xaf >= least_xaf
    if await call.choose(page, options if enough else [], **facts) == "all":
        return sendable_xaf

    def read(typed: str) -> int:
        amount_xaf = parse_xaf(typed)
        if not least_xaf <= amount_xaf <= sendable_xaf:
            raise InvalidAmount()
        return amount_xaf

    amount_xaf: int = await call.ask("staff.amount", read, most=format_xaf(sendable_xaf))
    return amount_xaf
