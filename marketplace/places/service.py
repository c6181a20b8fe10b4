"""What changes about places: where a person has had meals brought to."""

from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.errors import InvalidInput
from marketplace.places.queries import Place, describe, saved_places
from marketplace.places.tables import saved_place

SLOTS = (1, 2, 3)
DIRECTIONS_LENGTH = 60


async def remember_place(tx: Tx, *, person_id: UUID, place: Place) -> int:
    """Keep `place` under a free slot, else in place of the one not used for longest; returns the slot.

    A place that is kept already stays where it is. Raises InvalidInput for directions that are too long and
    NotFound for what is no place.
    """
    if len(place.directions) > DIRECTIONS_LENGTH:
        raise InvalidInput(field="directions")
    await describe(tx, place)
    slot = await _slot_for(tx, person_id, place)
    row = {
        "quarter_id": place.quarter_id,
        "landmark_id": place.landmark_id,
        "directions": place.directions,
        "contact_phone": place.contact_phone,
        "used_at": tx.now,
    }
    kept = insert(saved_place).values(person_id=person_id, slot=slot, **row)
    await tx.run(kept.on_conflict_do_update(index_elements=["person_id", "slot"], set_=row))
    return slot


async def _slot_for(tx: Tx, person_id: UUID, place: Place) -> int:
    """The slot that holds this place, a free one, or the one not used for longest."""
    saved = {known.slot: known.place for known in await saved_places(tx, person_id=person_id)}
    for slot, known in saved.items():
        if _same(tx, known, place):
            return slot
    free = [slot for slot in SLOTS if slot not in saved]
    if free:
        return free[0]
    oldest = select(saved_place.c.slot).where(saved_place.c.person_id == person_id).order_by(saved_place.c.used_at)
    return int(await tx.value(oldest.limit(1)))


def _same(tx: Tx, one: Place, other: Place) -> bool:
    """The phone to call is encrypted to other bytes each time: only its digits can be compared."""
    phones = [place.contact_phone and tx.keys.decrypt(place.contact_phone) for place in (one, other)]
    bare = [msgspec.structs.replace(place, contact_phone=None) for place in (one, other)]
    return bare[0] == bare[1] and phones[0] == phones[1]
