"""One phone that answers for two restaurants: what names one is obeyed, anything else is asked back."""

import pytest
from sqlalchemy import insert, select, update

from channels.sms.commands import read
from core.clock import ManualClock
from core.database import Database
from marketplace.catalogue.tables import dish, restaurant, restaurant_phone
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from tests.channels.sms.conftest import Phones
from tests.menus_ussd.toy import Handset
from tests.support.market import RESTAURANT, Market, open_market

pytestmark = pytest.mark.anyio

STRANGER = "+237655000001"


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    """The phone of restaurant 10 lies at the counter of 45, too."""
    opened = await open_market(database, clock)
    async with database.transaction() as tx:
        cook = await people.recognise(tx, phone=RESTAURANT)
        await people.choose_language(tx, person_id=cook.id, language="fr")
        second = await tx.value(select(restaurant.c.id).where(restaurant.c.number == 45))
        await tx.run(insert(restaurant_phone).values(restaurant_id=second, position=3, person_id=cook.id))
    return opened


async def of_second(market: Market, number: int) -> None:
    """Move an order to restaurant 45."""
    async with market.database.transaction() as tx:
        second = select(restaurant.c.id).where(restaurant.c.number == 45).scalar_subquery()
        await tx.run(update(customer_order).where(customer_order.c.number == number).values(restaurant_id=second))


async def states(market: Market) -> dict[int, str]:
    return {row.number: row.state for row in await market.rows(select(customer_order.c.number, customer_order.c.state))}


async def test_an_orders_number_says_which_restaurant(phones: Phones) -> None:
    market = phones.market
    await market.order(number=4821, state="OFFERED")
    await market.order(number=5190, state="OFFERED", customer="+237670000009")
    await of_second(market, 5190)
    assert "CMD 5190 OK" in (await phones.ask(RESTAURANT, "5190 1") or "")
    assert "CMD 4821" in (await phones.ask(RESTAURANT, "4821 0") or "")
    assert await states(market) == {4821: "REJECTED", 5190: "ACCEPTED"}


async def test_a_bare_digit_is_asked_back_even_if_one_order_waits(phones: Phones) -> None:
    market = phones.market
    assert "Aucune commande" in (await phones.ask(RESTAURANT, "1") or "")
    await market.order(number=4821, state="OFFERED")
    assert await phones.ask(RESTAURANT, "2") == "Précisez. Envoyez: 4821 2"
    assert await states(market) == {4821: "OFFERED"}


async def test_one_number_at_both_counters_is_asked_back_and_named(phones: Phones) -> None:
    market = phones.market
    await market.order(number=4821, state="OFFERED")
    await market.order(number=4822, state="OFFERED", customer="+237670000009")
    await of_second(market, 4822)
    async with market.database.transaction() as tx:
        await tx.run(update(customer_order).where(customer_order.c.number == 4822).values(number=4821))
    asked = await phones.ask(RESTAURANT, "4821 1")
    assert asked == "Précisez. Envoyez: RESTO10 4821 1, RESTO45 4821 1"
    assert "CMD 4821 OK" in (await phones.ask(RESTAURANT, "resto45 4821 1") or "")
    rows = await market.rows(select(restaurant.c.number, customer_order.c.state).join(customer_order))
    assert {row.number: row.state for row in rows} == {10: "OFFERED", 45: "ACCEPTED"}


async def test_everything_else_names_its_restaurant(phones: Phones) -> None:
    market = phones.market
    assert await phones.ask(RESTAURANT, "OUT 2") == "Précisez. Envoyez: RESTO10 OUT 2, RESTO45 OUT 2"
    assert "Plat 2 retiré" in (await phones.ask(RESTAURANT, "RESTO45 OUT 2") or "")
    assert "Fermé" in (await phones.ask(RESTAURANT, "RESTO10 FERME") or "")
    rows = await market.rows(select(restaurant.c.number).join(dish).where(~dish.c.available))
    assert [row.number for row in rows] == [45]
    assert await phones.ask(RESTAURANT, "RESTO11 OUVERT") == "Introuvable."


async def test_by_ussd_the_restaurant_is_the_first_choice(market: Market) -> None:
    await market.order(number=4821, state="OFFERED")
    await of_second(market, 4821)
    handset = Handset(build_ussd(market.database), "s1", RESTAURANT)
    page = await handset.dial("9")
    assert page.text.splitlines()[:3] == ["Votre travail", "1 La Marmite de Tantie Rose", "2 Chez Mama"]
    assert "1 Commandes (1)" in (await handset.say("2")).text
    end = await handset.say("1", "1", "1")
    assert (end.step, await states(market)) == ("ussd.staff.accepted_now", {4821: "ACCEPTED"})


def test_a_restaurants_number_is_glued_to_its_word() -> None:
    assert read("RESTO45 OUT 12", ("restaurant",)).kitchen == 45
    assert read("RESTO OUT 12", ("restaurant",)).kitchen is None
    assert read("RESTO45 OUT 12", ("customer",)).commands == ()
    assert read("RESTO45", ("restaurant",)).commands == ()
