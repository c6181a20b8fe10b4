"""The kinds of question a journey can ask, and how each reads what was typed.

A question is built anew on every run of the journey; what its numbers meant is read from the page that was
really shown, never from a list that may have changed since.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct

from core import gsm
from core.database import Database
from core.errors import GatewayError, InvalidInput
from core.gsm import plain
from menus_ussd.session import Asks, Page, Shown

MAX_INPUT = 160  # characters of one USSD input (D21)


class Option(Struct, frozen=True):
    """One line of a menu: `digit` is its key, else it is numbered; `value` is plain data that the journal can hold."""

    label: str  # a Name may be shortened
    value: Any
    suffix: str = ""  # kept whole, such as a price; a Name here gets half the room of the label
    digit: str | None = None


class Menu(tuple[Option, ...]):
    """Lines that many callers are shown. The pages composed of them are kept beside them, for as long as they are."""

    def __init__(self, _: Iterable[Option]) -> None:
        self.composed: dict[tuple[object, ...], list[Page]] = {}


Source = Callable[..., Awaitable[Sequence[Option]]]


class Name(str):
    """A name that may be shortened when the page is too long."""


Fitted = Callable[[int], str]  # a parameter that shortens itself to names of so many septets


class Question:
    """Base of all questions: `id` names it in the journal, `params` fill its text `ussd.<text_id>`.

    The second time a journey asks the same thing, its id in the journal is `<text_id>#2`.
    """

    stops_walk = False  # a deep dial never walks past a secret or a confirmation
    answered_as = "answer"  # the kind of its line in the journal
    restarts_numbers = False  # pages number on, unless a question says otherwise
    asks: Asks = "text"

    def __init__(self, id: str, **params: object) -> None:
        self.id = self.text_id = id
        self.text_key = f"ussd.{id}"
        self.params = params

    async def options(self, database: Database) -> Sequence[Option]:  # noqa: ARG002
        """The lines of the menu; called only when the question is really shown."""
        return ()

    def read(self, typed: str, shown: Shown) -> Any:
        """The value that `typed` stands for on the page that was shown. Raises a GatewayError for what does not fit."""
        raise NotImplementedError


class Choice(Question):
    """Pick one line by its number."""

    asks: Asks = "line"

    def __init__(self, id: str, source: Source | Sequence[Option], *args: Any, **params: object) -> None:
        super().__init__(id, **params)
        self._source = source
        self._args = args

    async def options(self, database: Database) -> Sequence[Option]:
        if not callable(self._source):
            return self._source
        async with database.reading() as tx:
            return await self._source(tx, *self._args)

    def read(self, typed: str, shown: Shown) -> Any:
        for page in shown.pages:
            for digit, value in page.options:
                if digit == typed:
                    return value
        raise UnknownNumber()


class Confirmation(Choice):
    """A choice that commits the caller to something: a deep dial stops here."""

    stops_walk = True
    answered_as = "agreed"


class ChoiceOrWords(Choice):
    """Pick a line, or key three letters or more to search: the value is then `{"words": …}`."""

    asks = "text"

    def read(self, typed: str, shown: Shown) -> Any:
        if len(re.sub(r"[^a-z]", "", plain(typed))) >= 3:
            return {"words": plain(typed)[:30]}
        return super().read(typed, shown)


class Basket(Choice):
    """Pick several lines of the visible page by a string of digits: `335` is two of line 3 and one of line 5."""

    restarts_numbers = True
    asks = "text"

    def read(self, typed: str, shown: Shown) -> Any:
        values = dict(shown.pages[shown.visible].options)
        keys = typed.replace(" ", "").replace("*", "")
        if not keys or len(keys) > 20 or any(key not in values for key in keys):
            raise UnknownNumber()
        return [[values[key], keys.count(key)] for key in dict.fromkeys(keys)]


class Words(Question):
    """Free text or a number, read by `parse`, which raises a GatewayError for what it cannot take."""

    def __init__(self, id: str, parse: Callable[[str], Any], **params: object) -> None:
        super().__init__(id, **params)
        self._parse = parse

    def read(self, typed: str, shown: Shown) -> Any:  # noqa: ARG002
        return self._parse(typed)


class Secret(Question):
    """Digits that are checked at the edge and enter no journal."""

    stops_walk = True
    asks = "secret"


class UnknownNumber(GatewayError):
    """What was typed is no number on this page."""

    text_key = "error.unknown_number"


def clean(typed: str) -> str:
    """What was typed without control characters and outer spaces. Raises InvalidInput when it is too long."""
    if len(typed) > MAX_INPUT:
        raise InvalidInput()
    return gsm.typed(typed)
