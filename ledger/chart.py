"""The chart of accounts: every account there can be, what kind it is, whose, in which currency, and its limits.

An account is opened by the first journal that names it, or ahead of it by `ledger.accounts.open`. Reports show a family
as one line. Balances count on the account's normal side: debit for assets and expenses, credit for the rest.
docs/accounts.md tells which event moves what.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Literal
from uuid import UUID

from msgspec import Struct

Kind = Literal["asset", "liability", "income", "expense", "equity"]
Currency = Literal["XAF", "PTS", "USD"]


class Account(Struct, frozen=True):
    """One account. `floor` and `ceiling` limit its balance in minor units, None where there is no limit."""

    code: str
    kind: Kind
    currency: Currency = "XAF"
    floor: int | None = 0
    ceiling: int | None = None

    @property
    def hot(self) -> bool:
        """Whether postings go past its row without waiting: it has no limit that they would have to keep."""
        return self.floor is None and self.ceiling is None


class Family(Struct, frozen=True, dict=True):
    """Accounts of one meaning. What stands in <> is the owner's: an id, or the name of a provider or a carrier.

    `by_hand`: whether finance may post to it by hand. Not where another record says how much must be there.
    """

    pattern: str
    kind: Kind
    currency: Currency = "XAF"
    floor: int | None = 0
    ceiling: int | None = None
    by_hand: bool = True

    def account(self, *owners: object) -> Account:
        """The account of these owners, in the pattern's order."""
        return self.called(_OWNER.sub("{}", self.pattern).format(*owners))

    def called(self, code: str) -> Account:
        """The account of this code, which is one of the family's."""
        return Account(code, self.kind, self.currency, self.floor, self.ceiling)

    @property
    def owned(self) -> bool:
        """Whether there is one for each owner."""
        return "<" in self.pattern

    @cached_property
    def codes(self) -> re.Pattern[str]:
        """What the codes of this family look like."""
        return re.compile(_OWNER.sub(lambda owner: _NAME if owner[1] in _NAMED else _ID, self.pattern), re.ASCII)


_OWNER = re.compile("<([a-z]+)>")
_NAMED = ("provider", "carrier")
_NAME, _ID = "[a-z][a-z0-9_]{0,29}", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# A family without a floor is hot: it takes any number of postings at once, and nobody is refused because of it.
CHART = (
    # what we owe to people
    _WALLET := Family("wallet:<customer>", "liability"),
    _ESCROW := Family("escrow:<order>", "liability", by_hand=False),
    _RESTAURANT := Family("payable:restaurant:<restaurant>", "liability"),
    _DRIVER := Family("payable:driver:<driver>", "liability"),
    _TAX := Family("payable:tax", "liability", floor=None),
    _POINTS := Family("points:<customer>", "liability", "PTS", by_hand=False),
    # money on its way out
    _CLEARING := Family("clearing:payout:<payment>", "liability", by_hand=False),
    _TRANSIT := Family("in_transit:<provider>", "liability", by_hand=False),
    # what we have
    _FLOAT := Family("float:<provider>:<carrier>", "asset", floor=None),
    _SMS_CREDIT := Family("prepaid:sms:<carrier>", "asset", "USD", floor=None),
    # money received that does not belong anywhere yet
    _SURPLUS := Family("suspense:surplus", "liability", floor=None),
    _MISMATCH := Family("suspense:mismatch", "liability", floor=None),
    _UNMATCHED := Family("suspense:unmatched", "liability", floor=None),
    # what we earn and spend
    _COMMISSION := Family("income:commission", "income", floor=None),
    _DELIVERY := Family("income:delivery", "income", floor=None),
    _FEES := Family("expense:provider_fees", "expense", floor=None),
    _ROUNDING := Family("expense:provider_rounding", "expense", floor=None),
    _GOODWILL := Family("expense:goodwill", "expense", floor=None),
    _PROMOTIONS := Family("expense:promotions", "expense", floor=None),
    _LOYALTY := Family("expense:loyalty", "expense", floor=None),
    _ISSUED := Family("expense:points_issued", "expense", "PTS", floor=None, by_hand=False),
    _SMS := Family("expense:sms", "expense", "USD", floor=None),
    # what the owners put in, and what was changed into another currency
    _CAPITAL := Family("equity:capital", "equity", floor=None),
    _CHANGED_XAF := Family("equity:exchange:xaf", "equity", "XAF", floor=None),
    _CHANGED_USD := Family("equity:exchange:usd", "equity", "USD", floor=None),
)


