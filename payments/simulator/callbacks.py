"""What the networks tell the product: queued with the change that causes it, tried until it is heard."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from core.http import NoAnswer, NotSent
from payments.simulator import faults
from payments.simulator.networks import Networks


def enqueue(
    networks: Networks,
    name: str,
    path: str,
    fields: Mapping[str, object],
    *,
    encoding: str = "post-form",
    tries: int = 1,
    retry_seconds: float = 2.0,
) -> None:
    """Have `fields` sent to the product's `path`, up to `tries` times until it answers 200. Part of a block."""
    fault = faults.take(networks, name)
    copies = {"no_callback": 0, "duplicate_callback": 2}[fault.kind] if fault else 1
    for _ in range(copies):
        networks.store.insert(
            "callback",
            name=name,
            path=path,
            encoding=encoding,
            fields=msgspec.json.encode(fields).decode(),
            tries_left=tries,
            retry_seconds=retry_seconds,
            due_at=networks.now,
            state="waiting",
        )
    networks.work.set()


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
    fields = msgspec.json.decode(callback["fields"])
    heard = await _send(networks, callback["path"], callback["encoding"], fields)
    networks.store.run(
        """UPDATE callback SET tries_left = tries_left - 1, due_at = ? + retry_seconds,
               state = CASE WHEN ? THEN 'delivered' WHEN tries_left > 1 THEN 'waiting' ELSE 'given_up' END
           WHERE number = ?""",
        networks.now,
        heard,
        callback["number"],
    )
    networks.sending.discard(callback["number"])


async def _send(networks: Networks, path: str, encoding: str, fields: dict[str, object]) -> bool:
    """Whether the product answered 200."""
    try:
        if encoding == "get":
            answer = await networks.product.request("GET", path, params=fields)
        elif encoding == "post-json":
            answer = await networks.product.request("POST", path, json=fields)
        else:
            answer = await networks.product.request("POST", path, data=fields)
    except (NotSent, NoAnswer):
        return False
    return answer.status == 200


def counts(networks: Networks) -> dict[str, int]:
    """Callbacks by state: waiting, delivered, given_up."""
    rows = networks.store.all("SELECT state, count(*) FROM callback GROUP BY 1")
    return {"waiting": 0, "delivered": 0, "given_up": 0} | {row[0]: row[1] for row in rows}
