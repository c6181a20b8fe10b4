"""The other side of a dialect: an aggregator that writes and reads by its table, and the phones behind it."""

import itertools
from pathlib import Path
from typing import NamedTuple

import httpx

from channels.ussd.dialect import Dialect
from core.clock import ManualClock
from payments.simulator.aggregators.wire import BadAnswer, Wire

FIXTURES = Path(__file__).parent / "fixtures"
CODE = "*237*1#"
PHONE = "+237670000001"

_sessions = itertools.count(1)


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

    def __init__(self, web: httpx.AsyncClient, clock: ManualClock, dialect: Dialect, table: Wire, secret: str) -> None:
        self.web, self.clock, self.dialect, self.table = web, clock, dialect, table
        self.path = f"/ussd/{dialect.name}/{secret}"

    def handset(self, phone: str = PHONE) -> "Handset":
        return Handset(self, phone)

    async def send(self, request: Request) -> Shown:
        wire = await self.web.send(self.request(request))
        try:
            shown = self.table.read(wire.status_code, wire.headers, wire.text, request.values)
        except BadAnswer as problem:
            raise AssertionError(f"{self.dialect.name}: {problem}: {wire.text!r}") from None
        return Shown(*shown, wire)

    def request(self, request: Request) -> httpx.Request:
        """The HTTP request, with every value written as its place asks."""
        sent = self.table.request(request.kind, request.values)
        return self.web.build_request(
            sent.method, self.path + sent.path, content=sent.body.encode() or None, headers=sent.headers
        )


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
        """What the tables may name."""
        return {
            "code": CODE,
            "bare": CODE.strip("*#"),
            "session": self.session,
            "phone": self.phone,
            "digits": self.phone.removeprefix("+"),
            "transcript": "*".join(self.inputs),
            "turn": str(self.turn),
            "next": str(self.turn + 1),
            "network": "62401",
            "label": "",
            "date": "2026-11-21 11:00:00",
            "time": "2026/11/21 11:00:00",
            "status": "Incomplete",
            "duration_ms": "21000",
            "hops": "2",
            "labels": "home|order.restaurant",
            "answer": "CON Restaurant?",
            "error": "The user cancelled the session",
            **more,
        }

    async def _send(self, kind: str, **more: str) -> Shown:
        self.aggregator.clock.advance(seconds=3)
        self.turn += 1
        self.last = Request(kind, self.values(**more))
        return await self.aggregator.send(self.last)
