"""A provider at the HTTP edge that says what a test tells it to say, and remembers what it was asked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from core.http import HttpClient
from tests.support.http import Through

FIXTURES = Path(__file__).parent / "fixtures"

Reply = Callable[[], httpx.Response]


class Scripted:
    """Answers by method and path; to what nobody has foreseen, `otherwise`."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.standing: dict[str, Reply] = {}
        self.otherwise: Reply = lambda: httpx.Response(404)

    def client(self) -> HttpClient:
        exchange = Through(self._answer)
        return HttpClient("https://provider.test", connect_seconds=1, read_seconds=1, exchange=exchange)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.standing.get(f"{request.method} {request.url.path}", self.otherwise)()

    def count(self, path: str) -> int:
        return sum(request.url.path == path for request in self.asked)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the last request."""
        return dict(json.loads(self.asked[-1].content))

    @property
    def headers(self) -> httpx.Headers:
        return self.asked[-1].headers


def says(status: int, body: object = None) -> Reply:
    """A JSON body, or the bytes as they are."""
    if isinstance(body, bytes):
        return lambda: httpx.Response(status, content=body)
    return lambda: httpx.Response(status, json=body) if body is not None else httpx.Response(status)


def verbatim(name: str, **changes: object) -> bytes:
    """A payload as the provider's documentation prints it, with `changes` to its outermost fields."""
    raw = (FIXTURES / name).read_bytes()
    return raw if not changes else json.dumps({**json.loads(raw), **changes}).encode()
