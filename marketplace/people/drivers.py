"""Drivers: persons who carry meals. Their presence and offers are delivery's business."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import select

from core.database import Tx
from core.errors import NotFound
from marketplace.people.tables import driver, person


class Driver(msgspec.Struct, frozen=True):
    """`state` is on or off; `quarter_id` is where they said they are."""

    id: UUID
    person_id: UUID
    phone: str
    name: str | None
    language: str | None
    state: str
    quarter_id: int | None
    last_seen_at: datetime | None
    ignored_offers: int
    rating: float


async def get_driver(tx: Tx, *, driver_id: UUID) -> Driver:
    """Raises NotFound."""
    columns = (driver, person.c.phone, person.c.name, person.c.language)
    row = await tx.first(select(*columns).join(person).where(driver.c.id == driver_id))
    if row is None:
        raise NotFound()
    return Driver(
        id=row.id,
        person_id=row.person_id,
        phone=tx.keys.decrypt(row.phone),
        name=row.name,
        language=row.language,
        state=row.state,
        quarter_id=row.quarter_id,
        last_seen_at=row.last_seen_at,
        ignored_offers=row.ignored_offers,
        rating=row.rating,
    )
