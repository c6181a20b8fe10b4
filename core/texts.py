"""The catalogues: every text a person reads, by key and language (D25).

A key is `ussd.home`, `sms.order_accepted` or `error.insufficient_funds`; the texts live in
`core/locales/<language>/*.po`, where a translator edits them. `{name}` marks a parameter. A language is a folder:
nothing else names it. What callers read must be in every one of them (`gateway texts check`); what only staff
reads may be missing, and is then read in English.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LOCALES = Path(__file__).parent / "locales"
DEFAULT_LANGUAGE = "fr"
STAFF_LANGUAGE = "en"


def languages_of(locales: Path) -> tuple[str, ...]:
    """The folders with catalogues, the default first: the order in which callers are offered them."""
    found = (folder.name for folder in locales.iterdir() if any(folder.glob("*.po")))
    return tuple(sorted(found, key=lambda name: (name != DEFAULT_LANGUAGE, name)))


LANGUAGES = languages_of(LOCALES)


class UnknownText(KeyError):
    """A key that the catalogue does not hold: a mistake of ours, found by a test."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Key -> text with `{parameters}`."""
    return {**written(LOCALES / STAFF_LANGUAGE), **written(LOCALES / language)}


def written(folder: Path) -> dict[str, str]:
    """Key -> text, of all files of one language as they stand there."""
    texts: dict[str, str] = {}
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=None):
                if isinstance(message.id, str) and message.id and isinstance(message.string, str):
                    texts[message.id] = message.string
    return texts


def say(language: str, key: str, **params: object) -> str:
    """The text of `key` with `params` filled in, not yet folded."""
    try:
        text = catalogue(language)[key]
    except KeyError:
        raise UnknownText(f"{key} ({language})") from None
    return text.format(**params) if params else text
