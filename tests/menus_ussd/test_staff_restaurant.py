"""A restaurant's talks: what it does by digits is what it does by SMS, and the first answer wins."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update

from channels.sms.africastalking import IncomingText
from channels.sms.inbox import take
from core.clock import ManualClock
from core.database import Database
from ledger import chart
from ledger.service import Leg, post
from marketplace.catalogue.tables import dish, restaurant
from marketplace.ordering.tables import customer_order, order_event, order_line
from marketplace.payouts.tables import payout
from marketplace.people import service as people
from marketplace.people.tables import driver
from menus_ussd.assembly import build_ussd
from menus_ussd.pages import width
from menus_ussd.turns import Reply
from tests.menus_ussd.toy import Handset
from tests.support.market import CUSTOMER, RESTAURANT, Market, open_market

pytestmark = pytest.mark.anyio

PIN = "739164"


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    opened = await open_market(database, clock)
    await speak_french(opened, RESTAURANT, CUSTOMER)
    return opened


async def speak_french(market: Market, *phones: str) -> None:
    async with market.database.transaction() as tx:
        for phone in phones:
            person = await people.recognise(tx, phone=phone)
            await people.choose_language(tx, person_id=person.id, language="fr")


async def with_pin(market: Market, phone: str) -> UUID:
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=phone)
        await people.set_pin(tx, person_id=person.id, pin=PIN)
        return person.id


@pytest.fixture
def kitchen(market: Market) -> Handset:
    return Handset(build_ussd(market.database), "kitchen", RESTAURANT)


async def state(market: Market, order_id: UUID) -> str:
    (row,) = await market.rows(select(customer_order.c.state).where(customer_order.c.id == order_id))
    return str(row.state)


async def kitchen_id(market: Market) -> UUID:
    (row,) = await market.rows(select(restaurant.c.id).where(restaurant.c.number == 10))
    return UUID(str(row.id))


async def owe(market: Market, amount_xaf: int) -> None:
    account = chart.restaurant_payable(await kitchen_id(market))
    async with market.database.transaction() as tx:
        await post(tx, key=f"owed:{uuid4()}", kind="test", legs=[Leg(chart.GOODWILL, account, amount_xaf)])


def ends(reply: Reply, step: str, *parts: str) -> None:
    """The last page: which one, and what is on it."""
    assert (reply.step, reply.expects_input) == (step, False), reply.text
    assert all(part in reply.text for part in parts), reply.text


# ---- orders ----------------------------------------------------------------------------------------------


async def test_a_waiting_order_is_read_and_accepted_with_three_keys(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="OFFERED")
    menu = await kitchen.dial("9")
    assert menu.text.splitlines()[:2] == ["La Marmite de Tantie Rose: ouvert", "1 Commandes (1)"]
    assert "1 4821 NOUVELLE: 1 Poulet DG" in (await kitchen.say("1")).text
    page = await kitchen.say("1")
    assert page.text.startswith("4821 NOUVELLE\n1 Poulet DG\nPlats 3000F\n1 OK, 20 min\n2 OK, 40 min\n3 OK, autre")
    ends(await kitchen.say("2"), "ussd.staff.accepted_now", "4821", "40 min")
    assert await state(market, order_id) == "ACCEPTED"
    assert "40 min" in (await market.texts(CUSTOMER))[-1]


async def test_minutes_are_typed_and_what_nobody_can_promise_is_asked_again(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="OFFERED")
    await kitchen.dial("9")
    assert (await kitchen.say("1", "1", "3")).step == "staff.minutes"
    for typed in ("000", "181", "abc", "-5", "1.5", "²³", "9999999", "", "\x00"):
        again = await kitchen.say(typed)
        assert (again.step, again.expects_input) == ("staff.minutes", True), typed
    ends(await kitchen.say("25"), "ussd.staff.accepted_now", "25 min")
    assert await state(market, order_id) == "ACCEPTED"


async def test_a_refusal_names_its_reason_and_the_customer_has_the_money_back(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="OFFERED")
    await kitchen.dial("9")
    asked = await kitchen.say("1", "1", "4")
    assert asked.step == "staff.refusal" and "1 Plat épuisé" in asked.text
    ends(await kitchen.say("2"), "ussd.staff.refused_now", "4821")
    (event,) = await market.rows(select(order_event).where(order_event.c.to_state == "REJECTED"))
    assert event.details == {"reason": "too_busy"}
    assert await market.balance(chart.escrow(order_id)) == 0


async def test_the_first_answer_wins_on_whichever_channel(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="OFFERED")
    await kitchen.dial("9")
    assert (await kitchen.say("1", "1", "4")).step == "staff.refusal"
    await take(market.database, sms("4821 1"))
    ends(await kitchen.say("1"), "error.wrong_state", "4821")
    assert await state(market, order_id) == "ACCEPTED"


async def test_an_sms_and_a_key_at_the_same_moment_answer_once(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="OFFERED")
    await kitchen.dial("9")
    await kitchen.say("1", "1", "4")
    end, _ = await asyncio.gather(kitchen.say("1"), take(market.database, sms("4821 1")))
    answers = await market.rows(select(order_event).where(order_event.c.from_state == "OFFERED"))
    assert [row.to_state for row in answers] == [await state(market, order_id)]
    won = answers[0].to_state == "REJECTED"
    assert end.step == ("ussd.staff.refused_now" if won else "error.wrong_state")


def sms(text: str) -> IncomingText:
    return IncomingText(provider="test", message_id=str(uuid4()), phone=RESTAURANT, text=text)


async def test_ready_then_the_number_for_the_driver_who_comes(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="ACCEPTED")
    await market.begin(order_id)
    await kitchen.dial("9")
    assert (await kitchen.say("1", "1")).text.startswith("4821 en cuisine\n1 Poulet DG")
    ends(await kitchen.say("1"), "ussd.staff.ready_now", "4821")
    assert await state(market, order_id) == "READY"


async def test_a_feast_goes_over_several_pages_and_is_answered_on_the_last(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="OFFERED")
    async with market.database.transaction() as tx:
        line = await tx.one(select(order_line).where(order_line.c.order_id == order_id))
        more = [{**line._mapping, "position": n, "name": f"Plat de fête numéro {n}"} for n in range(2, 31)]
        await tx.run(insert(order_line), more)
    await kitchen.dial("9")
    page = await kitchen.say("1", "1")
    seen = [page.text]
    while "98 Suite" in page.text:
        page = await kitchen.say("98")
        seen.append(page.text)
    assert len(seen) > 3 and all(width(text) <= 160 for text in seen)
    assert all(f"numéro {n}" in " ".join(seen).replace("\n", " ") for n in range(2, 31))
    ends(await kitchen.say("1"), "ussd.staff.accepted_now", "20 min")


async def test_nothing_to_cook_is_said_with_a_way_out(kitchen: Handset) -> None:
    await kitchen.dial("9")
    page = await kitchen.say("1")
    assert page.step == "staff.no_orders" and page.text.endswith("0 Retour 00 Accueil")
    assert (await kitchen.say("0")).step == "staff.restaurant"


# ---- whether it takes orders, and which dishes -----------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected", "minutes"), [("1", "open", None), ("2", "busy", 30), ("3", "busy", 60), ("4", "closed", None)]
)
async def test_open_busy_or_closed(
    market: Market, kitchen: Handset, key: str, expected: str, minutes: int | None
) -> None:
    await kitchen.dial("9")
    ends(await kitchen.say("2", key), f"ussd.staff.state.{expected}_now")
    (row,) = await market.rows(select(restaurant).where(restaurant.c.number == 10))
    until = row.state_until and (row.state_until - market.clock.now()).total_seconds() / 60
    assert (row.state, until) == (expected, minutes)


async def test_dishes_go_out_and_in_by_their_own_numbers_one_after_another(market: Market, kitchen: Handset) -> None:
    await kitchen.dial("9")
    assert (await kitchen.say("3")).step == "staff.dishes"
    page = await kitchen.say("8")
    assert page.expects_input and page.text.startswith("Plat 8 retiré. Un autre?")
    await kitchen.say("2")
    assert (await kitchen.say("8")).text.startswith("Plat 8 remis. Un autre?")
    rows = await market.rows(
        select(dish.c.number).where(dish.c.restaurant_id == await kitchen_id(market), ~dish.c.available)
    )
    assert [row.number for row in rows] == [2]
    assert "(retiré)" in (await kitchen.say("98")).text + (await kitchen.say("0")).text


async def test_a_dish_called_98_has_a_key_of_its_own(market: Market, kitchen: Handset) -> None:
    async with market.database.transaction() as tx:
        await tx.run(
            update(dish).where(dish.c.restaurant_id == await kitchen_id(market), dish.c.number == 2).values(number=98)
        )
    await kitchen.dial("9")
    await kitchen.say("3", "098")
    (row,) = await market.rows(select(dish).where(dish.c.number == 98))
    assert not row.available


# ---- prices ----------------------------------------------------------------------------------------------


async def test_a_price_asks_for_the_pin_and_an_open_cart_is_asked_again(market: Market, kitchen: Handset) -> None:
    await with_pin(market, RESTAURANT)
    customer = Handset(kitchen.engine, "customer", CUSTOMER)
    await customer.dial("10*1")
    assert (await customer.say("1", "1")).step == "order.confirm"

    await kitchen.dial("9")
    assert "1 Ndolè viande, plantains 2500F" in (await kitchen.say("4")).text
    assert (await kitchen.say("1")).step == "staff.price"
    for typed in ("000", "24", "200001", "2,5", "abc"):
        assert (await kitchen.say(typed)).step == "staff.price", typed
    asked = await kitchen.say("2800")
    assert asked.step == "staff.price_confirm" and "2500F devient 2800F" in asked.text
    assert (await kitchen.say("1")).step == "pin.enter"
    assert (await kitchen.say("111111")).step == "pin.enter"
    assert await price_of(market, 1) == 2500
    ends(await kitchen.say(PIN), "ussd.staff.price_now", "2800F")
    assert await price_of(market, 1) == 2800

    again = await customer.say("1")
    assert again.step == "order.repriced"
    assert await market.rows(select(customer_order.c.id)) == []


async def price_of(market: Market, number: int) -> int:
    of_dish = dish.c.restaurant_id == await kitchen_id(market), dish.c.number == number
    (row,) = await market.rows(select(dish.c.price_xaf).where(*of_dish))
    return int(row.price_xaf)


# ---- money -----------------------------------------------------------------------------------------------


async def payouts(market: Market) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await market.rows(select(payout.c.owner, payout.c.amount_xaf))]


async def test_all_that_is_owed_is_sent_once_after_the_pin(market: Market, kitchen: Handset) -> None:
    await with_pin(market, RESTAURANT)
    await owe(market, 45_000)
    await kitchen.dial("9")
    page = await kitchen.say("5")
    assert page.text.startswith("A vous payer: 45000F\n1 Recevoir 45000F\n2 Autre montant")
    assert "45000F" in (await kitchen.say("1")).text
    assert (await kitchen.say("1")).step == "pin.enter" and await payouts(market) == []
    end = await kitchen.say(PIN)
    ends(end, "ussd.staff.payout_now", "45000F")
    assert await kitchen.send(kitchen.transcript) == end
    assert await payouts(market) == [("restaurant", 45_000)]


async def test_a_part_is_typed_and_more_than_there_is_is_asked_again(market: Market, kitchen: Handset) -> None:
    await with_pin(market, RESTAURANT)
    await owe(market, 45_000)
    await kitchen.dial("9")
    assert (await kitchen.say("5", "2")).step == "staff.amount"
    for typed in ("45001", "499", "000", "-5", "12,5", "tout"):
        assert (await kitchen.say(typed)).step == "staff.amount", typed
    ends(await kitchen.say("20 000", "1", PIN), "ussd.staff.payout_now", "20000F")
    assert await payouts(market) == [("restaurant", 20_000)]


async def test_a_little_is_shown_and_not_sent(market: Market, kitchen: Handset) -> None:
    await owe(market, 499)
    await kitchen.dial("9")
    assert (await kitchen.say("5")).text == "A vous payer: 499F\n0 Retour 00 Accueil"


async def test_todays_figures_are_those_of_the_books(market: Market, kitchen: Handset) -> None:
    order_id = await market.order(state="PICKED_UP")
    await market.order(number=5000, state="ACCEPTED")
    shares = {chart.restaurant_payable(await kitchen_id(market)): 2550, chart.COMMISSION: 450}
    legs = [Leg(chart.escrow(order_id), account, amount) for account, amount in shares.items()]
    async with market.database.transaction() as tx:
        await post(tx, key="released", kind="order_released", legs=legs)
    await owe(market, 7_000)  # not by an order
    await kitchen.dial("9")
    ends(
        await kitchen.say("6"),
        "ussd.staff.figures",
        "aujourd'hui: 1. Ventes 3000F, commission 450F",
        "2550F",
        "cours: 1",
    )
    market.clock.advance(days=1)
    tomorrow = Handset(kitchen.engine, "tomorrow", RESTAURANT)
    await tomorrow.dial("9")
    ends(await tomorrow.say("6"), "ussd.staff.figures", "aujourd'hui: 0. Ventes 0F")


# ---- when the connection drops ---------------------------------------------------------------------------


async def test_a_dropped_payout_is_confirmed_again_and_a_dropped_menu_begins_anew(
    market: Market, kitchen: Handset
) -> None:
    await with_pin(market, RESTAURANT)
    await owe(market, 45_000)
    await kitchen.dial("9")
    assert (await kitchen.say("5", "1", "1")).step == "pin.enter"
    again = Handset(kitchen.engine, "again", RESTAURANT)
    assert (await again.dial()).step == "resume"
    assert (await again.say("1")).step == "staff.payout"
    ends(await again.say("1", PIN), "ussd.staff.payout_now", "45000F")
    assert await payouts(market) == [("restaurant", 45_000)]
    looking = Handset(kitchen.engine, "looking", RESTAURANT)
    await looking.dial("9")
    await looking.say("3")
    assert (await Handset(kitchen.engine, "anew", RESTAURANT).dial()).step == "home"


# ---- who may ---------------------------------------------------------------------------------------------


async def test_who_does_several_kinds_of_work_chooses(market: Market, kitchen: Handset) -> None:
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=RESTAURANT)
        await tx.run(insert(driver).values(id=uuid4(), person_id=person.id))
    page = await kitchen.dial("9")
    assert page.text.splitlines()[:3] == ["Votre travail", "1 La Marmite de Tantie Rose", "2 Livreur"]
    assert (await kitchen.say("2")).step == "staff.driver_off"
    assert (await kitchen.say("0", "1")).step == "staff.restaurant"


async def test_a_stranger_who_dials_the_staffs_number_is_told_politely(market: Market, kitchen: Handset) -> None:
    ends(await Handset(kitchen.engine, "s", CUSTOMER).dial("9"), "ussd.staff.none")
    assert width((await Handset(kitchen.engine, "t", CUSTOMER).dial("9*1*1")).text) <= 160
