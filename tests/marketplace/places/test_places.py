"""Places: found by three letters, priced by pairs of zones, remembered under three keys."""

from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from core.clock import ManualClock
from core.database import Database, Tx
from core.errors import InvalidInput, NotFound
from gateway.seed import seed
from marketplace.people import service as people
from marketplace.places import queries as places
from marketplace.places import service
from marketplace.places.queries import Place
from marketplace.places.service import remember_place
from marketplace.places.tables import saved_place, tariff_fee, tariff_version

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def douala(database: Database) -> None:
    await seed(database)


async def found(database: Database, letters: str) -> list[str]:
    async with database.reading() as tx:
        return [quarter.name for quarter in await places.search_quarters(tx, prefix=letters)]


@pytest.mark.parametrize(
    ("letters", "first"),
    [
        ("akw", ["Akwa", "Akwa Nord"]),
        ("AKWA NORD", ["Akwa Nord"]),
        ("  bepan ", ["Bépanda"]),
        ("Bépan", ["Bépanda"]),
        ("bonabe", ["Bonabéri"]),
        ("sic", ["Cité Sic"]),
        ("pk1", ["PK10", "PK12", "PK14"]),
        ("ak", []),
        ("", []),
        ("%%%", []),
        ("___", []),
    ],
)
async def test_three_letters_find_quarters_whatever_the_accents(
    database: Database, letters: str, first: list[str]
) -> None:
    assert await found(database, letters) == first


async def test_bon_finds_the_three_of_the_flows(database: Database) -> None:
    assert {"Bonamoussadi", "Bonapriso", "Bonabéri"} <= set(await found(database, "bon"))


async def test_quarters_near_a_zone_come_by_distance(database: Database) -> None:
    async with database.reading() as tx:
        (nyalla,) = await places.search_quarters(tx, prefix="nyalla")
        near = await places.quarters_near(tx, zone_id=nyalla.zone_id)
    zones = list(dict.fromkeys(quarter.zone_name for quarter in near))
    assert zones[:2] == ["Nyalla", "Ndokoti"]
    assert zones[-1] == "Bonabéri"
    assert near[0].name == "Village"


async def zones_of(database: Database, *names: str) -> list[int]:
    async with database.reading() as tx:
        return [(await places.search_quarters(tx, prefix=name))[0].zone_id for name in names]


async def test_a_tariff_holds_in_both_directions(database: Database) -> None:
    akwa, bonamoussadi = await zones_of(database, "akwa", "bonamoussadi")
    async with database.reading() as tx:
        there = await places.tariff(tx, from_zone=akwa, to_zone=bonamoussadi)
        assert await places.tariff(tx, from_zone=bonamoussadi, to_zone=akwa) == there
    assert (there.km, there.fee_xaf, there.driver_pay_xaf) == (8, 1400, 1300)


async def test_a_fee_is_never_below_the_drivers_pay(database: Database) -> None:
    (akwa,) = await zones_of(database, "akwa")
    async with database.transaction() as tx:
        await tx.run(update(tariff_fee).values(fee_xaf=1))
        within = await places.tariff(tx, from_zone=akwa, to_zone=akwa)
    assert (within.km, within.fee_xaf, within.driver_pay_xaf) == (2, 700, 700)


async def test_a_new_version_holds_from_its_day_on(database: Database, clock: ManualClock) -> None:
    (akwa,) = await zones_of(database, "akwa")
    async with database.transaction() as tx:
        tomorrow = insert(tariff_version).values(valid_from=tx.now + timedelta(days=1))
        version = await tx.value(tomorrow.returning(tariff_version.c.version))
        fee = {"version": version, "lower_zone_id": akwa, "upper_zone_id": akwa, "km": 2, "fee_xaf": 900}
        await tx.run(insert(tariff_fee).values(fee))
        assert (await places.tariff(tx, from_zone=akwa, to_zone=akwa)).fee_xaf == 700
    clock.advance(days=1)
    async with database.reading() as tx:
        today = await places.tariff(tx, from_zone=akwa, to_zone=akwa)
        assert (today.version, today.fee_xaf) == (version, 900)
        with pytest.raises(NotFound):
            await places.tariff(tx, from_zone=akwa, to_zone=999)


async def somewhere(database: Database, quarter_name: str) -> Place:
    """The best known landmark of a quarter."""
    async with database.reading() as tx:
        quarter = (await places.search_quarters(tx, prefix=quarter_name))[0]
        landmark = (await places.landmarks(tx, quarter_id=quarter.id))[0]
    return Place(quarter.id, landmark.id)


async def test_a_place_is_told_by_quarter_and_landmark(database: Database) -> None:
    akwa, deido = await somewhere(database, "akwa"), await somewhere(database, "deido")
    async with database.reading() as tx:
        assert await places.describe(tx, akwa) == "Akwa, Pharmacie du Centre"
        assert await places.describe(tx, Place(akwa.quarter_id, None)) == "Akwa"
        for nowhere in (Place(akwa.quarter_id, deido.landmark_id), Place(9999, None)):
            with pytest.raises(NotFound):
                await places.describe(tx, nowhere)


