"""Offers that count now, one's own code for friends, and the code of the friend who told."""

from collections.abc import Sequence

from core.gsm import fold, shorten
from core.money import format_xaf
from marketplace.promotions import queries as coupons
from marketplace.promotions.queries import Offer
from marketplace.referrals import service as referrals
from marketplace.referrals.codes import serial_of
from marketplace.referrals.errors import UnknownReferralCode
from menus_ussd.call import Call, End
from menus_ussd.questions import Option

LONGEST_CODE = 10  # digits; ours will never have so many
NAME_SEPTETS = 20  # of a restaurant, on a line with what its offer is worth


async def promotions(call: Call) -> End:
    """The code to give away, what it has brought, the place to enter another's, and what is offered."""
    mine = await call.draft("referral.mine", referrals.standing, person_id=call.person_id)
    may_enter = await call.look("referral.may_enter", referrals.may_enter, person_id=call.person_id)
    offers = await call.look("promotions.counting", coupons.offers, person_id=call.person_id)
    actions = (["enter_code"] if may_enter else []) + (["offers"] if offers else [])
    options = [Option(call.say(f"ussd.option.{action}"), action) for action in actions]
    facts = {"code": mine.code, "credit": format_xaf(mine.credit_xaf)}
    action = await call.choose("promotions", options, count=mine.credited_this_month, pending=mine.pending, **facts)
    return await (_enter(call) if action == "enter_code" else _show(call, offers))


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


async def _show(call: Call, offers: Sequence[Offer]) -> End:
    """A line each, by the number that the confirmation asks for."""
    await call.choose("promotions.offers", [], lines="\n".join(_line(call, offer) for offer in offers))
    raise AssertionError("a page without options has no answer")


def _line(call: Call, offer: Offer) -> str:
    """`2024: -10%, Chez Mama, dès 3000F`"""
    parts = [f"{offer.number}: -{offer.percent}%" if offer.percent else f"{offer.number}: -{offer.amount_xaf}F"]
    if offer.restaurant_name:
        parts.append(shorten(fold(offer.restaurant_name), NAME_SEPTETS))
    if offer.min_items_xaf:
        parts.append(call.say("ussd.promotions.from", least=format_xaf(offer.min_items_xaf)))
    return ", ".join(parts)
