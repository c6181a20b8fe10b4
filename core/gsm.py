"""GSM-7 text: folding what a handset cannot show, and counting septets (contracts/gsm.md).

One character outside the table would turn a page of 182 septets into 80 characters, so every text that
leaves by USSD or SMS is folded first.
"""

import re
import unicodedata
from functools import lru_cache

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")

SMS_SEPTETS = 160
SMS_PART_SEPTETS = 153

# What canonical decomposition does not cover.
_TABLE = {
    "œ": "oe",
    "Œ": "OE",
    "«": '"',
    "»": '"',
    "’": "'",
    "‘": "'",
    "`": "'",
    "“": '"',
    "”": '"',
    "…": "...",
    "–": "-",
    "—": "-",
    "°": "o",
    "\u00a0": " ",
    "\u202f": " ",
    "\t": " ",
}

_TWO_SEPTETS = re.compile("[" + re.escape("".join(sorted(EXTENDED))) + "]")

# Most texts need no folding: they are of the table already, with the marks of sealed codes.
_UNCHANGED = re.compile("[\x02\x03" + re.escape("".join(sorted(BASIC | EXTENDED))) + "]*")


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character in BASIC or character in EXTENDED:
        return character
    if character in _TABLE:
        return _TABLE[character]
    bare = "".join(c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c))
    return bare if bare and all(c in BASIC or c in EXTENDED for c in bare) else "?"


def fold(text: str) -> str:
    """`text` in GSM-7 characters only; what has no likeness becomes `?`. Sealed codes pass untouched."""
    if _UNCHANGED.fullmatch(text):
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(c if c in "\x02\x03" else _fold_character(c) for c in composed)


def septets(text: str) -> int:
    """How many septets a folded text takes; characters of the extension table take two."""
    return len(text) + len(_TWO_SEPTETS.findall(text))


def sms_parts(text: str) -> int:
    """How many SMS parts a folded text takes (no escape pair straddles two parts)."""
    if septets(text) <= SMS_SEPTETS:
        return 1
    parts, room = 1, SMS_PART_SEPTETS
    for character in text:
        width = 2 if character in EXTENDED else 1
        if width > room:
            parts, room = parts + 1, SMS_PART_SEPTETS
        room -= width
    return parts


def shorten(text: str, limit: int) -> str:
    """`text` cut to `limit` septets, with a full stop where something was cut."""
    if septets(text) <= limit:
        return text
    room = limit - 1
    for kept, character in enumerate(text):
        room -= 2 if character in EXTENDED else 1
        if room < 0:
            return text[:kept].rstrip() + "."
    raise AssertionError("a text over the limit has a character beyond it")


def typed(text: str) -> str:
    """What a person typed, as we take it in: without outer spaces and control characters.

    The marks of sealed codes are control characters, so nobody can type a token that would be revealed.
    """
    return "".join(character for character in text if character.isprintable()).strip()


def plain(text: str) -> str:
    """Lower case without accents or outer and doubled spaces: how people's words are compared."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return " ".join(bare.replace("œ", "oe").replace("Œ", "oe").casefold().split())
