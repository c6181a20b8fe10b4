"""The catalogues: every text a person reads, by key and language (D25).

A key is `ussd.home`, `sms.order_accepted` or `error.insufficient_funds`; the texts live in
`core/locales/<language>/*.po`, where a translator edits them. `{name}` marks a parameter.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LOCALES = Path(__file__).parent / "locales"
LANGUAGES = ("fr", "en")
DEFAULT_LANGUAGE = "fr"


class UnknownText(KeyError):
    """A key that the catalogue does not hold: a mistake of ours, found by a test."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Key -> text with `{parameters}`, of all files of `language`."""
    texts: dict[str, str] = {}
    for path in sorted((LOCALES / language).glob("*.po")):
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
