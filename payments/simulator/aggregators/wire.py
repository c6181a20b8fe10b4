"""Reads an aggregator's table: requests with `$` where a value goes, and answers with `$text` where the page stands."""

import html
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote_plus

from msgspec import Struct, convert

Values = Mapping[str, str]

_WRITE: dict[str, Callable[[str], str]] = {
    "query": lambda value: quote(value, safe=""),
    "form": lambda value: quote(value, safe=""),
    "json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "xml": html.escape,
}
# What a value of ours looks like when it comes back in an answer, and what the phone shows of a page.
_ECHO: dict[str, Callable[[str], str]] = {**_WRITE, "text": str, "form": str, "xhtml": html.escape}
_PAGE = {r"\$text": r"((?:(?!<a |<form ).)*)", r"\$links": r"(.*(?:<a |<form ).*)"}


class BadAnswer(Exception):
    """The answer cannot be shown on a phone; the message says why."""


class Sent(Struct, frozen=True):
    """A request, byte for byte; `path` follows the dialect's own."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


class Shown(NamedTuple):
    """An answer as its phone shows it."""

    text: str
    goes_on: bool


class Asking(Struct, frozen=True, kw_only=True):
    """One kind of request."""

    path: str = ""
    headers: dict[str, str] = {}
    body: str = ""


class Answering(Struct, frozen=True, kw_only=True):
    """One kind of answer: its body, and the headers that must come with it."""

    body: str
    headers: dict[str, str] = {}


class Wire(Struct, frozen=True, kw_only=True):
    """One aggregator: how it writes and reads, its requests by kind, its answers by what they mean.

    Kinds are `dial` and `say`; of the end of a session some are told: `over` and `timeout`, where it was cut short,
    and `done`.
    """

    method: Literal["GET", "POST"]
    sends: Literal["query", "form", "json", "xml"]
    answers: Literal["text", "form", "json", "xml", "xhtml"]
    asks: dict[str, Asking]
    answer: dict[Literal["goes_on", "closes"], Answering]
    acknowledged: Answering | None = None

    def request(self, kind: str, values: Values) -> Sent:
        """The request of that kind, every value written as its place asks; a header without a value is not sent."""
        asking, write = self.asks[kind], _WRITE[self.sends]
        quoted = {name: quote(value, safe="") for name, value in values.items()}
        headers = {name: Template(text).substitute(values) for name, text in asking.headers.items()}
        return Sent(
            method=self.method,
            path=Template(asking.path).substitute(quoted),
            headers={name: value for name, value in headers.items() if value},
            body=Template(asking.body).substitute({name: write(value) for name, value in values.items()}),
        )

    def read(self, status: int, headers: Mapping[str, str], body: str, values: Values) -> Shown:
        """What the phone shows of an answer to a request of these values. Raises BadAnswer."""
        if status != 200:
            raise BadAnswer(f"the application answered {status}")
        for means, answering in self.answer.items():
            found = re.fullmatch(self._pattern(answering.body, values), body)
            if found and all(headers.get(name.lower()) == value for name, value in answering.headers.items()):
                return Shown(self._page(found[1]), means == "goes_on")
        raise BadAnswer("the answer is none that this aggregator reads")

    def _pattern(self, body: str, values: Values) -> str:
        """An answer with the request's values; `$text` is any page, `$links` one that can be answered."""
        echo = _ECHO[self.answers]
        pattern = re.escape(Template(body).safe_substitute({name: echo(value) for name, value in values.items()}))
        for name, what in _PAGE.items():
            pattern = pattern.replace(name, f"(?s:{what})")
        return pattern

    def _page(self, text: str) -> str:
        """The page, out of whatever it was packed up in."""
        match self.answers:
            case "json":
                return str(json.loads(f'"{text}"'))
            case "form":
                return unquote_plus(text)
            case "xml":
                return html.unescape(text)
            case "xhtml":
                text = re.sub(r'<a [^>]*accesskey="(\w+)">', r"\1 ", text).replace("<br/>", "\n")
                return html.unescape(re.sub(r"<[^>]+>", "", text)).strip("\n")
            case _:
                return text


def read(path: Path) -> Wire:
    """The table at `path`."""
    return parse(path.read_text())


def parse(text: str) -> Wire:
    """The table that `text` holds: its requests stand beside its other parts."""
    table: dict[str, Any] = tomllib.loads(text)
    own = [name for name in Wire.__struct_fields__ if name in table]
    known = {name: table.pop(name) for name in own}
    return convert({**known, "asks": table}, Wire)
