"""The demo data: complete, readable, loaded once."""

import pyotp
import pytest
from sqlalchemy import func, select

from core.clock import ManualClock
from core.database import Database
from core.gsm import fold, septets
from gateway.demo_data import load
from gateway.seed import CUSTOMERS, seed
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.tables import dish
from marketplace.people import login
from marketplace.people import service as people
from marketplace.people.tables import driver, person, staff_user
from marketplace.places import queries as places
from marketplace.places.tables import landmark, quarter, tariff_fee, zone

pytestmark = pytest.mark.anyio


async def _count(database: Database, *tables: object) -> list[int]:
    async with database.reading() as tx:
        return [await tx.value(select(func.count()).select_from(table)) for table in tables]


async def test_a_second_seed_changes_nothing_and_prints_the_same(database: Database) -> None:
    first = await seed(database)
    counted = await _count(database, zone, quarter, landmark, tariff_fee, dish, person, driver, staff_user)
    assert await seed(database) == first
    assert await _count(database, zone, quarter, landmark, tariff_fee, dish, person, driver, staff_user) == counted
    assert counted[0] == 12
    assert counted[3] == 12 * 13 // 2
    assert counted[6:] == [6, 3]


async def test_every_quarter_has_a_landmark_and_every_pair_of_zones_a_fee_above_the_drivers_pay(
    database: Database,
) -> None:
    await seed(database)
    async with database.reading() as tx:
        quarters = await places.quarters_near(tx, zone_id=1)
        zones = sorted({quarter.zone_id for quarter in quarters})
        assert all([await places.landmarks(tx, quarter_id=quarter.id) for quarter in quarters])
        tariffs = [await places.tariff(tx, from_zone=a, to_zone=b) for a in zones for b in zones]
        stored = await tx.all(select(tariff_fee.c.km, tariff_fee.c.fee_xaf))
    assert len(tariffs) == 144
    assert all(row.fee_xaf >= 500 + 100 * row.km for row in stored)


async def test_every_restaurant_answers_by_phone_and_has_six_to_fourteen_dishes(database: Database) -> None:
    summary = await seed(database)
    async with database.reading() as tx:
        listed = await catalogue.restaurants(tx)
        assert [entry.number for entry in listed] == [*range(10, 21), 45]
        for entry in listed:
            assert 6 <= len(await catalogue.dishes(tx, restaurant_id=entry.id)) <= 14
            first, *_ = await catalogue.restaurant_staff(tx, restaurant_id=entry.id)
            assert summary.restaurant_phones[entry.number] == first.phone
            assert await catalogue.restaurants_of(tx, person_id=first.id) == [entry]


async def test_dish_12_of_restaurant_45_is_where_the_printed_dial_says(database: Database) -> None:
    await seed(database)
    async with database.reading() as tx:
        mama = await catalogue.restaurant_by_number(tx, number=45)
        assert "Ndolè royal, plantains et miondo" in [
            dish.name for dish in await catalogue.dishes(tx, restaurant_id=mama.id) if dish.number == 12
        ]


async def test_a_demo_customers_first_dial_still_asks_for_the_language(database: Database) -> None:
    await seed(database)
    async with database.transaction() as tx:
        assert [(await people.recognise(tx, phone=phone)).language for phone in CUSTOMERS] == [None, None]


async def test_people_who_dialled_before_the_seed_become_what_the_data_says(database: Database) -> None:
    async with database.transaction() as tx:
        early = await people.recognise(tx, phone="+237672000003")
    await seed(database)
    async with database.reading() as tx:
        known = await people.get(tx, person_id=early.id)
        assert (known.name, known.language) == ("Collins Tabe", "en")
        assert (await people.roles(tx, person_id=early.id)).driver_id is not None


async def test_the_printed_secrets_log_finance_in(database: Database, clock: ManualClock) -> None:
    finance = (await seed(database)).staff[0]
    totp = pyotp.TOTP(finance.totp_secret).at(clock.now())
    tokens = await login.staff_login(database, username="finance", password=finance.password, totp=totp)
    identity = login.read_access_token(database.keys, tokens.access_token, clock.now())
    assert (identity.role, identity.permissions) == ("finance", ("reports",))


def test_some_names_are_long_enough_to_hurt_and_all_of_them_fold_cleanly() -> None:
    restaurants = load("restaurants")["restaurant"]
    names = [entry["name"] for entry in restaurants] + [item[1] for entry in restaurants for item in entry["dishes"]]
    assert max(septets(fold(name)) for name in names) > 70
    assert not [name for name in names if "?" in fold(name)]
