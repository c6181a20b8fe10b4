"""One's own code for friends, and the code of the friend who told."""

from core.money import format_xaf
from marketplace.referrals import service as referrals
from marketplace.referrals.codes import serial_of
from marketplace.referrals.errors import UnknownReferralCode
from menus_ussd.call import Call, End
from menus_ussd.questions import Option

LONGEST_CODE = 10  # digits; ours will never have so many


async def promotions(call: Call) -> End:
    """The code to give away, what it has brought, and the place to enter another's."""
    mine = await call.draft("referral.mine", referrals.standing, person_id=call.person_id)
    may_enter = await call.look("referral.may_enter", referrals.may_enter, person_id=call.person_id)
    options = [Option(call.say("ussd.option.enter_code"), "enter")] if may_enter else []
    facts = {"code": mine.code, "credit": format_xaf(mine.credit_xaf)}
    await call.choose("promotions", options, count=mine.credited_this_month, pending=mine.pending, **facts)
    return await _enter(call)


async def _enter(call: Call) -> End:
    code = await call.ask("referral.code", _code)
    entered = await call.once("referral.enter", referrals.enter, person_id=call.person_id, code=code)
    return End("ussd.referral.entered", {"credit": format_xaf(entered.credit_xaf)})


def _code(typed: str) -> int:
    """The digits of a code, however they are grouped. Raises UnknownReferralCode, as for a mistyped digit."""
    digits = typed.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < LONGEST_CODE and serial_of(int(digits))):
        raise UnknownReferralCode()
    return int(digits)
