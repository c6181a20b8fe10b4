"""What drivers and customers are told about a delivery."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, select

from core.database import Tx
from core.sealed import seal
from marketplace.catalogue.tables import restaurant
from marketplace.delivery.states import CARRYING, FETCHING, JOB, State
from marketplace.delivery.tables import delivery, delivery_offer
from marketplace.ordering.tables import customer_order
from marketplace.places.tables import quarter


class Job(msgspec.Struct, frozen=True):
    """One delivery as a driver sees it: where from, where to, for how much."""

    delivery_id: UUID
    order_id: UUID
    number: int
    state: State
    driver_id: UUID | None
    restaurant_id: UUID
    restaurant_name: str
    from_zone_id: int
    from_quarter: str
    to_quarter: str
    place_label: str
    directions: str
    km: int
    pay_xaf: int
    customer_id: UUID
    contact_phone: str | None  # E.164; None: the customer's own
    tariff_version: int


_start, _end = quarter.alias("start"), quarter.alias("end_")


async def job(tx: Tx, delivery_id: UUID) -> Job:
    """One delivery with what belongs to it."""
    return _job(tx, await tx.one(_jobs().where(delivery.c.id == delivery_id)))


async def open_jobs(tx: Tx, *, driver_id: UUID, number: int | None = None) -> list[Job]:
    """What a driver holds now, oldest first; with `number` only that one."""
    wanted = _jobs().where(delivery.c.driver_id == driver_id, delivery.c.state.in_(JOB)).order_by(delivery.c.id)
    if number is not None:
        wanted = wanted.where(delivery.c.number == number)
    return [_job(tx, row) for row in await tx.all(wanted)]


async def open_offers(tx: Tx, *, driver_id: UUID) -> list[Job]:
    """What a driver may take now, the best paid first."""
    offered = _jobs().join(delivery_offer, delivery_offer.c.delivery_id == delivery.c.id)
    mine = delivery_offer.c.driver_id == driver_id, delivery_offer.c.state == "offered"
    live = delivery_offer.c.expires_at > tx.now, delivery.c.state == "OFFERING"
    order = customer_order.c.driver_pay_xaf.desc(), delivery.c.id
    return [_job(tx, row) for row in await tx.all(offered.where(*mine, *live).order_by(*order))]


async def delivery_code(tx: Tx, *, order_id: UUID) -> str | None:
    """The sealed code that the customer shows, or None while there is none."""
    row = await tx.first(
        select(delivery.c.id, delivery.c.code_nonce)
        .where(delivery.c.order_id == order_id, delivery.c.state.in_(CARRYING))
        .where(delivery.c.code_nonce.is_not(None))
    )
    return seal("delivery_code", code_ref(row)) if row else None


async def pickup_number(tx: Tx, *, order_id: UUID) -> str | None:
    """The sealed number that the restaurant gives the driver who comes, or None while nobody comes."""
    coming = select(delivery.c.id).where(delivery.c.order_id == order_id, delivery.c.state.in_(FETCHING))
    delivery_id = await tx.value(coming)
    return seal("pickup_number", delivery_id) if delivery_id else None


def code_ref(row: Row[Any]) -> str:
    """What the customer's code is derived from: a new nonce would be a new code."""
    return f"{row.id}.{row.code_nonce}"


def _jobs() -> Select[Any]:
    return (
        select(
            delivery.c.id.label("delivery_id"),
            delivery.c.order_id,
            delivery.c.number,
            delivery.c.state,
            delivery.c.driver_id,
            restaurant.c.id.label("restaurant_id"),
            restaurant.c.name.label("restaurant_name"),
            _start.c.zone_id.label("from_zone_id"),
            _start.c.name.label("from_quarter"),
            _end.c.name.label("to_quarter"),
            customer_order.c.place_label,
            customer_order.c.directions,
            customer_order.c.km,
            customer_order.c.driver_pay_xaf.label("pay_xaf"),
            customer_order.c.person_id.label("customer_id"),
            customer_order.c.contact_phone,
            customer_order.c.tariff_version,
        )
        .join(customer_order, customer_order.c.id == delivery.c.order_id)
        .join(restaurant, restaurant.c.id == customer_order.c.restaurant_id)
        .join(_start, _start.c.id == restaurant.c.quarter_id)
        .join(_end, _end.c.id == customer_order.c.quarter_id)
    )


def _job(tx: Tx, row: Row[Any]) -> Job:
    contact = tx.keys.decrypt(row.contact_phone) if row.contact_phone else None
    return Job(**{**row._mapping, "contact_phone": contact})