def family(code: str) -> Family | None:
    """The family that an account of this code belongs to, if there can be one."""
    return next((one for one in CHART if one.codes.fullmatch(code)), None)


def named(code: str) -> Account | None:
    """The account of this code, if there can be one."""
    found = family(code)
    return None if found is None else found.called(code)


# ---- what we owe to people: never below zero -------------------------------------------------------------


def wallet(person_id: UUID) -> Account:
    """A customer's money with us: top-ups and refunds in, orders out (D13)."""
    return _WALLET.account(person_id)


def escrow(order_id: UUID) -> Account:
    """What one order's payer has paid and nobody has earned yet (docs/decisions/0002)."""
    return _ESCROW.account(order_id)


def restaurant_payable(restaurant_id: UUID) -> Account:
    """What a restaurant has earned and may ask to be paid out."""
    return _RESTAURANT.account(restaurant_id)


def driver_payable(driver_id: UUID) -> Account:
    """What a driver has earned and may ask to be paid out."""
    return _DRIVER.account(driver_id)


def points(person_id: UUID) -> Account:
    """A customer's loyalty points (D11)."""
    return _POINTS.account(person_id)


TAX_PAYABLE = _TAX.account()  # the tax inside what customers paid, owed to the state (D26)

# ---- money on its way out --------------------------------------------------------------------------------


def payout_clearing(payment_id: UUID) -> Account:
    """One payout or refund from its request until the provider's final word."""
    return _CLEARING.account(payment_id)


def in_transit(provider: str) -> Account:
    """Payouts whose outcome is unknown: neither paid nor returned until the provider has been read."""
    return _TRANSIT.account(provider)


# ---- what we have ----------------------------------------------------------------------------------------


def provider_float(provider: str, carrier: str) -> Account:
    """Our balance at a provider for one carrier. It may differ from theirs until reconciled, so it has no floor."""
    return _FLOAT.account(provider, carrier)


def sms_credit(carrier: str) -> Account:
    """What an SMS carrier still owes us, in cents: it sells in dollars, and before it sends."""
    return _SMS_CREDIT.account(carrier)


# ---- money received that does not belong anywhere yet ----------------------------------------------------

SUSPENSE_SURPLUS = _SURPLUS.account()  # paid late or twice, to be sent back
SUSPENSE_MISMATCH = _MISMATCH.account()  # another amount or payer than asked
SUSPENSE_UNMATCHED = _UNMATCHED.account()  # in the provider's list, not in ours

# ---- what we earn and spend ------------------------------------------------------------------------------

COMMISSION = _COMMISSION.account()  # D7
DELIVERY_INCOME = _DELIVERY.account()  # delivery fee above the driver's pay
PROVIDER_FEES = _FEES.account()  # D10
PROVIDER_ROUNDING = _ROUNDING.account()  # found by reconciliation
GOODWILL = _GOODWILL.account()  # our fault, the customer's refund
PROMOTIONS = _PROMOTIONS.account()  # coupons that the platform pays, and credit for bringing a friend (D12)
LOYALTY = _LOYALTY.account()  # points that became wallet money (D11)
POINTS_ISSUED = _ISSUED.account()  # the other side of every point
SMS_COSTS = _SMS.account()  # texts that were sent

# ---- what the owners put in ------------------------------------------------------------------------------

# Money placed at a provider before anybody has paid, so that payouts need not wait for collections.
OWNERS_CAPITAL = _CAPITAL.account()

# A leg has one currency, so changing money is two legs, each against its side of the exchange. What the two hold
# together, at today's rate, is what changing has won or lost.
EXCHANGE: Mapping[Currency, Account] = {"XAF": _CHANGED_XAF.account(), "USD": _CHANGED_USD.account()}
