"""The one way a delivery changes its state: locked, allowed by the table, and told in its history."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from core.database import Tx
from marketplace.delivery.errors import WrongMoment
from marketplace.delivery.states import TRANSITIONS, State
from marketplace.delivery.tables import delivery, delivery_event
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
    await note(tx, delivery_id, before.state, to, actor=actor, **details)
    return await tx.one(
        update(delivery).where(delivery.c.id == delivery_id).values(state=to, **(changes or {})).returning(delivery)
    )


async def note(tx: Tx, delivery_id: UUID, came_from: State, to: State, *, actor: str, **details: str | int) -> None:
    """Write into the delivery's history."""
    event = {"delivery_id": delivery_id, "from_state": came_from, "to_state": to, "actor": actor, "at": tx.now}
    await tx.run(insert(delivery_event).values(**event, details=details))
