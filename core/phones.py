"""Phone numbers in Cameroon's plan (contracts: E.164, nine national digits, mobile starts with 6)."""

import re

import phonenumbers

from core.errors import InvalidPhone

MTN, ORANGE, NEXTTEL, CAMTEL = "mtn", "orange", "nexttel", "camtel"
# A wallet of its own, under a number of any carrier: no prefix points to it, the customer names it.
EXPRESS_UNION = "express_union"

# First match wins. 684 and 685 are claimed by two carriers; see settings.carrier_prefixes.
CARRIER_PREFIXES: tuple[tuple[str, str], ...] = (
    (r"65[0-4]|67|68[0-3]", MTN),
    (r"64[0-2]|65[5-9]|68[6-9]|69", ORANGE),
    (r"66|68[45]", NEXTTEL),
    (r"62|24[23]", CAMTEL),
)


# What aggregators send: taken as it is, since the library needs longer to say so than a turn's page takes.
_PLAIN = re.compile(r"\+237[26][0-9]{8}")


def parse_phone(raw: str, *, carriers_plus: bool = False) -> str:
    """The E.164 form of `+237…`, `00237…`, `237…` or nine national digits, spaces and dots allowed.

    With `carriers_plus` only a leading `+` is taken (aggregators send exactly that; a `+` that became
    a space is refused rather than repaired). Raises InvalidPhone.
    """
    if _PLAIN.fullmatch(raw):
        return raw
    if carriers_plus and not raw.startswith("+"):
        raise InvalidPhone()
    digits = re.sub(r"[\s.\-()\u00a0\u202f]", "", raw)
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    digits = "+" + digits if digits.startswith("237") and len(digits) == 12 else digits
    try:
        number = phonenumbers.parse(digits, "CM")
    except phonenumbers.NumberParseException:
        raise InvalidPhone() from None
    national = str(number.national_number)
    if number.country_code != 237 or len(national) != 9 or national[0] not in "26":
        raise InvalidPhone()
    return f"+237{national}"


def carrier_of(phone: str, prefixes: tuple[tuple[str, str], ...] = CARRIER_PREFIXES) -> str | None:
    """The carrier that the prefix of an E.164 number points to, or None."""
    national = phone.removeprefix("+237")
    return next((carrier for pattern, carrier in prefixes if re.match(pattern, national)), None)


def mask_phone(phone: str) -> str:
    """`+237670000001` -> `+23767***01`: enough to recognise one's own number, not enough to call it."""
    return f"{phone[:6]}***{phone[-2:]}"
