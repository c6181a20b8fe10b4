"""Stands between a provider's endpoints and the wire, and spoils the answers that the faults point at."""

import asyncio
from decimal import Decimal
from typing import Any, cast

import msgspec
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from payments.simulator import faults
from payments.simulator.faults import Fault
from payments.simulator.networks import Networks

# Providers that document what a repeat does: nothing, and this is what they then answer. Others are silent about it.
_IGNORES_REPEATS = ("pawapay.", "mtn.")
_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
_BARE_CONFLICT = b'{"message":"Duplicate external reference"}'
_JSON, _TEXT_HTML = b"application/json", b"text/html"


class FaultyAnswers(ASGIMiddleware):
    """Asks the faults what happens to each call, by the `call` that its route is named with."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        networks: Networks = scope["litestar_app"].state.networks
        call = str(scope["route_handler"].opt.get("call", ""))
        fault = faults.take(networks, call) if call else None
        if fault is None:
            await next_app(scope, receive, send)
        else:
            await _spoil(fault, _Exchange(scope, receive, send, next_app))


class _Exchange:
    """One request, which may be given to the application more than once, and what becomes of its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._app = app
        self._request: list[Any] = []

    async def carry_out(self) -> list[Message]:
        """Let the application have its effect; its answer, sent to nobody."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._read()
        request = iter(self._request)

        async def replay() -> Any:
            return next(request, {"type": "http.disconnect"})

        # Litestar remembers the body in the scope's state: a repeat must bring its own.
        scope: Any = {**self._scope, "state": dict(self._scope["state"])}
        await self._app(scope, replay, keep)
        return answer

    async def _read(self) -> None:
        while not self._request or self._request[-1].get("more_body"):
            self._request.append(await self._receive())

    async def pass_on(self, answer: list[Message]) -> None:
        for message in answer:
            await self._send(message)

    async def answer(self, status: int, content_type: bytes, body: bytes) -> None:
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def break_off(self) -> None:
        """Promise a body and send none: the server closes the connection, and the client cannot know what happened."""
        headers = [(b"content-type", _JSON), (b"content-length", b"2")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})


async def _spoil(fault: Fault, exchange: _Exchange) -> None:
    if fault.kind == "lose_before":
        await exchange.break_off()
        return
    if fault.kind == "html_before":
        await exchange.answer(502, _TEXT_HTML, _HTML)
        return
    answer = await exchange.carry_out()
    match fault.kind:
        case "lose_after":
            await exchange.break_off()
        case "html_after":
            await exchange.answer(502, _TEXT_HTML, _HTML)
        case "hold":
            await asyncio.sleep(fault.seconds)
            await exchange.pass_on(answer)
        case "conflict" if fault.call.startswith(_IGNORES_REPEATS):
            await exchange.pass_on(await exchange.carry_out())
        case "conflict":
            await exchange.answer(409, _JSON, _BARE_CONFLICT)
        case _:
            await exchange.answer(_status(answer), _JSON, _misspelt(_body(answer), fault.kind))


def _status(answer: list[Message]) -> int:
    return int(cast("Any", answer[0])["status"])


def _body(answer: list[Message]) -> bytes:
    return b"".join(cast("Any", message).get("body", b"") for message in answer)


def _misspelt(body: bytes, kind: str) -> bytes:
    """A movement as nobody documented it, with its status or its amount spelt in a way that was seen elsewhere."""
    shown: Any = msgspec.json.decode(body)
    movement = shown.get("data", shown)
    if kind == "unknown_word" and "amount" in movement:
        movement["status"] = "AWAITING_OPERATOR"
    elif kind == "amount_none" and "amount" in movement:
        movement["amount"] = "None"
    elif "amount" in movement:
        movement["amount"] = f"{int(Decimal(str(movement['amount'])))}.0000000000000001"
    return msgspec.json.encode(shown)
