"""What customers ask of support: to be called back, or to have an order looked at. Each case has a number."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, select, update

from core.database import Tx
from core.errors import InvalidInput, NotFound
from marketplace.catalogue.tables import restaurant
from marketplace.notifications.rendering import Params, dial_of
from marketplace.notifications.service import notify
from marketplace.ordering import service as ordering
from marketplace.ordering.states import State
from marketplace.ordering.tables import customer_order
from marketplace.ordering.transitions import lock
from marketplace.people import service as people
from marketplace.people.tables import person
from marketplace.support.cases import open_case
from marketplace.support.tables import support_case

CALL_BACK, COMPLAINT = "call_back", "complaint"
# What may be wrong with an order, as a customer says it.
REASONS = ("not_received", "wrong", "quality", "payment")
NOT_RECEIVED = "not_received"

# How long an order may be complained about, and a case is shown after it was opened.
ORDER_DAYS, CASE_DAYS = timedelta(days=7), timedelta(days=30)
MOST_SHOWN = 5


class Case(msgspec.Struct, frozen=True):
    """A customer's case: `order_number` is of the order it is about, `closed_at` says that it has been dealt with."""

    number: int
    kind: str
    order_number: int | None
    opened_at: datetime
    closed_at: datetime | None


class OpenCase(msgspec.Struct, frozen=True):
    """A case as support sees it. `phone` (E.164) is of the customer who asked; it is for the eyes of who calls them."""

    number: int
    kind: str
    opened_at: datetime
    closed_at: datetime | None
    order_id: UUID | None
    order_number: int | None
    order_state: str | None
    details: dict[str, str | int]
    phone: str | None


class Complainable(msgspec.Struct, frozen=True):
    """An order that may be complained about."""

    id: UUID
    number: int
    restaurant_name: str
    state: State


async def ask_call_back(tx: Tx, *, person_id: UUID) -> Case:
    """Somebody is to call this person; asked again while that is open, it is the same case."""
    await open_case(tx, CALL_BACK, person_id=person_id)
    return await _open(tx, person_id, CALL_BACK, None)


async def complain(tx: Tx, *, person_id: UUID, order_id: UUID, reason: str) -> Case:
    """Something is wrong with an order: one case an order, for one of REASONS.

    A meal that should long be there and is not becomes a dispute: nobody is paid for it until support has decided.
    Raises InvalidInput, NotFound when the order is not this customer's or too old.
    """
    if reason not in REASONS:
        raise InvalidInput(field="reason")
    found = await tx.first(
        _orders(tx, person_id)
        .where(customer_order.c.id == order_id)
        .add_columns(customer_order.c.state_since)
        .with_for_update(of=customer_order)
    )
    if found is None:
        raise NotFound()
    if reason == NOT_RECEIVED and _is_overdue(tx, found.state, found.state_since):
        await ordering.dispute(tx, order_id=order_id, actor="customer")
    await open_case(tx, COMPLAINT, person_id=person_id, order_id=order_id, reason=reason, state=found.state)
    return await _open(tx, person_id, COMPLAINT, order_id)


async def close(tx: Tx, *, number: int, staff_id: UUID) -> None:
    """It has been dealt with; the customer is told. A closed case stays as it is. Raises NotFound."""
    row = await tx.first(select(support_case).where(support_case.c.number == number).with_for_update())
    if row is None:
        raise NotFound()
    if row.closed_at is not None:
        return
    values = {"closed_at": tx.now, "details": {**row.details, "closed_by": str(staff_id)}}
    await tx.run(update(support_case).where(support_case.c.id == row.id).values(values))
    if row.person_id is not None:
        holder = await people.get(tx, person_id=row.person_id)
        params: Params = {"number": number, "dial": dial_of(tx.settings, "8")}
        await notify(
            tx, phone=holder.phone, language=holder.language, key="sms.case_closed", params=params, about=row.id
        )


