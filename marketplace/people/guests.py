"""Guests: numbers that order without having registered. A PIN is the whole registration (docs/decisions/0021)."""

from uuid import UUID

from sqlalchemy import select, update

from core.database import Tx
from marketplace.people.errors import NoPin
from marketplace.people.sim_freeze import frozen_until
from marketplace.people.tables import person


async def ask(tx: Tx, *, person_id: UUID) -> bool:
    """Note that a page offers to register by itself; False when one has before, or when there is nothing to offer.

    A number on a new SIM card is asked another time: no PIN is made out of it yet.
    """
    if await frozen_until(tx, person_id=person_id):
        return False
    guest = person.c.id == person_id, person.c.pin_hash.is_(None), person.c.register_asked_at.is_(None)
    return bool(await tx.run(update(person).where(*guest).values(register_asked_at=tx.now)))


async def require_registered(tx: Tx, *, person_id: UUID) -> None:
    """Before a guest turns into money what is only kept for their number. Raises NoPin."""
    registered = person.c.id == person_id, person.c.pin_hash.is_not(None)
    if await tx.first(select(person.c.id).where(*registered)) is None:
        raise NoPin()
