"""From text key and parameters to the text on the handset: folded, fitted into one part, codes revealed."""

from collections.abc import Mapping

from core.crypto import Keyring
from core.gsm import SMS_SEPTETS, fold, septets, shorten
from core.sealed import measurable, reveal
from core.settings import Settings
from core.texts import say

Params = Mapping[str, str | int]

# A name that is cut further says nothing any more.
SHORTEST_NAME = 8


def render(keys: Keyring, *, language: str, key: str, params: Params) -> str:
    """The text to send. Only the sender calls this: it holds the digits of codes."""
    return reveal(keys, fit(language, key, params))


def fit(language: str, key: str, params: Params) -> str:
    """The folded text of `key`, codes still sealed, in one SMS part where that is possible.

    Only words give way, the longest first: strings with letters are names of dishes, places and people,
    while amounts and order numbers come as int, and codes as sealed tokens.
    """
    fitted = {name: fold(value) if isinstance(value, str) else value for name, value in params.items()}
    while (excess := _width(text := fold(say(language, key, **fitted))) - SMS_SEPTETS) > 0:
        longest = max(_words(fitted), key=lambda name: _width(str(fitted[name])), default=None)
        if longest is None or _width(str(fitted[longest])) <= SHORTEST_NAME:
            break
        width = _width(str(fitted[longest]))
        # Step by step, so that two long names share the loss.
        fitted[longest] = shorten(str(fitted[longest]), max(SHORTEST_NAME, width - min(excess, 4)))
    return text


def dial_of(settings: Settings, function: str) -> str:
    """What a text offers to dial for one function of home: `*237*1*3#`."""
    return f"{settings.service_code.removesuffix('#')}*{function}#"


def _width(text: str) -> int:
    return septets(measurable(text))


def _words(params: Params) -> list[str]:
    """The parameters that may be cut; not a dial like `*237*1*3#`, nor a code."""
    return [
        name
        for name, value in params.items()
        if isinstance(value, str) and "\x02" not in value and any(character.isalpha() for character in value)
    ]
