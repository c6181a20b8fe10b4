"""Reads a language's catalogue before a caller does: what is missing, what breaks, what fits no page.

For translators (`gateway texts check`) and for the tests. A text is measured with the longest that each of its
parameters can become; names count with the length that they are shortened to.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

from babel.messages.pofile import PoFileError, read_po
from msgspec import Struct

from core.gsm import SMS_SEPTETS, fold, septets
from core.texts import DEFAULT_LANGUAGE, LOCALES, written

PAGE_SEPTETS = 160  # what is planned for one USSD page (contracts/gsm.md)
ERROR_SEPTETS = 90  # stands above the page that it belongs to
OPTION_SEPTETS = 34  # one line of a menu
CALLERS_READ = ("ussd.", "sms.", "error.")  # the rest is for staff, who read English where a language lacks it
_LINES = ("ussd.option.", "ussd.home.", "ussd.more.", "ussd.state.")

# The longest that each parameter becomes, in characters; a name gives way down to 16. Amounts reach a million.
WIDTHS = {
    **dict.fromkeys(("number", "code", "left", "most", "seconds", "minutes", "hours", "rows", "dish", "next"), 4),
    **dict.fromkeys(("amount", "total", "fee", "balance", "service_code", "phone", "dial"), 12),
    **dict.fromkeys(("answer", "km"), 2),
    **dict.fromkeys(("points", "short_code", "tier"), 6),
    **dict.fromkeys(("restaurant", "place", "driver", "quarter", "name", "start", "end", "account", "provider"), 16),
    **dict.fromkeys(("items", "options", "state", "resolution", "rulings", "first", "last"), 24),
    "words": 30,
}
_AMOUNT = 7
_OTHER = 8


class Finding(Struct, frozen=True, order=True):
    """Something to mend: where, and why."""

    key: str
    why: str

    def __str__(self) -> str:
        return f"{self.key}: {self.why}"


def proofread(language: str, locales: Path = LOCALES) -> list[Finding]:
    """What is wrong with `language`, measured by the default one; nothing when callers can read it."""
    folder = locales / language
    try:
        model, texts = written(locales / DEFAULT_LANGUAGE), written(folder)
    except PoFileError as problem:
        return [Finding(str(problem), "the file cannot be read")]
    found = [*_about_files(folder), *_about_keys(texts, model)]
    for key, text in texts.items():
        found += [Finding(key, why) for why in _about_text(key, text, model.get(key, text))]
    return sorted(found)


def _about_files(folder: Path) -> Iterator[Finding]:
    """What the catalogues as such hide: texts twice, and texts that a tool only guessed."""
    seen: dict[str, str] = {}
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            messages = [message for message in read_po(file, locale=None) if message.id]
        for message in messages:
            key = str(message.id)
            if message.fuzzy:
                yield Finding(key, f"marked fuzzy in {path.name}")
            if key in seen:
                yield Finding(key, f"stands in {seen[key]} and in {path.name}")
            seen[key] = path.name


def _about_keys(texts: Mapping[str, str], model: Mapping[str, str]) -> Iterator[Finding]:
    yield from (Finding(key, "nobody asks for it") for key in texts.keys() - model.keys())
    yield from (Finding(key, "is missing") for key in model.keys() - texts.keys() if key.startswith(CALLERS_READ))


def _about_text(key: str, text: str, model: str) -> Iterator[str]:
    try:
        own, expected = parameters(text), parameters(model)
    except ValueError as problem:
        yield f"a brace is open: {problem}"
        return
    if not text.strip():
        yield "is empty"
    if own != expected:
        yield f"has the parameters {_listed(own)}, should have {_listed(expected)}"
    if text != text.strip() or re.search(r"  | \n|\n ", text):
        yield "has a space too many"
    if not key.startswith(CALLERS_READ):
        return
    if lost := [character for character in text if character != "?" and fold(character) == "?"]:
        yield f"no phone shows {''.join(lost)}"
    if (excess := longest(text) - _room(key)) > 0:
        yield f"is {excess} septets too long"


def parameters(text: str) -> set[str]:
    """The names in braces. Raises ValueError for a brace without its other half."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def longest(text: str) -> int:
    """Septets of the text with every parameter as long as it gets."""
    pieces = list(Formatter().parse(text))
    return sum(septets(fold(literal)) + (_width(name) if name else 0) for literal, name, _, _ in pieces)


def _width(name: str) -> int:
    return WIDTHS.get(name, _AMOUNT if name.endswith("_xaf") else _OTHER)


def _room(key: str) -> int:
    if key.startswith("error."):
        return ERROR_SEPTETS
    if key.startswith(_LINES):
        return OPTION_SEPTETS
    return SMS_SEPTETS if key.startswith("sms.") else PAGE_SEPTETS


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