async def test_a_fourth_place_replaces_the_one_not_used_for_longest(database: Database, clock: ManualClock) -> None:
    names = ("akwa", "deido", "bali", "yassa")
    known = [await somewhere(database, name) for name in names]
    slots = []
    async with database.transaction() as tx:
        person_id = (await people.recognise(tx, phone="+237670000001")).id
    for place in (known[0], known[1], known[2], known[0], known[3]):
        clock.advance(days=1)
        async with database.transaction() as tx:
            slots.append(await remember_place(tx, person_id=person_id, place=place))
    assert slots == [1, 2, 3, 1, 2]
    async with database.reading() as tx:
        saved = await places.saved_places(tx, person_id=person_id)
    assert [(entry.slot, entry.label.partition(",")[0]) for entry in saved] == [(1, "Akwa"), (2, "Yassa"), (3, "Bali")]


async def test_the_same_place_keeps_its_slot_whoever_is_to_be_called(database: Database) -> None:
    akwa = await somewhere(database, "akwa")
    async with database.transaction() as tx:
        person_id = (await people.recognise(tx, phone="+237670000001")).id
    for phone in ("+237690000002", "+237690000002", "+237690000002", "+237690000003", None):
        contact = database.keys.encrypt(phone) if phone else None  # other bytes every time
        async with database.transaction() as tx:
            place = Place(akwa.quarter_id, akwa.landmark_id, "portail bleu", contact)
            await remember_place(tx, person_id=person_id, place=place)
    async with database.reading() as tx:
        saved = await places.saved_places(tx, person_id=person_id)
    called = [entry.place.contact_phone and database.keys.decrypt(entry.place.contact_phone) for entry in saved]
    assert called == ["+237690000002", "+237690000003", None]


async def test_whom_to_call_and_the_words_come_back_and_the_number_rests_encrypted(database: Database) -> None:
    akwa = await somewhere(database, "akwa")
    place = Place(akwa.quarter_id, akwa.landmark_id, "portail bleu", database.keys.encrypt("+237690000002"))
    async with database.transaction() as tx:
        person_id = (await people.recognise(tx, phone="+237670000001")).id
        await remember_place(tx, person_id=person_id, place=place)
        assert [entry.place for entry in await places.saved_places(tx, person_id=person_id)] == [place]
        assert b"690000002" not in await tx.value(saved_place.select().with_only_columns(saved_place.c.contact_phone))


async def test_what_is_no_place_is_not_remembered(database: Database) -> None:
    akwa = await somewhere(database, "akwa")
    async with database.transaction() as tx:
        person_id = (await people.recognise(tx, phone="+237670000001")).id
        with pytest.raises(InvalidInput):
            await remember_place(tx, person_id=person_id, place=Place(akwa.quarter_id, None, "x" * 61))
        with pytest.raises(NotFound):
            await remember_place(tx, person_id=person_id, place=Place(akwa.quarter_id, 9999))


async def three_places(database: Database, clock: ManualClock) -> UUID:
    """Akwa, Deido and Bali, in this order."""
    async with database.transaction() as tx:
        person_id = (await people.recognise(tx, phone="+237670000001")).id
    for name in ("akwa", "deido", "bali"):
        clock.advance(days=1)
        place = await somewhere(database, name)
        async with database.transaction() as tx:
            await remember_place(tx, person_id=person_id, place=place)
    return person_id


async def labels(database: Database, person_id: UUID) -> list[tuple[int, str]]:
    async with database.reading() as tx:
        saved = await places.saved_places(tx, person_id=person_id)
    return [(entry.slot, entry.label.partition(",")[0]) for entry in saved]


async def test_a_place_can_be_named_and_keeps_its_name_when_it_is_used_again(
    database: Database, clock: ManualClock
) -> None:
    person_id = await three_places(database, clock)
    deido = await somewhere(database, "deido")
    async with database.transaction() as tx:
        await service.name_place(tx, person_id=person_id, slot=2, name="Bureau")
        await remember_place(tx, person_id=person_id, place=deido)
        for slot, name in ((2, ""), (2, "x" * 21)):
            with pytest.raises(InvalidInput):
                await service.name_place(tx, person_id=person_id, slot=slot, name=name)
    assert await labels(database, person_id) == [(1, "Akwa"), (2, "Bureau"), (3, "Bali")]


async def test_what_replaces_a_named_place_has_no_name(database: Database, clock: ManualClock) -> None:
    person_id = await three_places(database, clock)
    yassa = await somewhere(database, "yassa")
    async with database.transaction() as tx:
        await service.name_place(tx, person_id=person_id, slot=1, name="Maison")
        assert await remember_place(tx, person_id=person_id, place=yassa) == 1
    assert (await labels(database, person_id))[0] == (1, "Yassa")


async def test_a_preferred_place_comes_first_and_a_forgotten_one_not_at_all(
    database: Database, clock: ManualClock
) -> None:
    person_id = await three_places(database, clock)
    async with database.transaction() as tx:
        await service.name_place(tx, person_id=person_id, slot=3, name="Maman")
        await service.prefer_place(tx, person_id=person_id, slot=3)
        await service.prefer_place(tx, person_id=person_id, slot=1)
    assert await labels(database, person_id) == [(1, "Maman"), (2, "Deido"), (3, "Akwa")]
    async with database.transaction() as tx:
        await service.forget_place(tx, person_id=person_id, slot=2)
        await service.forget_place(tx, person_id=person_id, slot=2)
        for change in (service.prefer_place(tx, person_id=person_id, slot=2), _named(tx, person_id)):
            with pytest.raises(NotFound):
                await change
    assert await labels(database, person_id) == [(1, "Maman"), (3, "Akwa")]


def _named(tx: Tx, person_id: UUID) -> Awaitable[None]:
    return service.name_place(tx, person_id=person_id, slot=2, name="Rien")
