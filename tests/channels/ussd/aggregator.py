"""The other side of a dialect: an aggregator that fills its verbatim payloads, and the phones behind it.

A fixture holds the requests and answers of one aggregator as they stand on the wire, with `$` where a value goes.
"""

import html
import itertools
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from channels.ussd.dialect import Dialect
from core.clock import ManualClock

FIXTURES = Path(__file__).parent / "fixtures"
CODE = "*237*1#"
PHONE = "+237670000001"

_sessions = itertools.count(1)

ESCAPES = {
    "query": lambda value: quote(value, safe=""),
    "form": lambda value: quote(value, safe=""),
    "json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "xml": html.escape,
}


def read_fixture(name: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / f"{name}.toml").read_text())


class Shown(NamedTuple):
    """An answer, as the phone shows it and as it came."""

    text: str
    goes_on: bool
    wire: httpx.Response


class Request(NamedTuple):
    """Something to send, perhaps more than once."""

    kind: str  # dial, say or over
    values: dict[str, str]


class Aggregator:
    """Sends the requests of one dialect. A person takes longer over a page than a repeat does."""

    def __init__(
        self, web: httpx.AsyncClient, clock: ManualClock, dialect: Dialect, fixture: Mapping[str, Any], secret: str
    ) -> None:
        self.web, self.clock, self.dialect, self.fixture = web, clock, dialect, fixture
        self.path = f"/ussd/{dialect.name}/{secret}"

    def handset(self, phone: str = PHONE) -> "Handset":
        return Handset(self, phone)

    async def send(self, request: Request) -> Shown:
        wire = await self.web.send(self.request(request))
        return self._shown(wire, request)

    def request(self, request: Request) -> httpx.Request:
        """The HTTP request, with every value written as its place asks."""
        template = self.fixture[request.kind]
        escape = ESCAPES[self.dialect.can.sends]
        body = Template(template.get("body", "")).substitute({k: escape(v) for k, v in request.values.items()})
        quoted = {k: quote(v, safe="") for k, v in request.values.items()}
        path = Template(template.get("path", "")).substitute(quoted)
        headers = {k: Template(v).substitute(request.values) for k, v in template.get("headers", {}).items()}
        return self.web.build_request(
            self.dialect.can.method, self.path + path, content=body.encode() or None, headers=headers
        )

    def _shown(self, wire: httpx.Response, request: Request) -> Shown:
        assert wire.status_code == 200
        for kind in ("goes_on", "closes"):
            answer = self.fixture["answer"][kind]
            found = re.fullmatch(self._pattern(answer["body"], request.values), wire.text)
            if found and all(wire.headers.get(name) == value for name, value in answer.get("headers", {}).items()):
                return Shown(self._plain(found[1]), kind == "goes_on", wire)
        raise AssertionError(f"{self.dialect.name} cannot read {wire.text!r}")

    def _pattern(self, body: str, values: Mapping[str, str]) -> str:
        """A fixture's answer with the request's values; `$text` is any page, `$links` one that can be answered."""
        known = {name: self._escaped(value) for name, value in values.items()}
        pattern = re.escape(Template(body).safe_substitute(known))
        anything = {r"\$text": "((?:(?!<a |<form ).)*)", r"\$links": "(.*(?:<a |<form ).*)"}
        for name, what in anything.items():
            pattern = pattern.replace(name, f"(?s:{what})")
        return pattern

    def _escaped(self, value: str) -> str:
        sends = self.dialect.can.sends
        return ESCAPES[sends](value) if sends in ("json", "xml") else html.escape(value)

    def _plain(self, text: str) -> str:
        """What the phone shows of it."""
        if self.dialect.can.closes_by == "absence":
            text = re.sub(r'<a [^>]*accesskey="(\w+)">', r"\1 ", text).replace("<br/>", "\n")
            return html.unescape(re.sub(r"<[^>]+>", "", text)).strip("\n")
        if self.dialect.can.sends == "json":
            return str(json.loads(f'"{text}"'))
        return html.unescape(text) if self.dialect.can.sends == "xml" else text


class Handset:
    """A phone on the aggregator's network."""

    def __init__(self, aggregator: Aggregator, phone: str) -> None:
        self.aggregator = aggregator
        self.phone = phone
        self.session = ""
        self.turn = 0
        self.inputs: list[str] = []
        self.last = Request("dial", {})

    async def dial(self, rest: str = "") -> Shown:
        """Dial the code, and `rest` after it."""
        self.session, self.turn = f"4f2a-{next(_sessions)}", 0
        self.inputs = [rest] if rest else []
        return await self._send("dial", rest=rest, dialled=f"{CODE.rstrip('#')}*{rest}#" if rest else CODE)

    async def say(self, *inputs: str) -> Shown:
        """Answer the pages, one after the other."""
        for typed in inputs:
            self.inputs.append(typed)
            shown = await self._send("say", typed=typed)
        return shown

    async def repeat(self) -> Shown:
        """The last request once more."""
        return await self.aggregator.send(self.last)

    async def over(self, kind: str = "over") -> httpx.Response:
        """The aggregator tells that the session is over."""
        return await self.aggregator.web.send(self.aggregator.request(Request(kind, self.values())))

    def values(self, **more: str) -> dict[str, str]:
        """What the fixtures may name."""
        return {
            "code": CODE,
            "bare": CODE.strip("*#"),
            "session": self.session,
            "phone": self.phone,
            "digits": self.phone.removeprefix("+"),
            "transcript": "*".join(self.inputs),
            "turn": str(self.turn),
            "next": str(self.turn + 1),
            **more,
        }

    async def _send(self, kind: str, **more: str) -> Shown:
        self.aggregator.clock.advance(seconds=3)
        self.turn += 1
        self.last = Request(kind, self.values(**more))
        return await self.aggregator.send(self.last)
