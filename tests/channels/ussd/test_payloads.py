"""Whole talks as they stood on the wire: each request sent byte by byte, each answer compared byte by byte.

`>` begins a request, `<` an answer; headers, an empty line and the body follow, as in HTTP.
"""

import re
from typing import NamedTuple

import httpx
import pytest

from channels.ussd.dialect import Dialect
from channels.ussd.dialects import DIALECTS
from core.clock import ManualClock
from tests.channels.ussd.aggregator import FIXTURES
from tests.menus_ussd.toy import ToyShop

pytestmark = pytest.mark.anyio


class Message(NamedTuple):
    """A request or an answer."""

    first_line: str
    headers: dict[str, str]
    body: bytes


def talk(name: str) -> list[tuple[Message, Message]]:
    """The exchanges of one dialect's file."""
    raw = (FIXTURES / "verbatim" / f"{name}.http").read_text()
    parts = [message(part) for part in re.split(r"^[<>] ", raw, flags=re.MULTILINE)[1:]]
    return list(zip(parts[::2], parts[1::2], strict=True))


def message(part: str) -> Message:
    head, _, body = part.partition("\n\n")
    first_line, *lines = head.strip().split("\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Message(first_line, headers, body.removesuffix("\n\n").removesuffix("\n").encode())


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_a_talk_byte_by_byte(web: httpx.AsyncClient, clock: ManualClock, shop: ToyShop, dialect: Dialect) -> None:
    shop.names = ["Ndolé & Frères", "Crêpe «1»"]
    for request, answer in talk(dialect.name):
        clock.advance(seconds=3)
        method, path = request.first_line.split(" ", 1)
        got = await web.request(method, path, content=request.body or None, headers=request.headers)
        assert (got.content, f"{got.status_code}") == (answer.body, answer.first_line)
        assert {name: got.headers.get(name) for name in answer.headers} == answer.headers


def test_every_talk_closes_by_its_dialects_own_sign() -> None:
    """The last answer of each file is a page that ends the session, or the acknowledgement of its end."""
    assert {path.stem for path in (FIXTURES / "verbatim").iterdir()} == {dialect.name for dialect in DIALECTS}
    assert all(len(talk(dialect.name)) >= 5 for dialect in DIALECTS)
