"""What changes about places: where a person has had meals brought to."""

from uuid import UUID

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ColumnElement

from core.database import Tx
from core.errors import InvalidInput, NotFound
from marketplace.places.queries import Place, describe
from marketplace.places.tables import saved_place

SLOTS = (1, 2, 3)
DIRECTIONS_LENGTH = 60
NAME_LENGTH = 20


async def remember_place(tx: Tx, *, person_id: UUID, place: Place) -> int:
    """Keep `place` under a free slot, else in place of the one not used for longest; returns the slot.

    A place that is kept already stays where it is. Raises InvalidInput for directions that are too long and
    NotFound for what is no place.
    """
    if len(place.directions) > DIRECTIONS_LENGTH:
        raise InvalidInput(field="directions")
    await describe(tx, place)
    slot, name = await _slot_for(tx, person_id, place)
    row = {
        "quarter_id": place.quarter_id,
        "landmark_id": place.landmark_id,
        "directions": place.directions,
        "contact_phone": place.contact_phone,
        "name": name,
        "used_at": tx.now,
    }
    kept = insert(saved_place).values(person_id=person_id, slot=slot, **row)
    await tx.run(kept.on_conflict_do_update(index_elements=["person_id", "slot"], set_=row))
    return slot


async def name_place(tx: Tx, *, person_id: UUID, slot: int, name: str) -> None:
    """Call a saved place `name`, of at most 20 characters. Raises InvalidInput, NotFound."""
    if not 1 <= len(name) <= NAME_LENGTH:
        raise InvalidInput(field="name")
    if not await tx.run(update(saved_place).where(*_kept(person_id, slot)).values(name=name)):
        raise NotFound()


async def prefer_place(tx: Tx, *, person_id: UUID, slot: int) -> None:
    """Offer this place first from now on: it changes slots with what is first. Raises NotFound."""
    mine = select(saved_place).where(saved_place.c.person_id == person_id)
    rows = {row.slot: dict(row._mapping) for row in await tx.all(mine.order_by(saved_place.c.slot).with_for_update())}
    if slot not in rows:
        raise NotFound()
    first = min(rows)
    for target, source in ((first, slot), (slot, first)):
        moved = {**rows[source], "slot": target}
        await tx.run(update(saved_place).where(*_kept(person_id, target)).values(moved))


async def forget_place(tx: Tx, *, person_id: UUID, slot: int) -> None:
    """No longer offer this place. A repeat changes nothing."""
    await tx.run(delete(saved_place).where(*_kept(person_id, slot)))


def _kept(person_id: UUID, slot: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return saved_place.c.person_id == person_id, saved_place.c.slot == slot


async def _slot_for(tx: Tx, person_id: UUID, place: Place) -> tuple[int, str | None]:
    """The slot that holds this place, and its name; or a free one, or the one not used for longest."""
    rows = await tx.all(select(saved_place).where(saved_place.c.person_id == person_id).order_by(saved_place.c.used_at))
    for row in rows:
        if _same(tx, Place(row.quarter_id, row.landmark_id, row.directions, row.contact_phone), place):
            return row.slot, row.name
    free = [slot for slot in SLOTS if slot not in {row.slot for row in rows}]
    return (free[0] if free else rows[0].slot), None


def _same(tx: Tx, one: Place, other: Place) -> bool:
    """The phone to call is encrypted to other bytes each time: only its digits can be compared."""
    phones = [place.contact_phone and tx.keys.decrypt(place.contact_phone) for place in (one, other)]
    bare = [msgspec.structs.replace(place, contact_phone=None) for place in (one, other)]
    return bare[0] == bare[1] and phones[0] == phones[1]
