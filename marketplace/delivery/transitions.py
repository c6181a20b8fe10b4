"""The one way a delivery changes its state: locked, allowed by the table, and told in its history."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.ids import new_id
from marketplace.delivery.errors import WrongMoment
from marketplace.delivery.states import TRANSITIONS, State
from marketplace.delivery.tables import delivery, delivery_event, support_case
from marketplace.ordering import transitions as orders


async def lock(tx: Tx, delivery_id: UUID) -> Row[Any]:
    """The delivery, ours until the transaction ends."""
    return await tx.one(select(delivery).where(delivery.c.id == delivery_id).with_for_update())


async def lock_with_order(tx: Tx, *, order_id: UUID, delivery_id: UUID) -> Row[Any]:
    """The same for changes that move the order too: the order comes first, here as in `ordering`."""
    await orders.lock(tx, order_id)
    return await lock(tx, delivery_id)


async def move(
    tx: Tx, *, delivery_id: UUID, to: State, actor: str, changes: Mapping[str, Any] | None = None, **details: str | int
) -> Row[Any]:
    """Bring the delivery to state `to`; the row as it then stands, locked.

    `actor` is a role or `role:id`, `changes` are further columns to set, `details` go into the event. Raises
    WrongMoment where the table does not lead from here to there.
    """
    before = await lock(tx, delivery_id)
    if to not in TRANSITIONS[before.state]:
        raise WrongMoment(number=before.number)
    event = {
        "delivery_id": delivery_id,
        "from_state": before.state,
        "to_state": to,
        "actor": actor,
        "details": details,
        "at": tx.now,
    }
    await tx.run(insert(delivery_event).values(event))
    return await tx.one(
        update(delivery).where(delivery.c.id == delivery_id).values(state=to, **(changes or {})).returning(delivery)
    )


async def open_case(
    tx: Tx, kind: str, *, delivery_id: UUID | None = None, driver_id: UUID | None = None, **details: str | int
) -> None:
    """Put something on operations' list, once while it is open."""
    row = {
        "id": new_id(),
        "kind": kind,
        "delivery_id": delivery_id,
        "driver_id": driver_id,
        "details": details,
        "opened_at": tx.now,
    }
    await tx.run(insert(support_case).values(row).on_conflict_do_nothing())
