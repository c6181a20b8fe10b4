"""Persons, known by their phone number from the first time they reach us."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, true, update

from core.database import Tx
from core.errors import InvalidInput, NotFound
from core.ids import new_id
from core.texts import LANGUAGES
from marketplace.catalogue.tables import restaurant, restaurant_phone
from marketplace.people import pins
from marketplace.people.errors import PinExists
from marketplace.people.hashing import hash_pin
from marketplace.people.sim_freeze import require_same_sim
from marketplace.people.tables import driver, person


class Person(msgspec.Struct, frozen=True):
    """`language` is None until chosen; a person without PIN cannot spend from the wallet yet."""

    id: UUID
    phone: str
    name: str | None
    language: str | None
    has_pin: bool


class Roles(msgspec.Struct, frozen=True):
    """What a person is besides a customer."""

    restaurants: dict[int, UUID]  # by their numbers
    driver_id: UUID | None


# Reads first and writes only for a number never seen before: this opens every USSD turn.
_RECOGNISE = """
    WITH made AS (
        INSERT INTO person (id, phone, phone_index, created_at)
        SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM person WHERE phone_index = $3)
        ON CONFLICT (phone_index) DO NOTHING
        RETURNING id, name, language, pin_hash
    )
    SELECT id, name, language, pin_hash IS NOT NULL AS has_pin FROM made
    UNION ALL
    SELECT id, name, language, pin_hash IS NOT NULL FROM person WHERE phone_index = $3
"""


async def recognise(tx: Tx, *, phone: str) -> Person:
    """The person with this number (E.164), made on first sight."""
    connection = await tx.driver()
    values = (new_id(), tx.keys.encrypt(phone), tx.keys.blind_index(phone), tx.now)
    row = await connection.fetchrow(_RECOGNISE, *values)
    # Another transaction made the person between this statement's look and its insert; now it is visible.
    row = row or await connection.fetchrow(_RECOGNISE, *values)
    assert row is not None, "a person is neither found nor made"
    return Person(id=row["id"], phone=phone, name=row["name"], language=row["language"], has_pin=row["has_pin"])


async def find(tx: Tx, *, phone: str) -> Person | None:
    """The person with this number, if it ever reached us."""
    return await _one(tx, person.c.phone_index == tx.keys.blind_index(phone))


async def get(tx: Tx, *, person_id: UUID) -> Person:
    """Raises NotFound."""
    found = await _one(tx, person.c.id == person_id)
    if found is None:
        raise NotFound()
    return found


async def _one(tx: Tx, condition: Any) -> Person | None:
    row = await tx.first(select(person).where(condition))
    return None if row is None else from_row(tx, row)


def from_row(tx: Tx, row: Any) -> Person:
    """A person from a row that has the columns of `person`."""
    return Person(row.id, tx.keys.decrypt(row.phone), row.name, row.language, row.pin_hash is not None)


async def choose_language(tx: Tx, *, person_id: UUID, language: str) -> None:
    """Remembered from now on, on every channel (D25)."""
    if language not in LANGUAGES:
        raise InvalidInput(field="language")
    await tx.run(update(person).where(person.c.id == person_id).values(language=language))


async def set_pin(tx: Tx, *, person_id: UUID, pin: str, first: bool = False) -> None:
    """A new PIN; who may change it was asked before. Forgets misses. Raises WeakPin.

    As the `first` one it replaces none: raises PinExists, and SimChanged where the number alone would be the proof.
    """
    if first:
        await require_same_sim(tx, person_id=person_id)
    pins.refuse_weak(pin, this_year=tx.now.year)
    pin_hash = await hash_pin(tx.settings, tx.keys, pin)
    values = {"pin_hash": pin_hash, "pin_misses": 0, "pin_locked_until": None}
    free = person.c.pin_hash.is_(None) if first else true()
    if not await tx.run(update(person).where(person.c.id == person_id, free).values(values)):
        raise PinExists()


async def roles(tx: Tx, *, person_id: UUID) -> Roles:
    """Which restaurants this person answers for, and which driver they are."""
    answering = select(restaurant.c.number, restaurant.c.id).join(restaurant_phone)
    kitchens = await tx.all(answering.where(restaurant_phone.c.person_id == person_id).order_by(restaurant.c.number))
    driver_id = await tx.value(select(driver.c.id).where(driver.c.person_id == person_id))
    return Roles({row.number: row.id for row in kitchens}, driver_id)
