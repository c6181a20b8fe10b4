"""What the API takes and sends: its contract with clients, apart from the structs that our rooms exchange.

Amounts are whole XAF and end in `_xaf`; instants are UTC. What a client does not know it may skip; what we do
not know we refuse, so that a misspelt field never goes unnoticed.
"""

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from channels.api.inputs import PRINTABLE
from marketplace.ordering.carts import MOST_OF_ONE, MOST_TIP_XAF
from marketplace.ordering.states import State

View = TypeVar("View")
Item = TypeVar("Item")

LARGEST_XAF = 10_000_000  # far above every limit; the use cases refuse earlier and say why

Amount = Annotated[int, Meta(ge=1, le=LARGEST_XAF, description="Whole XAF; a fraction is refused.")]
Number = Annotated[int, Meta(ge=1, le=2_000_000_000)]
Phone = Annotated[str, Meta(pattern="^[+0-9 .-]{9,24}$", description="`+237670000001` or nine national digits.")]
SixDigits = Annotated[str, Meta(pattern="^[0-9]{6}$")]
Pin = Annotated[str, Meta(pattern="^[0-9]{4,6}$", description="Never kept, never sent back.")]


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request."""


# ---- logging in ------------------------------------------------------------------------------------------


class PhoneLogin(Body):
    phone: Phone


class ChallengeView(msgspec.Struct, frozen=True):
    """A 6-digit code is on its way by SMS; send it to `/login/{id}/verify`."""

    id: UUID
    expires_in_seconds: int


class CodeProof(Body):
    code: SixDigits
    cookie: bool = False  # a browser asks for an httpOnly cookie instead of the refresh token in the body (D1)


class StaffLogin(Body):
    username: Annotated[str, Meta(pattern="^[A-Za-z0-9._@-]{1,64}$")]
    password: Annotated[str, Meta(max_length=256, pattern=PRINTABLE)]
    totp: SixDigits | None = None
    cookie: bool = False


class RefreshProof(Body):
    """Without a token, the cookie's counts."""

    refresh_token: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,256}$")] | None = None


class TokensView(msgspec.Struct, frozen=True, omit_defaults=True):
    """`expires_in_seconds` is the access token's. A refresh token works once (D1)."""

    access_token: str
    expires_in_seconds: int
    refresh_token: str | None = None


# ---- what there is ---------------------------------------------------------------------------------------


class RestaurantView(msgspec.Struct, frozen=True):
    """`number` is stable for life; `state` is open, busy or closed; `rating` is 1 to 5, once three people have said."""

    number: int
    name: str
    quarter_name: str
    state: str
    preparation_minutes: int
    rating: float | None


class DishView(msgspec.Struct, frozen=True):
    """`number` is stable for life within the restaurant."""

    number: int
    name: str
    price_xaf: int
    available: bool


class QuarterView(msgspec.Struct, frozen=True):
    id: int
    name: str
    zone_name: str


class LandmarkView(msgspec.Struct, frozen=True):
    id: int
    name: str


# ---- ordering --------------------------------------------------------------------------------------------


class NewLine(Body):
    dish: Number
    quantity: Annotated[int, Meta(ge=1, le=MOST_OF_ONE)] = 1


class NewPlace(Body):
    quarter_id: Number
    landmark_id: Number | None = None
    directions: Annotated[str, Meta(max_length=60, pattern=PRINTABLE)] = ""
    contact_phone: Phone | None = None  # whom to call there, if not the customer


class NewQuote(Body):
    """Restaurant and dishes by their numbers."""

    restaurant: Number
    lines: Annotated[list[NewLine], Meta(min_length=1, max_length=30)]
    place: NewPlace
    coupon: Annotated[str, Meta(pattern="^[A-Za-z0-9]{3,20}$")] | None = None  # its number or its word
    tip_xaf: Annotated[int, Meta(ge=0, le=MOST_TIP_XAF, description="Whole XAF, all of it the driver's.")] = 0
    deliver_at: Annotated[datetime, Meta(tz=True, description="A half hour of today or tomorrow.")] | None = None


class LineView(msgspec.Struct, frozen=True):
    """`price_xaf` is of one."""

    name: str
    quantity: int
    price_xaf: int


class QuoteView(msgspec.Struct, frozen=True):
    """Send `cart_id`, `cart_version` and `total_xaf` back to order exactly this."""

    cart_id: UUID
    cart_version: int
    restaurant_name: str
    lines: list[LineView]
    items_xaf: int
    delivery_xaf: int
    tax_xaf: int
    discount_xaf: int
    tip_xaf: int
    total_xaf: int
    place_label: str
    expires_at: datetime


class NewOrder(Body):
    cart_id: UUID
    cart_version: Number
    total_xaf: Amount  # as quoted; another total today is refused, never charged
    pay_with: Literal["mobile_money", "wallet"] = "mobile_money"
    payer_phone: Phone | None = None  # who gets the payment prompt, if not the customer
    pin: Pin | None = None  # for the wallet only


class Consent(Body):
    """What the customer said after reading that one of two approved payments is returned at once."""

    consent: bool


class OrderView(msgspec.Struct, frozen=True):
    """`delivery_code` is for the customer to tell the driver at the door, `driver_phone` to call them by.

    Both are there while the meal is on its way.
    """

    id: UUID
    number: int
    state: State
    restaurant_number: int
    restaurant_name: str
    lines: list[LineView]
    items_xaf: int
    delivery_xaf: int
    tax_xaf: int
    discount_xaf: int
    tip_xaf: int
    total_xaf: int
    pay_with: str
    place_label: str
    placed_at: datetime
    deliver_at: datetime | None
    eta_at: datetime | None
    delivery_code: str | None
    driver_phone: str | None


# ---- the wallet ------------------------------------------------------------------------------------------


class WalletView(msgspec.Struct, frozen=True):
    """`balance_xaf` may be spent; `reserved_xaf` waits for restaurants to accept. `tier` is bronze, silver or gold."""

    balance_xaf: int
    reserved_xaf: int
    points: int
    tier: str


class NewTopUp(Body):
    amount_xaf: Amount
    phone: Phone | None = None  # who pays, if not the customer's own number


class TopUpView(msgspec.Struct, frozen=True):
    """PENDING until the payer approves the prompt, then PAID, FAILED or EXPIRED."""

    id: UUID
    amount_xaf: int
    state: str
    created_at: datetime


# ---- pages -----------------------------------------------------------------------------------------------


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some of many; `next` is the page to ask for, null at the end."""

    items: list[Item]
    next: int | None


def shown(fact: object, view: type[View]) -> View:
    """The part of `fact` that `view` names."""
    return msgspec.convert(fact, view, from_attributes=True)


def page_of(items: list[Item], page: int, size: int) -> Page[Item]:
    """The `page`-th of `items`, counted from 1."""
    until = page * size
    return Page(items[until - size : until], page + 1 if until < len(items) else None)
