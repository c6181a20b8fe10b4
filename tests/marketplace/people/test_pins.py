"""PINs: what is refused, how misses count, and that no repeat or rush counts or guesses more."""

from uuid import UUID, uuid4

import pytest
from anyio import create_task_group
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from core.errors import NotFound
from marketplace.people import service as people
from marketplace.people.errors import NoPin, PinLocked, WeakPin, WrongPin
from marketplace.people.pins import check_pin, refuse_weak
from marketplace.people.tables import person, pin_miss

pytestmark = pytest.mark.anyio

PIN = "7305"


@pytest.fixture
async def person_id(database: Database) -> UUID:
    """Somebody with a PIN."""
    async with database.transaction() as tx:
        somebody = await people.recognise(tx, phone="+237670000001")
        await people.set_pin(tx, person_id=somebody.id, pin=PIN)
    return somebody.id


async def miss(database: Database, person_id: UUID, times: int = 1) -> Exception:
    """So many wrong PINs, each in a request of its own; the last refusal."""
    for _ in range(times):
        with pytest.raises((WrongPin, PinLocked)) as refused:
            await check_pin(database, person_id=person_id, pin="4826", attempt=str(uuid4()))
    return refused.value


@pytest.mark.parametrize("pin", ["7305", "0472", "73051", "480273", "2468", "1899", "2035"])
async def test_pins_that_are_not_obvious_are_taken(pin: str) -> None:
    refuse_weak(pin, this_year=2026)


NOT_FOUR_TO_SIX_DIGITS = ["", "730", "7305124", "73o5", "٧٣٠٥"]
REPETITIONS = ["0000", "99999", "1212", "123123"]
RUNS = ["1234", "012345", "7890", "4321", "98765"]
YEARS = ["1900", "1987", "2004", "2026"]


@pytest.mark.parametrize("pin", [*NOT_FOUR_TO_SIX_DIGITS, *REPETITIONS, *RUNS, *YEARS])
async def test_obvious_pins_are_refused(pin: str) -> None:
    with pytest.raises(WeakPin):
        refuse_weak(pin, this_year=2026)


async def test_the_right_pin_passes_and_forgives_earlier_misses(database: Database, person_id: UUID) -> None:
    await miss(database, person_id, times=4)
    await check_pin(database, person_id=person_id, pin=PIN, attempt="right")
    refused = await miss(database, person_id)
    assert isinstance(refused, WrongPin)
    assert refused.params == {"left": 4}


async def test_each_miss_leaves_one_try_less_until_the_pin_locks(database: Database, person_id: UUID) -> None:
    assert [(await miss(database, person_id)).params for _ in range(5)] == [
        {"left": 4},
        {"left": 3},
        {"left": 2},
        {"left": 1},
        {"minutes": 15},
    ]
    with pytest.raises(PinLocked):
        await check_pin(database, person_id=person_id, pin=PIN, attempt="right but too late")


async def test_every_miss_after_a_lock_waits_longer(database: Database, person_id: UUID, clock: ManualClock) -> None:
    waits = [(await miss(database, person_id, times=5)).params["minutes"]]
    for _ in range(4):
        clock.advance(minutes=waits[-1])
        waits.append((await miss(database, person_id)).params["minutes"])
    assert waits == [15, 60, 240, 1440, 1440]
    clock.advance(minutes=1440)
    await check_pin(database, person_id=person_id, pin=PIN, attempt="at last")


async def test_the_same_request_again_gets_the_same_answer_and_counts_once(database: Database, person_id: UUID) -> None:
    for _ in range(7):
        with pytest.raises(WrongPin) as refused:
            await check_pin(database, person_id=person_id, pin="4826", attempt="session 1, page 5")
        assert refused.value.params == {"left": 4}


async def test_the_same_request_at_the_same_moment_counts_once(database: Database, person_id: UUID) -> None:
    answers: list[object] = []

    async def ask() -> None:
        with pytest.raises(WrongPin) as refused:
            await check_pin(database, person_id=person_id, pin="4826", attempt="session 1, page 5")
        answers.append(refused.value.params["left"])

    async with create_task_group() as requests:
        for _ in range(5):
            requests.start_soon(ask)
    assert answers == [4] * 5


async def test_another_pin_under_the_same_name_is_another_guess(database: Database, person_id: UUID) -> None:
    lefts = []
    for guess in ("4826", "4827", "4828"):
        with pytest.raises(WrongPin) as refused:
            await check_pin(database, person_id=person_id, pin=guess, attempt="the client's own key")
        lefts.append(refused.value.params["left"])
    assert lefts == [4, 3, 2]


async def test_guesses_in_parallel_get_no_more_tries_than_one_after_another(
    database: Database, person_id: UUID
) -> None:
    answers: list[type[Exception] | None] = []

    async def guess(pin: str) -> None:
        try:
            await check_pin(database, person_id=person_id, pin=pin, attempt=pin)
            answers.append(None)
        except (WrongPin, PinLocked) as refused:
            answers.append(type(refused))

    async with create_task_group() as guesses:
        for number in range(12):
            guesses.start_soon(guess, f"48{number:02d}")
    assert answers.count(WrongPin) == 4
    assert answers.count(PinLocked) == 8


async def test_a_new_pin_lifts_the_lock(database: Database, person_id: UUID) -> None:
    await miss(database, person_id, times=5)
    async with database.transaction() as tx:
        await people.set_pin(tx, person_id=person_id, pin="590271")
    await check_pin(database, person_id=person_id, pin="590271", attempt="new")


async def test_without_a_pin_there_is_nothing_to_check(database: Database) -> None:
    async with database.transaction() as tx:
        somebody = await people.recognise(tx, phone="+237690000002")
    with pytest.raises(NoPin):
        await check_pin(database, person_id=somebody.id, pin=PIN, attempt="a")
    with pytest.raises(NotFound):
        await check_pin(database, person_id=uuid4(), pin=PIN, attempt="a")


async def test_no_pin_rests_anywhere_and_old_misses_go(database: Database, person_id: UUID, clock: ManualClock) -> None:
    await miss(database, person_id, times=2)
    clock.advance(days=2)
    await miss(database, person_id)
    async with database.reading() as tx:
        assert (await tx.value(select(person.c.pin_hash))).startswith("$argon2id$")
        assert len(await tx.all(select(pin_miss))) == 1
