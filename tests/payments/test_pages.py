"""Steps that many attempts take in one statement: each by itself, whatever the others are."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update

from payments import attempts, pages
from payments.accepting import Acceptances
from payments.providers.protocol import Answer, Proof
from payments.tables import attempt
from tests.payments.house import House
from tests.payments.network import FakeCampay, lost, refused_connection, says

pytestmark = pytest.mark.anyio


def phone(number: int) -> str:
    return f"+23767000{number:04d}"


async def collect(house: House, *phones: str) -> list[UUID]:
    """The attempts of one collection from each of `phones`, in that order."""
    found = []
    for of in phones:
        owed = await house.collect(key=str(uuid4()), phone=of)
        async with house.database.reading() as tx:
            found.append(await tx.value(select(attempt.c.id).where(attempt.c.payment_id == owed.id)))
    return found


async def by_id(house: House) -> dict[UUID, attempts.Attempt]:
    async with house.database.transaction() as tx:
        cases = [await attempts.lock(tx, row.id) for row in await house.attempts()]
    return {case.attempt.id: case.attempt for case in cases if case}


async def sent(house: House, number: int) -> list[UUID]:
    """Attempts whose requests are under way."""
    ids = await collect(house, *map(phone, range(number)))
    async with house.database.transaction() as tx:
        lease = await attempts.take(tx, ids)
        await pages.sent(tx, [case.attempt.id for case in lease], house.engine._lease)
    return ids


async def accept(house: House, *ids: UUID) -> set[UUID]:
    async with house.database.transaction() as tx:
        return await pages.accepted(tx, {each: Answer(Proof.ACCEPTED, "HTTP 200", ref=f"r{each}") for each in ids})


# ---- together ---------------------------------------------------------------------------------------------------


async def test_each_of_many_gets_its_own_reference_and_its_own_money(house: House, campay: FakeCampay) -> None:
    ids = await collect(house, *map(phone, range(60)))
    await house.sweep()
    refs = {UUID(row["external_reference"]): ref for ref, row in campay.transactions.items()}
    assert {each: tried.provider_ref for each, tried in (await by_id(house)).items()} == refs
    assert refs.keys() == set(ids) and set(await house.states()) == {"PENDING"}
    for row in campay.transactions.values():
        row["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    assert set(await house.states()) == {"SUCCEEDED"} and {row.state for row in await house.payments()} == {"PAID"}
    assert await house.findings() == []


async def test_one_phone_is_asked_once_for_one_amount_whoever_else_is_asked(house: House, campay: FakeCampay) -> None:
    await collect(house, phone(1), phone(2), phone(1), phone(3), phone(1))
    await house.sweep()
    assert sorted(body["from"] for path, body in campay.calls if path == "/collect/") == [
        phone(number).removeprefix("+") for number in (1, 2, 3)
    ]
    await house.sweep(seconds=60)
    assert campay.count("/collect/") == 4


async def test_what_goes_wrong_with_one_is_its_own(house: House, campay: FakeCampay) -> None:
    campay.before["/collect/"].extend([refused_connection, lost])
    used = str(uuid4())
    campay.after["/collect/"].extend([says(200, reference=used), says(200, reference=used)])
    await collect(house, *map(phone, range(8)))
    await house.sweep()
    # Of two with one reference the second cannot be written: its lease ends, and it is looked for.
    states = [tried.state for tried in (await by_id(house)).values() if tried.evidence != "NOT_SENT ConnectError"]
    assert sorted(states) == ["PENDING"] * 5 + ["PREPARED", "SENT", "UNKNOWN"]
    assert sum(tried.provider_ref == used for tried in (await by_id(house)).values()) == 1


# ---- accepted ---------------------------------------------------------------------------------------------------


async def test_a_callback_that_overtook_the_answer_has_it_read_at_once(house: House) -> None:
    first, second = await sent(house, 2)
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).where(attempt.c.id == first).values(next_check_at=tx.now))
    assert await accept(house, first, second) == {first, second}
    after = await by_id(house)
    assert after[first].next_check_at == house.clock.now()
    assert 5 <= ((after[second].next_check_at or house.clock.now()) - house.clock.now()).total_seconds() <= 6


@pytest.mark.parametrize("known", [{"state": "UNKNOWN"}, {"provider_ref": "another"}, {"state": "SUCCEEDED"}])
async def test_more_is_known_already(house: House, known: dict[str, str]) -> None:
    first, second = await sent(house, 2)
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).where(attempt.c.id == first).values(**known))
    before = (await by_id(house))[first]
    assert await accept(house, first, second) == {second}
    assert (await by_id(house))[first] == before


@pytest.mark.parametrize("locked", ["attempt", "payment"])
async def test_nobody_waits_for_a_row_that_is_locked(house: House, locked: str) -> None:
    first, second = await sent(house, 2)
    which = {"attempt": "attempt.id = :id", "payment": "attempt.id = :id AND payment.id = payment_id"}[locked]
    async with house.database.transaction() as tx:
        await tx.execute(text(f"SELECT FROM attempt, payment WHERE {which} FOR UPDATE OF {locked}"), {"id": first})
        assert await accept(house, first, second) == {second}


async def test_those_who_come_meanwhile_share_a_transaction(house: House) -> None:
    ids, begun = await sent(house, 20), 0
    plain = house.database.transaction

    def begin():  # type: ignore[no-untyped-def]
        nonlocal begun
        begun += 1
        return plain()

    together = Acceptances(begin)
    answers = [Answer(Proof.ACCEPTED, "HTTP 200", ref=f"r{each}") for each in ids]
    assert all(await asyncio.gather(*map(together.write, ids, answers)))
    assert begun == 1 and set(await house.states()) == {"PENDING"}


async def test_one_who_is_stopped_takes_nobody_along(house: House) -> None:
    first, second = await sent(house, 2)
    together = Acceptances(house.database.transaction)
    asked = [
        asyncio.create_task(together.write(each, Answer(Proof.ACCEPTED, "x", ref=f"r{each}")))
        for each in (first, second)
    ]
    await asyncio.sleep(0)  # both have asked
    asked[0].cancel()
    assert await asked[1]
    assert (await by_id(house))[second].state == "PENDING"
