"""The single values of a provider's body, read defensively: what cannot be read is absent, and nothing raises."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec

from core.errors import InvalidPhone
from core.phones import parse_phone
from payments.providers.protocol import Word
from payments.states import Failure

# A reason in a provider's own prose: these words only choose what the customer is told. None of them is
# technical, so that a wrong guess can never cause a second prompt.
PROSE: Mapping[str, Failure] = {
    "insufficient": Failure.INSUFFICIENT_FUNDS,
    "not enough": Failure.INSUFFICIENT_FUNDS,
    "reject": Failure.REJECTED,
    "cancel": Failure.REJECTED,
    "expire": Failure.REJECTED,
}

_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,64}")
_NO_AMOUNT = 10**12


def text(raw: object) -> str | None:
    """A value that is there: what is absent is null, "" or the word "None"."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        return None
    told = str(raw).strip()
    return told if told not in ("", "None") else None


def ref(raw: object) -> str | None:
    """A reference. It becomes part of a path, so nothing else than an id may pass."""
    told = text(raw)
    return told if told and _REFERENCE.fullmatch(told) else None


def our_ref(raw: object) -> str | None:
    """A reference that we chose: one of our UUIDs, spelled as we spell it."""
    try:
        return str(UUID(text(raw) or ""))
    except ValueError:
        return None


def decimal(raw: object) -> Decimal | None:
    """The raw literal, `"5.00"` or `2.0` or `1`, without a detour through a float; None when it is no amount."""
    try:
        value = Decimal(text(raw) or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 <= value < _NO_AMOUNT else None


def phone(raw: object) -> str | None:
    """E.164; None when it is no number of Cameroon's."""
    try:
        return parse_phone(text(raw) or "")
    except InvalidPhone:
        return None


def word(raw: object, words: Mapping[str, Word]) -> Word | None:
    """What a status means; PENDING for a word that nobody documented, None for none."""
    told = text(raw)
    return None if told is None else words.get(told, Word.PENDING)


def instant(raw: object) -> datetime | None:
    """An ISO 8601 instant. One without a zone, which nobody documents, is taken as UTC."""
    try:
        told = datetime.fromisoformat(text(raw) or "")
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def failure(reason: object) -> Failure:
    """What a reason in prose most likely means to the customer."""
    told = (text(reason) or "").lower()
    return next((meaning for said, meaning in PROSE.items() if said in told), Failure.UNSTATED)


def inner(body: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The object at `path`; empty when something else is there."""
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}


def rows(body: Mapping[str, Any], name: str) -> list[dict[str, Any]] | None:
    """The objects of a list; None when there is no list."""
    found = body.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else None


def json_object(raw: bytes) -> dict[str, Any] | None:
    """What came in as JSON; None when it is not an object."""
    try:
        parsed = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last by a body of brackets
        return None
    return parsed if isinstance(parsed, dict) else None


def plain(raw: str, limit: int) -> str:
    """Words that every operator's narrations take: letters, digits and spaces, at most `limit`."""
    return " ".join(re.sub(r"[^0-9A-Za-z]+", " ", raw).split())[:limit]
