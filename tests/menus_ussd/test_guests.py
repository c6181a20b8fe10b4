"""A guest orders without registering, and may become a registered customer after the first meal."""

import pytest

from core.clock import ManualClock
from core.database import Database
from gateway.menus.pasts import PIN, an_order
from marketplace.people import pins, sim_changes
from marketplace.people import service as people
from marketplace.places.queries import saved_places
from tests.menus_ussd.test_accounts import person, phone
from tests.menus_ussd.toy import Handset
from tests.support.market import CUSTOMER, open_market

pytestmark = pytest.mark.anyio


async def has_pin(database: Database, number: str = CUSTOMER) -> bool:
    async with database.transaction() as tx:
        return (await people.recognise(tx, phone=number)).has_pin


async def test_after_the_first_meal_a_guest_may_register_and_keeps_what_there_is(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    mine = await person(database)
    assert (await phone(database, "s0").dial()).step == "home", "nobody is asked before a meal"
    await an_order(database, CUSTOMER, "DELIVERED")
    async with database.reading() as tx:
        places = await saved_places(tx, person_id=mine)
    handset = phone(database, "s1")
    await handset.dial()
    assert (await handset.say("6")).step == "register", "stars first"
    assert (await handset.say("1")).step == "pin.choose"
    assert (await handset.say("1234")).step == "pin.choose", "too easy to guess"
    assert (await handset.say(PIN)).step == "home"
    await pins.check_pin(database, person_id=mine, pin=PIN, attempt="a1")
    async with database.reading() as tx:
        assert await saved_places(tx, person_id=mine) == places != []
    await an_order(database, CUSTOMER, "DELIVERED")
    again = phone(database, "s2")
    await again.dial()
    assert (await again.say("6")).step == "home"


async def test_a_talk_that_drops_after_registering_goes_on_where_it_was(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    handset = phone(database, "s1")
    await handset.dial()
    await handset.say("6", "1", PIN)
    dropped = await handset.say("2")
    assert dropped.step == "order.restaurant"
    again = Handset(handset.engine, "s2", CUSTOMER)
    assert (await again.dial()).step == "resume"
    assert (await again.say("1")).step == dropped.step


async def test_who_skips_registering_is_not_asked_again_and_finds_it_in_the_menu(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    await person(database)
    for session, step in (("s1", "register"), ("s2", "home")):
        await an_order(database, CUSTOMER, "DELIVERED")
        handset = phone(database, session)
        await handset.dial()
        assert (await handset.say("6")).step == step
        await handset.say("2")
    assert not await has_pin(database)
    later = phone(database, "s3")
    await later.dial("8")
    assert (await later.say("2")).step == "pin.choose"
    assert (await later.say(PIN)).step == "ussd.pin.done"
    assert await has_pin(database)


async def test_registering_is_in_no_deep_dials_way(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    for dialled, step in (("45", "order.dishes"), ("8", "more"), ("3", "track.order")):
        handset = phone(database, f"dial {dialled}")
        assert (await handset.dial(dialled)).step == step
    await handset.say("00")
    assert (await handset.say("6")).step == "register", "at home there is time"


async def test_a_number_on_a_new_sim_card_is_offered_no_pin_before_it_may_choose_one(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    async with database.transaction() as tx:
        assert await sim_changes.tell(tx, phone=CUSTOMER, source="carrier", reference="c1", changed_at=tx.now)
    handset = phone(database, "s1")
    await handset.dial()
    assert (await handset.say("6")).step == "home"
    clock.advance(hours=25)
    assert (await phone(database, "s2").dial()).step == "register"