async def decide(tx: Tx, *, number: int, staff_id: UUID, refund: bool) -> None:
    """End the dispute that a case is about, and the case: the payer gets everything back, or everyone else is paid.

    Posts a journal: call it last. Raises NotFound, and WrongState when the order is not in dispute.
    """
    found = await get(tx, number=number)
    if found.order_id is None:
        raise NotFound()
    await lock(tx, found.order_id)  # before its case, as who complains does
    await close(tx, number=number, staff_id=staff_id)
    await ordering.resolve(tx, order_id=found.order_id, staff_id=staff_id, refund=refund)


async def open_cases(tx: Tx) -> list[OpenCase]:
    """Everything that waits for somebody, the oldest first: what customers ask, and what the service has found."""
    rows = await tx.all(_all().where(support_case.c.closed_at.is_(None)).order_by(support_case.c.number))
    return [_open_case(tx, row) for row in rows]


async def get(tx: Tx, *, number: int) -> OpenCase:
    """One case. Raises NotFound."""
    row = await tx.first(_all().where(support_case.c.number == number))
    if row is None:
        raise NotFound()
    return _open_case(tx, row)


async def cases(tx: Tx, *, person_id: UUID) -> list[Case]:
    """The person's cases of the last days, newest first."""
    recent = support_case.c.opened_at > tx.now - CASE_DAYS
    rows = await tx.all(_cases(person_id).where(recent).order_by(support_case.c.number.desc()).limit(MOST_SHOWN))
    return [_case(row) for row in rows]


async def complainable(tx: Tx, *, person_id: UUID) -> list[Complainable]:
    """The person's orders of the last days, newest first."""
    rows = await tx.all(_orders(tx, person_id).order_by(customer_order.c.placed_at.desc()).limit(MOST_SHOWN))
    return [Complainable(**row._mapping) for row in rows]


def _is_overdue(tx: Tx, state: State, since: datetime) -> bool:
    """On its way for so long that we have asked ourselves whether it came (D19)."""
    return state == "PICKED_UP" and since <= tx.now - timedelta(minutes=tx.settings.handover_reminder_minutes)


async def _open(tx: Tx, person_id: UUID, kind: str, order_id: UUID | None) -> Case:
    wanted = support_case.c.kind == kind, support_case.c.closed_at.is_(None)
    about = support_case.c.order_id.is_not_distinct_from(order_id)
    return _case(await tx.one(_cases(person_id).where(*wanted, about)))


def _cases(person_id: UUID) -> Select[Any]:
    return (
        select(support_case, customer_order.c.number.label("order_number"))
        .outerjoin(customer_order, customer_order.c.id == support_case.c.order_id)
        .where(support_case.c.person_id == person_id)
    )


def _orders(tx: Tx, person_id: UUID) -> Select[Any]:
    columns = (
        customer_order.c.id,
        customer_order.c.number,
        restaurant.c.name.label("restaurant_name"),
        customer_order.c.state,
    )
    mine = customer_order.c.person_id == person_id, customer_order.c.placed_at > tx.now - ORDER_DAYS
    return select(*columns).join(restaurant, restaurant.c.id == customer_order.c.restaurant_id).where(*mine)


def _case(row: Row[Any]) -> Case:
    return Case(row.number, row.kind, row.order_number, row.opened_at, row.closed_at)


def _all() -> Select[Any]:
    return (
        select(
            support_case,
            customer_order.c.number.label("order_number"),
            customer_order.c.state.label("order_state"),
            person.c.phone,
        )
        .outerjoin(customer_order, customer_order.c.id == support_case.c.order_id)
        .outerjoin(person, person.c.id == support_case.c.person_id)
    )


def _open_case(tx: Tx, row: Row[Any]) -> OpenCase:
    phone = tx.keys.decrypt(row.phone) if row.phone else None
    same = {name: row._mapping[name] for name in OpenCase.__struct_fields__ if name != "phone"}
    return OpenCase(**same, phone=phone)
