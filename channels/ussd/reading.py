"""Reads what aggregators send: bodies as flat fields of text, and fields as what they must be.

Everything here may come from a stranger, so it is bounded, and raises Refusal where it cannot be read.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus
from xml.parsers import expat

import msgspec

from channels.ussd.refusals import Refusal
from core.errors import InvalidPhone
from core.phones import parse_phone
from core.texts import LANGUAGES

MOST_FIELDS = 40
LONGEST_SESSION_ID = 128
_LEAF = 2  # the depth of an XML request's own fields; what lies deeper is not for us

_NATIONAL_DIGITS = 9


def pairs(body: bytes) -> dict[str, str]:
    """The fields of a form body or a query string; the last of a repeated one.

    Much faster than `parse_qsl`, which was a fifth of a turn: most of it needs no decoding, and the rest is ASCII.
    """
    try:
        parts = body.decode().split("&")
    except UnicodeDecodeError:
        raise Refusal("ussd.unreadable", "body") from None
    if len(parts) > MOST_FIELDS:
        raise Refusal("ussd.unreadable", "body")
    fields = {}
    for part in parts:
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = _decoded(name), _decoded(value)
        fields[name] = value
    return fields


_ASCII = {written: chr(code) for code in range(128) for written in (f"{code:02X}", f"{code:02x}")}


def _decoded(text: str) -> str:
    plain, *escaped = text.replace("+", " ").split("%")
    try:
        return plain + "".join([_ASCII[part[:2]] + part[2:] for part in escaped])
    except KeyError:  # longer characters, and what is no escape at all
        return unquote_plus(text)


def json_fields(body: bytes) -> dict[str, str]:
    """The scalars of a JSON object as text: `true`, `3`; null and what is nested are left out."""
    try:
        read = msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise Refusal("ussd.unreadable", "body") from None
    return {name: _scalar(value) for name, value in read.items() if isinstance(value, str | int | float)}


def _scalar(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def xml_fields(body: bytes) -> dict[str, str]:
    """The texts of the elements right below the root. A document type is refused: no entity is ever resolved."""
    fields: dict[str, str] = {}
    path: list[str] = []
    parser = expat.ParserCreate()

    def begin(name: str, _: object) -> None:
        path.append(name)
        if len(path) == _LEAF and len(fields) < MOST_FIELDS:
            fields[name] = ""

    def text(data: str) -> None:
        if len(path) == _LEAF and path[-1] in fields:
            fields[path[-1]] += data

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise Refusal("ussd.unreadable", "body") from None
    return fields


def _no_doctype(*_: object) -> None:
    raise Refusal("ussd.unreadable", "body")


READERS: Mapping[str, Callable[[bytes], dict[str, str]]] = {
    "query": pairs,
    "form": pairs,
    "json": json_fields,
    "xml": xml_fields,
}


# ---- fields ----------------------------------------------------------------------------------------------


def required(fields: Mapping[str, str], name: str) -> str:
    """A field that must be there, though it may be empty."""
    try:
        return fields[name]
    except KeyError:
        raise Refusal("ussd.unreadable", name) from None


def session_id(fields: Mapping[str, str], name: str) -> str:
    """The aggregator's name of the session."""
    read = fields.get(name, "")
    if not 1 <= len(read) <= LONGEST_SESSION_ID:
        raise Refusal("ussd.unreadable", name)
    return read


def phone(raw: str, name: str) -> str:
    """The E.164 form of digits with or without a `+`; one that became a space is refused, not silently repaired."""
    digits = raw.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) >= _NATIONAL_DIGITS):
        raise Refusal("ussd.unreadable", name)
    try:
        return parse_phone(raw)
    except InvalidPhone:
        raise Refusal("ussd.unreadable", name) from None


def own_code(fields: Mapping[str, str], name: str, code: str) -> None:
    """Refuses a request for another service; stars and hashes around a code say nothing."""
    if fields.get(name, "").strip("*# ") != code.strip("*#"):
        raise Refusal("ussd.wrong_code", name)


def after_code(text: str, code: str) -> str | None:
    """What follows our code in a dialled string, joined by `*`; None when our code was not dialled."""
    bare, own = text.strip("*# "), code.strip("*#")
    if bare == own:
        return ""
    return bare.removeprefix(f"{own}*") if bare.startswith(f"{own}*") else None


def dialled(fields: Mapping[str, str], name: str, code: str) -> str:
    """What was dialled after our code, where the code stands nowhere else in the request."""
    rest = after_code(required(fields, name), code)
    if rest is None:
        raise Refusal("ussd.wrong_code", name)
    return rest


def without_code(text: str, code: str) -> str:
    """What was dialled after our code, from aggregators that send it with the code or without."""
    rest = after_code(text, code)
    return text if rest is None else rest


def number(fields: Mapping[str, str], name: str) -> int | None:
    """A counter; None when there is none that can be read."""
    read = fields.get(name, "")
    return int(read) if read.isascii() and read.isdigit() and len(read) <= 9 else None


def language(fields: Mapping[str, str], name: str) -> str | None:
    """A language that we speak, from `fr`, `FR_cm` or `French`."""
    hint = fields.get(name, "")[:2].lower()
    return hint if hint in LANGUAGES else None
