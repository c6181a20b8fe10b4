"""The one way an order changes its state: row lock, table of transitions, next deadline, event row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, update

from core.database import Tx
from core.errors import NotFound
from core.money import basis_points
from marketplace.ordering.errors import WrongState
from marketplace.ordering.states import TRANSITIONS, State, nothing_came, schedule
from marketplace.ordering.tables import customer_order, order_event
from marketplace.promotions import service as promotions


class OrderRow(msgspec.Struct, frozen=True):
    """An order as its row stands; see tables.customer_order for the fields."""

    id: UUID
    number: int
    state: State
    state_since: datetime
    due_step: int
    person_id: UUID
    payer_id: UUID
    restaurant_id: UUID
    items_xaf: int
    delivery_xaf: int
    tax_xaf: int
    discount_xaf: int
    discount_funder: str | None
    tip_xaf: int
    total_xaf: int
    commission_bp: int
    driver_pay_xaf: int
    km: int
    deliver_at: datetime | None
    offer_at: datetime | None
    placed_at: datetime

    @property
    def food_xaf(self) -> int:
        """What the dishes are sold for, whoever pays it: without what the restaurant itself takes off."""
        return self.items_xaf - (self.discount_xaf if self.discount_funder == "restaurant" else 0)

    @property
    def sponsored_xaf(self) -> int:
        """What the platform pays of it, once the food is cooked."""
        return self.discount_xaf if self.discount_funder == "platform" else 0

    @property
    def commission_xaf(self) -> int:
        """The platform's part of the dishes, rounded down (D7)."""
        return basis_points(self.food_xaf, self.commission_bp)


COLUMNS = [customer_order.c[name] for name in OrderRow.__struct_fields__]


async def lock(tx: Tx, order_id: UUID) -> OrderRow:
    """The order, kept as it is until this transaction ends. Raises NotFound."""
    row = await tx.first(select(*COLUMNS).where(customer_order.c.id == order_id).with_for_update())
    if row is None:
        raise NotFound()
    return OrderRow(**row._mapping)


async def move(
    tx: Tx, *, order_id: UUID, to: State, actor: str, changes: Mapping[str, Any] | None = None, **details: str | int
) -> OrderRow:
    """Bring the order to state `to`; the row as it then stands, locked.

    `actor` is a role or `role:id`, `changes` are further columns to set, `details` go into the event: none of
    them holds personal data. Raises WrongState where the table does not lead from here to there, NotFound.
    """
    order = await lock(tx, order_id)
    if to not in TRANSITIONS[order.state]:
        raise WrongState(number=order.number, state=order.state)
    later = schedule(tx.settings, to)
    fields: dict[str, Any] = {
        "state": to,
        "state_since": tx.now,
        "due_step": 0,
        "due_at": tx.now + later[0] if later else None,
    }
    moved = update(customer_order).where(customer_order.c.id == order_id).values({**fields, **(changes or {})})
    row = await tx.one(moved.returning(*COLUMNS))
    await record(tx, order_id=order_id, came_from=order.state, to=to, actor=actor, details=details)
    if order.discount_xaf and nothing_came(order.state, to):
        await promotions.release(tx, order_id=order_id)
    return OrderRow(**row._mapping)


async def record(
    tx: Tx, *, order_id: UUID, came_from: State, to: State, actor: str, details: Mapping[str, str | int]
) -> None:
    """Write the event row of one change of state."""
    event = {"order_id": order_id, "from_state": came_from, "to_state": to, "actor": actor, "at": tx.now}
    await tx.run(insert(order_event).values(**event, details=dict(details)))
