"""Several phones fill one cart: a host opens a group, others add dishes by its number, the host orders and pays.

Everybody's dishes are rows of their own that only ever add up, so nothing is lost when two add at once; the group's row
keeps adding and closing apart.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.dialects import postgresql

from core.database import Tx
from core.errors import Conflict, NotFound
from core.ids import new_id, order_number
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.tables import dish
from marketplace.ordering import carts
from marketplace.ordering.carts import MOST_LINES, MOST_OF_ONE, Cart
from marketplace.ordering.errors import EmptyCart, NumbersExhausted
from marketplace.ordering.placing import NUMBER_TRIES
from marketplace.ordering.pricing import Line
from marketplace.ordering.tables import group_line, group_order
from marketplace.people.tables import person


class GroupOver(Conflict):
    """No open group has this number: ordered already, or too late."""

    text_key = "error.group_over"


class Group(msgspec.Struct, frozen=True):
    """An open group, where its dishes come from, and until when others may add."""

    id: UUID
    number: int
    host_id: UUID
    restaurant_id: UUID
    restaurant_name: str
    ends_at: datetime


class Portion(msgspec.Struct, frozen=True):
    """So many of a dish for whoever has a phone that ends in these two digits."""

    phone_end: str
    name: str
    quantity: int


async def open_group(tx: Tx, *, host_id: UUID, restaurant_id: UUID, lines: Sequence[Line]) -> Group:
    """A group with the host's own dishes in it; one they had opened before is closed. Raises what `add` raises."""
    over = group_order.c.host_id == host_id, group_order.c.state == "open"
    await tx.run(update(group_order).where(*over).values(state="closed"))
    group_id = await _numbered(tx, host_id, restaurant_id)
    await add(tx, group_id=group_id, person_id=host_id, lines=lines)
    return await _one(tx, group_order.c.id == group_id)


async def _numbered(tx: Tx, host_id: UUID, restaurant_id: UUID) -> UUID:
    """The row, under a number that no open group has; those that are too old give theirs back."""
    late = group_order.c.state == "open", group_order.c.ends_at <= tx.now
    oldest = select(group_order.c.id).where(*late).order_by(group_order.c.id).with_for_update(skip_locked=True)
    await tx.run(update(group_order).where(group_order.c.id.in_(oldest)).values(state="closed"))
    ends_at = tx.now + timedelta(minutes=tx.settings.group_minutes)
    row = {"id": new_id(), "host_id": host_id, "restaurant_id": restaurant_id, "state": "open", "ends_at": ends_at}
    for _ in range(NUMBER_TRIES):
        numbered = postgresql.insert(group_order).values(number=order_number(), **row).on_conflict_do_nothing()
        if await tx.run(numbered):
            return UUID(str(row["id"]))
    raise NumbersExhausted()


async def find(tx: Tx, *, number: int) -> Group:
    """The open group of this number. Raises GroupOver."""
    return await _one(tx, group_order.c.number == number)


async def of_host(tx: Tx, *, host_id: UUID) -> Group | None:
    """The group that this person has opened and not yet ordered."""
    try:
        return await _one(tx, group_order.c.host_id == host_id)
    except GroupOver:
        return None


async def portions(tx: Tx, *, group_id: UUID) -> list[Portion]:
    """Who wants what, in the order they came."""
    columns = person.c.phone, dish.c.name, group_line.c.quantity
    found = select(*columns).select_from(group_line.join(person).join(dish))
    rows = await tx.all(found.where(group_line.c.group_id == group_id).order_by(group_line.c.added_at, dish.c.number))
    return [Portion(tx.keys.decrypt(row.phone)[-2:], row.name, row.quantity) for row in rows]


async def add(tx: Tx, *, group_id: UUID, person_id: UUID, lines: Sequence[Line]) -> None:
    """Put dishes into the group, in this person's name.

    Raises GroupOver, NotFound for another menu's dish, EmptyCart for more than the host could order.
    """
    group = await tx.first(_open(tx, group_order.c.id == group_id).with_for_update(of=group_order))
    if group is None:
        raise GroupOver()
    menu = {known.id for known in await catalogue.dishes(tx, restaurant_id=group.restaurant_id)}
    for line in lines:
        if line.dish_id not in menu:
            raise NotFound()
        if not 1 <= line.quantity <= MOST_OF_ONE:
            raise EmptyCart(most=MOST_OF_ONE)
        row = {"group_id": group_id, "person_id": person_id, "dish_id": line.dish_id, "quantity": line.quantity}
        put = postgresql.insert(group_line).values(**row, added_at=tx.now)
        more = {"quantity": group_line.c.quantity + line.quantity}
        await tx.run(put.on_conflict_do_update(index_elements=["group_id", "person_id", "dish_id"], set_=more))
    await _require_one_order(tx, group_id)


async def _require_one_order(tx: Tx, group_id: UUID) -> None:
    """Raises EmptyCart when everybody's dishes together are more than a cart holds: the host could not close."""
    total = func.sum(group_line.c.quantity).label("quantity")
    dishes = await tx.all(select(total).where(group_line.c.group_id == group_id).group_by(group_line.c.dish_id))
    if len(dishes) > MOST_LINES or any(row.quantity > MOST_OF_ONE for row in dishes):
        raise EmptyCart(most=MOST_OF_ONE)


async def close(tx: Tx, *, group_id: UUID, host_id: UUID, channel: str) -> Cart:
    """Nobody adds any more: all dishes as the host's cart. Raises GroupOver, and what carts.save raises."""
    mine = group_order.c.id == group_id, group_order.c.host_id == host_id
    group = await tx.first(_open(tx, *mine).with_for_update(of=group_order))
    if group is None:
        raise GroupOver()
    await tx.run(update(group_order).where(group_order.c.id == group_id).values(state="closed"))
    total = func.sum(group_line.c.quantity).label("quantity")
    dishes = select(group_line.c.dish_id, total).where(group_line.c.group_id == group_id)
    rows = await tx.all(dishes.group_by(group_line.c.dish_id).order_by(func.min(group_line.c.added_at)))
    lines = [Line(row.dish_id, int(row.quantity)) for row in rows]
    cart = {"restaurant_id": group.restaurant_id, "lines": lines, "place": None, "channel": channel}
    return await carts.save(tx, person_id=host_id, **cart)


async def _one(tx: Tx, condition: ColumnElement[bool]) -> Group:
    """Raises GroupOver."""
    row = await tx.first(_open(tx, condition))
    if row is None:
        raise GroupOver()
    restaurant = await catalogue.get_restaurant(tx, restaurant_id=row.restaurant_id)
    return Group(row.id, row.number, row.host_id, row.restaurant_id, restaurant.name, row.ends_at)


def _open(tx: Tx, *conditions: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    live = group_order.c.state == "open", group_order.c.ends_at > tx.now
    return select(group_order).where(*conditions, *live)
