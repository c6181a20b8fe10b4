"""Persons are their phone number, from the first time it reaches us."""

from uuid import uuid4

import pytest
from anyio import create_task_group
from sqlalchemy import select

from core.database import Database
from core.errors import InvalidInput, NotFound
from marketplace.people import service as people
from marketplace.people.tables import person

pytestmark = pytest.mark.anyio

PHONE = "+237670000001"


async def test_a_number_is_the_same_person_every_time(database: Database) -> None:
    async with database.transaction() as tx:
        assert await people.find(tx, phone=PHONE) is None
        first = await people.recognise(tx, phone=PHONE)
        assert await people.recognise(tx, phone=PHONE) == first
        assert await people.find(tx, phone=PHONE) == first
        assert await people.get(tx, person_id=first.id) == first
        assert (first.language, first.has_pin) == (None, False)


async def test_callers_recognised_at_the_same_moment_are_one_person(database: Database) -> None:
    seen = set()

    async def call() -> None:
        async with database.transaction() as tx:
            seen.add((await people.recognise(tx, phone=PHONE)).id)

    async with create_task_group() as calls:
        for _ in range(12):
            calls.start_soon(call)
    assert len(seen) == 1


async def test_the_stored_row_tells_no_number(database: Database) -> None:
    async with database.transaction() as tx:
        await people.recognise(tx, phone=PHONE)
        row = await tx.one(select(person))
    assert b"670000001" not in row.phone + row.phone_index


async def test_a_language_is_remembered_if_it_is_one_of_ours(database: Database) -> None:
    async with database.transaction() as tx:
        caller = await people.recognise(tx, phone=PHONE)
        await people.choose_language(tx, person_id=caller.id, language="en")
        assert (await people.recognise(tx, phone=PHONE)).language == "en"
        with pytest.raises(InvalidInput):
            await people.choose_language(tx, person_id=caller.id, language="de")


async def test_a_stranger_has_no_roles_and_no_person(database: Database) -> None:
    async with database.transaction() as tx:
        caller = await people.recognise(tx, phone=PHONE)
        assert await people.roles(tx, person_id=caller.id) == people.Roles({}, None)
        with pytest.raises(NotFound):
            await people.get(tx, person_id=uuid4())
