"""Where the meal is, how to call who brings it, and what can be done about it in each state."""

import pytest
from sqlalchemy import select, update

from core.clock import ManualClock
from core.database import Database
from core.sealed import reveal
from gateway.menus.pasts import PIN, an_order
from ledger import chart
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from tests.menus_ussd.toy import Handset
from tests.support.market import CUSTOMER, DRIVERS, Market, open_market

pytestmark = pytest.mark.anyio


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    market = await open_market(database, clock)
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await people.choose_language(tx, person_id=person.id, language="fr")
    return market


@pytest.fixture
def engine(market: Market) -> Engine:
    return build_ussd(market.database)


async def state(market: Market) -> str:
    (row,) = await market.rows(select(customer_order.c.state))
    return str(row.state)


async def test_on_its_way_the_page_shows_code_and_drivers_number_and_the_session_neither(
    market: Market, engine: Engine
) -> None:
    await an_order(market.database, CUSTOMER, "PICKED_UP")
    page = await Handset(engine).dial("3")
    shown = reveal(market.database.keys, page.text)
    driver = next(phone for phone in DRIVERS if f"Son numéro: {phone.removeprefix('+237')}" in shown)
    assert page.step == "track.code" and driver.removeprefix("+237") not in page.text


async def test_before_the_pickup_nobody_is_to_be_called(market: Market, engine: Engine) -> None:
    await an_order(market.database, CUSTOMER, "ACCEPTED")
    assert (await Handset(engine).dial("3")).step == "track.order"


async def test_who_cancels_a_cooked_meal_is_told_what_comes_back_before(market: Market, engine: Engine) -> None:
    await an_order(market.database, CUSTOMER, "ACCEPTED")
    handset = Handset(engine)
    await handset.dial("3")
    told = await handset.say("1")
    assert told.step == "track.cancel_cooked" and "1000F reviennent" in told.text and await state(market) == "ACCEPTED"
    assert (await handset.say("1")).step == "ussd.track.cancel_cooked.done"
    assert await state(market) == "CANCELLED"


async def test_a_meal_that_should_long_be_there_becomes_a_dispute_and_nobody_is_paid(
    market: Market, engine: Engine
) -> None:
    await an_order(market.database, CUSTOMER, "PICKED_UP")
    market.clock.advance(minutes=31)
    handset = Handset(engine)
    await handset.dial("3")
    assert (await handset.say("2")).step == "help.reason"
    assert (await handset.say("1")).step == "ussd.help.complained"
    assert await state(market) == "DISPUTED"
    again = await Handset(engine, "again").dial("3")
    assert "En litige" in again.text


async def test_after_the_meal_the_driver_is_tipped_from_the_wallet_with_the_pin(market: Market, engine: Engine) -> None:
    await an_order(market.database, CUSTOMER, "DELIVERED")
    handset = Handset(engine)
    assert "Livrée" in (await handset.dial("3")).text
    assert (await handset.say("1")).step == "tip.amount"
    assert (await handset.say("2", "2")).step == "pin.choose"
    assert (await handset.say(PIN)).step == "ussd.tip.given"
    driver_id = await market.driver_id(DRIVERS[0])
    assert await market.balance(chart.driver_payable(driver_id)) > 500
    again = Handset(engine, "again")
    await again.dial("3")
    assert (await again.say("1", "1", "1")).step == "error.tip_given"


async def test_a_tip_by_mobile_money_is_prompted_for_after_the_session(market: Market, engine: Engine) -> None:
    await an_order(market.database, CUSTOMER, "DELIVERED")
    handset = Handset(engine)
    await handset.dial("3")
    assert (await handset.say("1", "1")).step == "tip.confirm"
    assert (await handset.say("1")).step == "ussd.tip.sent"


async def test_an_order_of_yesterday_is_tracked_no_more(market: Market, engine: Engine) -> None:
    await an_order(market.database, CUSTOMER, "DELIVERED")
    async with market.database.transaction() as tx:
        await tx.run(update(customer_order).values(state="CLOSED"))
    assert (await Handset(engine).dial("3")).step == "track.none"
