"""Faults on order: the answer that gets lost, the one that hangs, the callback that never comes or comes twice.

A fault is asked for by the name of a call and used up by the next `count` calls of that name, so that a
test says what goes wrong and when, and nothing is left to chance.
"""

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from payments.simulator.networks import Networks

AnswerFault = Literal["lose_before", "lose_after", "hold"]  # before or after the effect; hold answers late
CallbackFault = Literal["no_callback", "duplicate_callback"]

ANSWERS = (
    "campay.token", "campay.collect", "campay.transaction", "campay.withdraw", "campay.balance", "campay.history",
    "campay.holder_info", "africastalking.messaging",
)  # fmt: skip
CALLBACKS = ("campay.callback", "africastalking.incoming", "africastalking.report", "ussd.event")
BUSY_HANDSETS = "busy_handset_fails"


class Fault(msgspec.Struct, frozen=True):
    """`kind` happens to the next `count` calls named `call`; `seconds` is how long `hold` holds."""

    call: str
    kind: AnswerFault | CallbackFault
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0

    def __post_init__(self) -> None:
        named = CALLBACKS if self.kind in ("no_callback", "duplicate_callback") else ANSWERS
        if self.call not in named:
            raise ValueError(f"{self.kind} happens to one of: {', '.join(named)}")


class Misbehaviour(msgspec.Struct, frozen=True):
    """All that goes wrong at the moment."""

    faults: list[Fault] = []
    busy_handset_fails: bool = True  # one handset, one dialogue: a prompt during a USSD session fails


def replace(networks: Networks, wanted: Misbehaviour) -> None:
    """Forget all faults and take these."""
    store = networks.store
    with store.block():
        store.run("DELETE FROM fault")
        for fault in wanted.faults:
            store.insert("fault", call=fault.call, kind=fault.kind, left=fault.count, seconds=fault.seconds)
        store.run("INSERT OR REPLACE INTO switch VALUES (?, ?)", BUSY_HANDSETS, wanted.busy_handset_fails)


def current(networks: Networks) -> Misbehaviour:
    """What is left of what was asked for."""
    rows = networks.store.all("SELECT * FROM fault WHERE left > 0 ORDER BY number")
    faults = [Fault(row["call"], row["kind"], row["left"], row["seconds"]) for row in rows]
    return Misbehaviour(faults, busy_handset_fails(networks))


def busy_handset_fails(networks: Networks) -> bool:
    enabled = networks.store.value("SELECT enabled FROM switch WHERE name = ?", BUSY_HANDSETS)
    return enabled is None or bool(enabled)


def take(networks: Networks, call: str) -> Fault | None:
    """Use up one fault of `call`, the oldest first."""
    row = networks.store.first("SELECT * FROM fault WHERE call = ? AND left > 0 ORDER BY number LIMIT 1", call)
    if row is None:
        return None
    networks.store.run("UPDATE fault SET left = left - 1 WHERE number = ?", row["number"])
    return Fault(row["call"], row["kind"], 1, row["seconds"])


class FaultyAnswers(ASGIMiddleware):
    """Stands between a provider's endpoints and the wire, and spoils the answers that were asked for."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        networks: Networks = scope["litestar_app"].state.networks
        fault = take(networks, _name(scope["path"]))
        if fault is None:
            await next_app(scope, receive, send)
            return
        answer: list[Message] = []
        if fault.kind != "lose_before":
            await next_app(scope, receive, _collect(answer))
        if fault.kind == "hold":
            await asyncio.sleep(fault.seconds)
            for message in answer:
                await send(message)
            return
        await _break_off(send)


def _name(path: str) -> str:
    """`/campay/api/transaction/8c…/` -> `campay.transaction`"""
    provider, _, *call = path.strip("/").split("/")
    return f"{provider}.{call[0]}" if call else provider


def _collect(into: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        into.append(message)

    return keep


async def _break_off(send: Send) -> None:
    """Promise a body and send none: the server closes the connection, and the client cannot know what happened."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
