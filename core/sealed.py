"""Codes that are shown but never stored.

Wherever a text with a code rests (an outgoing SMS, a USSD receipt, a session) it holds a token such as
`\\x02delivery_code:<ref>\\x03`. The digits are derived again each time the text leaves the house, so the same
text gives the same bytes, and a copy of the database gives no code away.
"""

import re

from core.crypto import Keyring

DIGITS = {"delivery_code": 4, "login_code": 6, "pickup_number": 2}

_TOKEN = re.compile("\x02([a-z_]+):([^\x03]+)\x03")


def seal(kind: str, ref: object) -> str:
    """The token that stands for the code of `kind` for `ref` in any stored text or parameter."""
    if kind not in DIGITS:
        raise ValueError(f"unknown kind of code: {kind}")
    return f"\x02{kind}:{ref}\x03"


def code(keys: Keyring, kind: str, ref: object) -> str:
    """The digits themselves."""
    return keys.digits(kind, str(ref), DIGITS[kind])


def reveal(keys: Keyring, text: str) -> str:
    """`text` with every token replaced by its digits. Only at the edge, just before sending."""
    if "\x02" not in text:
        return text
    return _TOKEN.sub(lambda m: code(keys, m[1], m[2]), text)


def conceal(text: str) -> str:
    """`text` with every token replaced by stars: for support, logs and events."""
    return _TOKEN.sub(lambda m: "*" * DIGITS[m[1]], text)


def measurable(text: str) -> str:
    """`text` with every token as wide as its digits: what a page budget counts."""
    return _TOKEN.sub(lambda m: "0" * DIGITS[m[1]], text)
