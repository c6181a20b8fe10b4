"""Codes and phone numbers that are shown but never stored.

Wherever a text with a code rests (an outgoing SMS, a USSD receipt, a session) it holds a token such as
`\\x02delivery_code:<ref>\\x03`. The digits are derived again each time the text leaves the house, so the same
text gives the same bytes, and a copy of the database gives no code away. A phone number rests the same way, encrypted.
"""

import re

from core.crypto import Keyring

DIGITS = {"cart_code": 4, "delivery_code": 4, "login_code": 6, "pickup_number": 2, "pin_code": 6}
PHONE, PHONE_DIGITS = "phone", 9  # shown as its nine national digits

_TOKEN = re.compile("\x02([a-z_]+):([^\x03]+)\x03")


def seal(kind: str, ref: object) -> str:
    """The token that stands for the code of `kind` for `ref` in any stored text or parameter."""
    if kind not in DIGITS:
        raise ValueError(f"unknown kind of code: {kind}")
    return f"\x02{kind}:{ref}\x03"


def code(keys: Keyring, kind: str, ref: object) -> str:
    """The digits themselves."""
    return keys.digits(kind, str(ref), DIGITS[kind])


def seal_phone(keys: Keyring, phone: str) -> str:
    """The token that stands for an E.164 number: to be called back, not to be read in a table."""
    return seal_encrypted_phone(keys.encrypt(phone))


def seal_encrypted_phone(encrypted: bytes) -> str:
    """The same for a number as it rests in a table."""
    return f"\x02{PHONE}:{encrypted.hex()}\x03"


def reveal(keys: Keyring, text: str) -> str:
    """`text` with every token replaced by its digits. Only at the edge, just before sending."""
    if "\x02" not in text:
        return text
    return _TOKEN.sub(lambda m: _digits(keys, m[1], m[2]), text)


def conceal(text: str) -> str:
    """`text` with every token replaced by stars: for support, logs and events."""
    return _TOKEN.sub(lambda m: "*" * _width(m[1]), text)


def measurable(text: str) -> str:
    """`text` with every token as wide as its digits: what a page budget counts."""
    return _TOKEN.sub(lambda m: "0" * _width(m[1]), text)


def _digits(keys: Keyring, kind: str, ref: str) -> str:
    return keys.decrypt(bytes.fromhex(ref)).removeprefix("+237") if kind == PHONE else code(keys, kind, ref)


def _width(kind: str) -> int:
    return PHONE_DIGITS if kind == PHONE else DIGITS[kind]
