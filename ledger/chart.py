"""The chart of accounts: every account there can be, what kind it is, and how low it may go.

An account is opened by the first journal that names it. A code is `family` or `family:owner`; reports show a
family as one line. Balances count on the account's normal side: debit for assets and expenses, credit for the rest.
"""

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


# ---- what we owe to people: never below zero -------------------------------------------------------------


def wallet(person_id: UUID) -> Account:
    """A customer's money with us: top-ups and refunds in, orders out (D13)."""
    return Account(f"wallet:{person_id}", "liability")


def escrow(order_id: UUID) -> Account:
    """What one order's payer has paid and nobody has earned yet (docs/decisions/0002)."""
    return Account(f"escrow:{order_id}", "liability")


def restaurant_payable(restaurant_id: UUID) -> Account:
    """What a restaurant has earned and may ask to be paid out."""
    return Account(f"payable:restaurant:{restaurant_id}", "liability")


def driver_payable(driver_id: UUID) -> Account:
    """What a driver has earned and may ask to be paid out."""
    return Account(f"payable:driver:{driver_id}", "liability")


def points(person_id: UUID) -> Account:
    """A customer's loyalty points (D11)."""
    return Account(f"points:{person_id}", "liability", "PTS")


# The tax inside what customers paid, owed to the state (D26).
TAX_PAYABLE = Account("payable:tax", "liability", floor=None)

# ---- money on its way out --------------------------------------------------------------------------------


def payout_clearing(payment_id: UUID) -> Account:
    """One payout or refund from its request until the provider's final word."""
    return Account(f"clearing:payout:{payment_id}", "liability")


def in_transit(provider: str) -> Account:
    """Payouts whose outcome is unknown: neither paid nor returned until the provider has been read."""
    return Account(f"in_transit:{provider}", "liability")


# ---- money at the providers ------------------------------------------------------------------------------


def provider_float(provider: str, carrier: str) -> Account:
    """Our balance at a provider for one carrier. It may differ from theirs until reconciled, so it has no floor."""
    return Account(f"float:{provider}:{carrier}", "asset", floor=None)


# ---- money received that does not belong anywhere yet ----------------------------------------------------

SUSPENSE_SURPLUS = Account("suspense:surplus", "liability", floor=None)  # paid late or twice, to be sent back
SUSPENSE_MISMATCH = Account("suspense:mismatch", "liability", floor=None)  # another amount or payer than asked
SUSPENSE_UNMATCHED = Account("suspense:unmatched", "liability", floor=None)  # in the provider's list, not in ours

# ---- what we earn and spend ------------------------------------------------------------------------------

COMMISSION = Account("income:commission", "income", floor=None)  # D7
DELIVERY_INCOME = Account("income:delivery", "income", floor=None)  # delivery fee above the driver's pay
PROVIDER_FEES = Account("expense:provider_fees", "expense", floor=None)  # D10
PROVIDER_ROUNDING = Account("expense:provider_rounding", "expense", floor=None)  # found by reconciliation
GOODWILL = Account("expense:goodwill", "expense", floor=None)  # our fault, the customer's refund
PROMOTIONS = Account("expense:promotions", "expense", floor=None)  # coupons that the platform pays
POINTS_ISSUED = Account("expense:points_issued", "expense", "PTS", floor=None)  # the other side of every point

# ---- what the owners put in ------------------------------------------------------------------------------

# Money placed at a provider before anybody has paid, so that payouts need not wait for collections.
OWNERS_CAPITAL = Account("equity:capital", "equity", floor=None)
