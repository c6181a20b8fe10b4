"""What the networks tell the product: queued with the change that causes it, tried until it is heard."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from core.http import NoAnswer, NotSent
from payments.simulator import faults
from payments.simulator.networks import Networks

JSON = "application/json; charset=UTF-8"
_METHODS = {"get": "GET", "put-json": "PUT"}
_OPPOSITE = {"SUCCESSFUL": "FAILED", "COMPLETED": "FAILED", "FAILED": "SUCCESSFUL"}

# Headers that prove a callback: of (networks, method, url, body).
Sign: TypeAlias = Callable[[Networks, str, str, bytes], Mapping[str, str]]


def _unsigned(_: Networks, _method: str, _url: str, _body: bytes) -> Mapping[str, str]:
    return {}


def enqueue(
    networks: Networks,
    name: str,
    path: str,
    fields: Mapping[str, object],
    *,
    encoding: str = "post-form",
    tries: int = 1,
    retry_seconds: float = 2.0,
    sign: Sign = _unsigned,
) -> None:
    """Have `fields` sent to the product's `path`, up to `tries` times until it answers 200. Part of a block.

    `path` may be a whole URL. What else is sent, or is not, is for the faults to say.
    """
    fault = faults.take(networks, name)
    wait = fault.seconds if fault and fault.kind == "late_callback" else 0.0
    for said in _versions(fault.kind if fault else "", fields):
        body = msgspec.json.encode(said)
        headers = dict(sign(networks, _METHODS.get(encoding, "POST"), _url(networks, path), body))
        if fault and fault.kind == "forged_callback" and said is not fields:
            headers = {header: value[::-1] for header, value in headers.items()}
        networks.store.insert(
            "callback",
            name=name,
            path=path,
            encoding=encoding,
            fields=body.decode(),
            headers=msgspec.json.encode(headers).decode(),
            tries_left=tries,
            retry_seconds=retry_seconds,
            due_at=networks.now + wait,
            state="waiting",
        )
    networks.work.set()


def _versions(fault: str, fields: Mapping[str, object]) -> list[Mapping[str, object]]:
    """What is sent instead of `fields`, in order."""
    match fault:
        case "no_callback":
            return []
        case "duplicate_callback":
            return [fields, fields]
        case "lying_callback":  # by the provider itself, rightly signed
            return [_contradicting(fields), fields]
        case "forged_callback":  # by somebody else
            return [_contradicting(fields) | _broken_signature(fields), fields]
        case _:
            return [fields]


def _contradicting(fields: Mapping[str, object]) -> dict[str, object]:
    status = str(fields.get("status"))
    return {**fields, "status": _OPPOSITE.get(status, status)}


def _broken_signature(fields: Mapping[str, object]) -> dict[str, object]:
    return {"signature": str(fields["signature"])[::-1]} if "signature" in fields else {}


def _url(networks: Networks, path: str) -> str:
    return path if "://" in path else f"{networks.settings.product_url.rstrip('/')}{path}"


def start_due(networks: Networks, tasks: asyncio.TaskGroup) -> None:
    """Send what is due, each in its own task: one that hangs does not hold up the others."""
    due = networks.store.all(
        "SELECT * FROM callback WHERE state = 'waiting' AND due_at <= ? ORDER BY number", networks.now
    )
    for row in due:
        if row["number"] not in networks.sending:
            networks.sending.add(row["number"])
            tasks.create_task(_deliver(networks, dict(row)))


async def _deliver(networks: Networks, callback: dict[str, Any]) -> None:
    heard = await _send(networks, callback)
    networks.store.run(
        """UPDATE callback SET tries_left = tries_left - 1, due_at = ? + retry_seconds,
               state = CASE WHEN ? THEN 'delivered' WHEN tries_left > 1 THEN 'waiting' ELSE 'given_up' END
           WHERE number = ?""",
        networks.now,
        heard,
        callback["number"],
    )
    networks.sending.discard(callback["number"])


async def _send(networks: Networks, callback: Mapping[str, Any]) -> bool:
    """Whether the product has heard it."""
    encoding, content = callback["encoding"], callback["fields"]
    said: dict[str, Any]
    if encoding.endswith("json"):
        said = {"content": content, "headers": {"content-type": JSON, **msgspec.json.decode(callback["headers"])}}
    else:
        said = {"params" if encoding == "get" else "data": msgspec.json.decode(content)}
    try:
        answer = await networks.product.request(_METHODS.get(encoding, "POST"), callback["path"], **said)
    except (NotSent, NoAnswer):
        return False
    return answer.status in (200, 204)


def counts(networks: Networks) -> dict[str, int]:
    """Callbacks by state: waiting, delivered, given_up."""
    rows = networks.store.all("SELECT state, count(*) FROM callback GROUP BY 1")
    return {"waiting": 0, "delivered": 0, "given_up": 0} | {row[0]: row[1] for row in rows}
