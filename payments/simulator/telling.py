"""What a USSD session has to say of itself: the values that its table asks for, and how its end is told."""

import sqlite3
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from payments.simulator import callbacks
from payments.simulator.africastalking import network_code
from payments.simulator.aggregators import AGGREGATORS
from payments.simulator.aggregators.wire import Sent
from payments.simulator.networks import Networks, spaced

STEP_HEADER = "at-ussd-hop-metadata"
_ENCODINGS = {"query": "get", "form": "post-form", "json": "post-json"}


def values(networks: Networks, session: sqlite3.Row, **said: str) -> dict[str, str]:
    """Everything that a table may name, as it is now. `status` and `error` tell of an end, `typed` is the newest input.

    Among them is what Africa's Talking's end event repeats of all that was typed: the contract's trap for secrets.
    """
    code, hops = networks.settings.service_code, unpacked(session["hops"])
    return {
        "session": session["id"],
        "phone": session["phone"],
        "digits": session["phone"].removeprefix("+"),
        "network": network_code(session["phone"]),
        "code": code,
        "bare": code.strip("*#"),
        "transcript": "*".join(unpacked(session["inputs"])),
        "turn": str(len(hops) + 1),
        "next": str(len(hops) + 1),
        "date": spaced(networks.now),
        "time": datetime.fromtimestamp(networks.now, UTC).strftime("%Y/%m/%d %H:%M:%S"),
        "duration_ms": str(int((networks.now - session["started_at"]) * 1000)),
        "hops": str(len(hops)),
        "labels": "|".join(hops),
        "label": hops[-1] if hops else "",
        "answer": session["answer"],
        **said,
    }


def end(networks: Networks, session: sqlite3.Row, kind: str, *, status: str, error: str) -> None:
    """Tell the product that a session is over, as `kind` or as `over`; an aggregator that never does is silent."""
    dialect = session["dialect"]
    wire = AGGREGATORS[dialect]
    told = kind if kind in wire.asks else "over"
    if told not in wire.asks or (kind == "done" and told != kind):
        return
    sent = wire.request(told, values(networks, session, status=status, error=error))
    path = f"/ussd/{dialect}/{networks.settings.ussd_secret_of(dialect)}{sent.path}"
    callbacks.enqueue(networks, "ussd.event", path, _fields(sent.body, wire.sends), encoding=_ENCODINGS[wire.sends])


def _fields(body: str, sends: str) -> dict[str, object]:
    if sends == "json":
        return msgspec.json.decode(body, type=dict[str, object])
    return dict(parse_qsl(body, keep_blank_values=True))


def packed(texts: list[str]) -> str:
    """A list as a session keeps it."""
    return msgspec.json.encode(texts).decode()


def unpacked(kept: str) -> list[str]:
    """What `packed` has kept."""
    return msgspec.json.decode(kept, type=list[str])


def packed_sent(sent: Sent) -> str:
    """A request as a session keeps it."""
    return msgspec.json.encode(sent).decode()


def read_sent(kept: str) -> Sent:
    """What `packed_sent` has kept."""
    return msgspec.json.decode(kept, type=Sent)
