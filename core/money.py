"""Money is whole francs (D3). A fraction is refused wherever it comes from, never rounded."""

import re
from decimal import Decimal, InvalidOperation

from core.errors import InvalidAmount

_PLAIN = re.compile(r"\d{1,12}")


def parse_xaf(raw: object) -> int:
    """Whole XAF from what a person keyed or an API client sent: `2500`, `2 500`, `2500F`, `2.500 FCFA`.

    Raises InvalidAmount for a fraction, a sign, zero, or anything else.
    """
    if isinstance(raw, bool | float):
        raise InvalidAmount()
    text = str(raw).strip().upper().removesuffix("FCFA").removesuffix("XAF").removesuffix("F").strip()
    # A thousands separator stands before exactly three digits; `2.50` is a fraction, not 250.
    text = re.sub(r"(?<=\d)[ .\u00a0\u202f](?=\d{3}(?:\D|$))", "", text)
    if not _PLAIN.fullmatch(text) or int(text) == 0:
        raise InvalidAmount()
    return int(text)


def whole(raw: str | int | float | Decimal) -> int | None:
    """The whole number that a provider's literal stands for (`"5.00"`, `2.0`), or None if it has a fraction."""
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and value == value.to_integral_value() else None


def basis_points(amount: int, rate_bp: int) -> int:
    """`rate_bp` hundredths of a percent of `amount`, rounded down."""
    return amount * rate_bp // 10_000


def basis_points_up(amount: int, rate_bp: int) -> int:
    """The same rounded up to the next franc: provider fees (D10)."""
    return -(-amount * rate_bp // 10_000)


def format_xaf(amount_xaf: int) -> str:
    """`3800` -> `3800F`: the shortest form that every phone prints the same."""
    return f"{amount_xaf}F"
