"""Commands from the phone to the answer: one message, one effect, and an answer that helps."""

import asyncio
import re

import pytest
from sqlalchemy import func, select

from channels.sms.tables import incoming_sms
from core.clock import ManualClock
from core.gsm import sms_parts
from core.limits import Limit, limits_of
from ledger import chart
from ledger.service import Leg, post
from marketplace.catalogue.tables import dish, restaurant
from marketplace.delivery.queries import code_ref
from marketplace.delivery.tables import code_miss, delivery
from marketplace.notifications.tables import outgoing_sms, sms_opt_out
from marketplace.ordering.tables import customer_order
from marketplace.payouts.tables import payout
from marketplace.people import service as people
from marketplace.places import queries as places
from marketplace.places.queries import Place
from marketplace.places.service import remember_place
from marketplace.wallets.tables import top_up
from tests.channels.sms.conftest import Phones
from tests.support.market import CUSTOMER, DRIVERS, RESTAURANT, Market

pytestmark = pytest.mark.anyio

ENGLISH = "+237672000003"  # Collins, a driver who reads English
STRANGER = "+237655000001"


async def states(market: Market) -> dict[int, str]:
    columns = select(customer_order.c.number, customer_order.c.state)
    return {row.number: row.state for row in await market.rows(columns)}


async def balance(market: Market, account: chart.Account, amount_xaf: int) -> None:
    """Owe somebody something."""
    async with market.database.transaction() as tx:
        await post(tx, key=f"given:{account.code}", kind="goodwill", legs=[Leg(chart.GOODWILL, account, amount_xaf)])


# ---- a whole trip ----------------------------------------------------------------------------------------


async def test_an_order_from_the_kitchen_to_the_door_by_sms_alone(phones: Phones) -> None:
    market, keys = phones.market, phones.market.database.keys
    order_id = await market.order(state="OFFERED")
    assert "ON Bonamoussadi" in (await phones.ask(DRIVERS[0], "on bonamoussadi") or "")
    assert "CMD 4821 OK" in (await phones.ask(RESTAURANT, "4821 1") or "")
    assert "4821" in (await market.texts(CUSTOMER))[-1]
    await market.tick(minutes=5)
    assert (await market.texts(DRIVERS[0]))[-1].endswith("Rep OUI 4821 (75s)")
    assert "La Marmite de Tantie Rose" in (await phones.ask(DRIVERS[0], "OUI 4821") or "")
    (trip,) = await market.rows(select(delivery))
    counter = keys.digits("pickup_number", str(trip.id), 2)
    assert counter in (await market.texts(RESTAURANT))[-1]
    assert "CMD 4821" in (await phones.ask(RESTAURANT, "PRET 4821") or "")
    told = await phones.ask(DRIVERS[0], f"P 4821 {counter}") or ""
    assert "Makepe, Carrefour Rhone-Poulenc, portail bleu" in told and "670000001" in told
    (trip,) = await market.rows(select(delivery))
    code = keys.digits("delivery_code", code_ref(trip), 4)
    assert code in (await market.texts(CUSTOMER))[-1]
    assert code in (await phones.ask(CUSTOMER, "suivi 4821") or ""), "asked for again"
    assert "+800F" in (await phones.ask(DRIVERS[0], code) or "")
    assert await states(market) == {4821: "DELIVERED"}
    assert await market.balance(chart.escrow(order_id)) == 0
    assert "800F" in (await phones.ask(DRIVERS[0], "GAIN") or "")
    assert "2550F" in (await phones.ask(RESTAURANT, "SOLDE") or "")


async def test_neither_codes_nor_phones_rest_in_what_is_kept(phones: Phones) -> None:
    for text in ("4821 7305", "7305", "P 4821 37"):
        await phones.send(DRIVERS[0], text)
    rows = await phones.market.rows(select(incoming_sms).order_by(incoming_sms.c.id))
    kept = [phones.market.database.keys.decrypt(row.text) for row in rows]
    assert kept == ["4821 ****", "****", "p 4821 **"]
    assert all(DRIVERS[0].encode() not in bytes(row.phone) + bytes(row.text) for row in rows)
    assert "7305" not in str(await phones.market.rows(select(incoming_sms.c.outcome, incoming_sms.c.echo_key)))


# ---- one message, one effect -----------------------------------------------------------------------------


async def test_twenty_copies_at_the_same_moment_have_one_effect_and_one_answer(phones: Phones) -> None:
    await phones.market.order(state="OFFERED")
    await asyncio.gather(*(phones.send(RESTAURANT, "4821 1", message_id="one-id") for _ in range(20)))
    assert len(await phones.market.texts(RESTAURANT)) == 1
    assert await phones.market.rows(select(func.count()).select_from(delivery)) == [(1,)]


async def test_copies_under_new_ids_within_a_minute_get_the_same_answer_and_no_effect(phones: Phones) -> None:
    await phones.market.order(state="OFFERED")
    await asyncio.gather(*(phones.send(RESTAURANT, "4821 1") for _ in range(20)))
    assert set(await phones.market.texts(RESTAURANT)) == {"CMD 4821 OK, prete dans 20 min. Un livreur est cherché."}
    assert await phones.market.rows(select(func.count()).select_from(delivery)) == [(1,)]


async def test_a_wrong_code_that_arrives_twice_is_one_miss(phones: Phones) -> None:
    market = phones.market
    await market.come_on(DRIVERS[0])
    delivery_id = await market.begin(await market.order())
    await market.tick()
    await phones.send(DRIVERS[0], "OUI 4821")
    right = market.database.keys.digits("pickup_number", str(delivery_id), 2)
    wrong = f"{(int(right) + 1) % 100:02d}"
    assert await phones.ask(DRIVERS[0], f"P 4821 {wrong}") == await phones.ask(DRIVERS[0], f"P 4821 {wrong}")
    assert len(await market.rows(select(code_miss))) == 1
    market.clock.advance(seconds=61)
    await phones.send(DRIVERS[0], f"P 4821 {wrong}")
    assert len(await market.rows(select(code_miss))) == 2


async def test_a_refused_command_may_be_said_again_at_once(phones: Phones, clock: ManualClock) -> None:
    order_id = await phones.market.order(state="PAID")
    assert "4821" in (await phones.ask(RESTAURANT, "4821 1") or "")
    async with phones.market.database.transaction() as tx:
        await tx.run(customer_order.update().where(customer_order.c.id == order_id).values(state="OFFERED"))
    assert "CMD 4821 OK" in (await phones.ask(RESTAURANT, "4821 1") or "")


async def test_a_failed_effect_leaves_no_trace_and_the_providers_retry_does_it(
    phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    await phones.market.order(state="OFFERED")
    with monkeypatch.context() as broken:
        broken.setattr("channels.sms.inbox._answer", None)
        assert (await phones.send(RESTAURANT, "4821 1", message_id="lost")).status_code == 500
    assert await states(phones.market) == {4821: "OFFERED"}
    await phones.send(RESTAURANT, "4821 1", message_id="lost")
    assert await states(phones.market) == {4821: "ACCEPTED"}


# ---- bare digits -----------------------------------------------------------------------------------------


async def test_a_bare_digit_answers_the_one_order_that_waits(phones: Phones) -> None:
    assert "n'attend" in (await phones.ask(RESTAURANT, "1") or "")
    await phones.market.order(state="OFFERED")
    assert "40 min" in (await phones.ask(RESTAURANT, "2") or "")
    assert await states(phones.market) == {4821: "ACCEPTED"}


async def test_a_bare_digit_with_two_orders_gets_the_list(phones: Phones) -> None:
    await phones.market.order(state="OFFERED")
    await phones.market.order(number=5190, state="OFFERED", customer=STRANGER)
    assert await phones.ask(RESTAURANT, "1") == "Précisez. Envoyez: 4821 1, 5190 1"
    assert set((await states(phones.market)).values()) == {"OFFERED"}
    assert "CMD 4821 OK" in (await phones.ask(RESTAURANT, "4821 1") or ""), "the list changed nothing"


async def test_a_second_bare_digit_within_a_minute_touches_nothing(phones: Phones, clock: ManualClock) -> None:
    await phones.market.order(state="OFFERED")
    first = await phones.ask(RESTAURANT, "1")
    assert await phones.ask(RESTAURANT, "1") == first
    await phones.market.order(number=5190, state="OFFERED", customer=STRANGER)
    assert await phones.ask(RESTAURANT, "1") == "CMD 4821 OK. Pour 5190 envoyez 5190 1"
    assert (await states(phones.market))[5190] == "OFFERED"
    clock.advance(seconds=61)
    await phones.send(RESTAURANT, "0")
    assert (await states(phones.market))[5190] == "REJECTED"


# ---- who means what --------------------------------------------------------------------------------------


async def test_an_unknown_command_gets_one_help_line_in_ten_minutes(phones: Phones, clock: ManualClock) -> None:
    assert "SUIVI" in (await phones.ask(STRANGER, "bonjour") or "")
    assert await phones.ask(STRANGER, "allo?") is None
    assert "SUIVI" in (await phones.ask(STRANGER, "AIDE") or ""), "asked for, it always comes"
    assert "OCC 30" in (await phones.ask(RESTAURANT, "bonjour") or "")
    clock.advance(minutes=10, seconds=1)
    assert "SUIVI" in (await phones.ask(STRANGER, "bonjour") or "")


async def test_an_answer_comes_in_the_persons_language_else_in_the_commands(phones: Phones) -> None:
    assert "Wallet" in (await phones.ask(STRANGER, "BAL") or "")
    assert "Portefeuille" in (await phones.ask(STRANGER, "SOLDE") or "")
    async with phones.market.database.transaction() as tx:
        known = await people.recognise(tx, phone=STRANGER)
        await people.choose_language(tx, person_id=known.id, language="fr")
    assert "Portefeuille" in (await phones.ask(STRANGER, "BAL") or ""), "the choice outweighs the command"
    assert "Jobs come" in (await phones.ask(ENGLISH, "ON AKWA") or "")


async def test_another_roles_words_are_not_obeyed(phones: Phones) -> None:
    await phones.market.order(state="OFFERED")
    for phone in (CUSTOMER, DRIVERS[0], "+237671000011"):
        await phones.send(phone, "4821 1")
    assert await states(phones.market) == {4821: "OFFERED"}


async def test_a_phone_with_two_jobs_says_which_it_means(phones: Phones) -> None:
    market = phones.market
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=RESTAURANT)
        await tx.run(people.driver.insert().values(id=person.id, person_id=person.id))
    await balance(market, chart.driver_payable(person.id), 5000)
    assert await phones.ask(RESTAURANT, "PAYE") == "Précisez. Envoyez: RESTO PAYE, LIVREUR PAYE"
    assert "5000F" in (await phones.ask(RESTAURANT, "LIVREUR PAYE") or "")


# ---- the rest of the table -------------------------------------------------------------------------------


async def test_customers_ask_about_their_orders(phones: Phones) -> None:
    assert await phones.ask(CUSTOMER, "SUIVI") == "Aucune commande de ce numéro en cours."
    await phones.market.order(state="OFFERED")
    assert "4821 La Marmite" in (await phones.ask(CUSTOMER, "SUIVI") or "")
    assert await phones.ask(STRANGER, "SUIVI 4821") == "Aucune commande de ce numéro en cours."
    await phones.market.order(number=5190, state="OFFERED")
    assert await phones.ask(CUSTOMER, "ANNULE") == "Précisez. Envoyez: ANNULE 5190, ANNULE 4821"
    await phones.send(CUSTOMER, "ANNULE 4821")
    assert await states(phones.market) == {4821: "CANCELLED", 5190: "OFFERED"}
    texts = [text for text in await phones.market.texts(CUSTOMER) if "4000F" in text]
    assert len(texts) == 1, "the cancellation tells it, the command adds nothing"


async def test_customers_top_up_and_look_at_what_they_have(phones: Phones) -> None:
    assert "2000F" in (await phones.ask(CUSTOMER, "RECHARGE 2000") or "")
    assert await phones.market.rows(select(top_up.c.amount_xaf, top_up.c.state)) == [(2000, "PENDING")]
    assert "Montant invalide" in (await phones.ask(CUSTOMER, "RECHARGE 2,50") or "")
    assert "0 points" in (await phones.ask(CUSTOMER, "POINTS") or "")


async def test_prompts_for_payment_are_asked_for_no_faster_than_by_api(phones: Phones) -> None:
    """D20: three payments in five minutes, whatever the channel."""
    for amount in (1000, 2000, 3000):
        assert f"{amount}F" in (await phones.ask(CUSTOMER, f"RECHARGE {amount}") or "")
    assert "Trop de demandes" in (await phones.ask(CUSTOMER, "RECHARGE 4000") or "")
    assert len(await phones.market.rows(select(top_up))) == 3


async def test_counting_against_a_limit_holds_no_transaction_open(
    phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, counting, counted = limits_of(phones.market.database), asyncio.Event(), asyncio.Event()
    really = limits.spend

    async def slowly(limit: Limit, key: str) -> None:
        counting.set()
        await counted.wait()
        await really(limit, key)

    monkeypatch.setattr(limits, "spend", slowly)
    async with asyncio.timeout(60):
        asked = asyncio.create_task(phones.send(CUSTOMER, "RECHARGE 2000"))
        await counting.wait()
        await phones.send(CUSTOMER, "SOLDE")  # would wait for an open transaction of the same sender
        counted.set()
        await asked
    assert len(await phones.market.rows(select(top_up))) == 1


async def test_a_message_that_is_delivered_twice_counts_once(phones: Phones) -> None:
    for _ in range(5):
        await phones.send(CUSTOMER, "RECHARGE 1000", message_id="twice")
    for amount in (2000, 3000):
        assert f"{amount}F" in (await phones.ask(CUSTOMER, f"RECHARGE {amount}") or "")
    assert "Trop de demandes" in (await phones.ask(CUSTOMER, "RECHARGE 4000") or "")


async def test_stop_and_start_are_remembered(phones: Phones) -> None:
    await phones.send(CUSTOMER, "STOP")
    assert len(await phones.market.rows(select(sms_opt_out))) == 1
    await phones.send(CUSTOMER, "START")
    assert len(await phones.market.rows(select(sms_opt_out))) == 0


async def test_restaurants_keep_their_menu_and_hours(phones: Phones, clock: ManualClock) -> None:
    kitchen = select(restaurant.c.state, restaurant.c.state_until).where(restaurant.c.number == 10)
    meal = select(dish.c.available).join(restaurant).where(restaurant.c.number == 10, dish.c.number == 3)
    assert "Plat 3" in (await phones.ask(RESTAURANT, "OUT 3") or "")
    assert (await phones.market.rows(meal))[0].available is False
    await phones.send(RESTAURANT, "IN 3")
    assert (await phones.market.rows(meal))[0].available is True
    assert "Introuvable" in (await phones.ask(RESTAURANT, "OUT 99") or "")
    await phones.send(RESTAURANT, "OCC 30")
    (row,) = await phones.market.rows(kitchen)
    assert row.state == "busy" and (row.state_until - clock.now()).total_seconds() == 1800
    for text, state in (("FERME", "closed"), ("OUVERT", "open")):
        await phones.send(RESTAURANT, text)
        assert (await phones.market.rows(kitchen))[0].state == state


async def test_restaurants_and_drivers_ask_for_their_money(phones: Phones) -> None:
    market = phones.market
    kitchen = (await market.rows(select(restaurant.c.id).where(restaurant.c.number == 10)))[0].id
    await balance(market, chart.restaurant_payable(kitchen), 60_000)
    await balance(market, chart.driver_payable(await market.driver_id(DRIVERS[0])), 900)
    assert "50000F" in (await phones.ask(RESTAURANT, "PAYE 50000") or "")
    assert "900F" in (await phones.ask(DRIVERS[0], "PAYE") or "")
    assert await phones.ask(RESTAURANT, "PAYE 20000") not in (None, ""), "more than is left is refused in words"
    paid = await market.rows(select(payout.c.owner, payout.c.amount_xaf).order_by(payout.c.amount_xaf))
    assert paid == [("driver", 900), ("restaurant", 50_000)]
    assert await market.balance(chart.restaurant_payable(kitchen)) == 10_000


async def test_drivers_come_and_go_and_ask_for_help(phones: Phones) -> None:
    assert "Quel quartier" in (await phones.ask(DRIVERS[0], "ON BON") or "")
    assert "ON Akwa" in (await phones.ask(DRIVERS[0], "ON AKWA") or "")
    assert "OFF" in (await phones.ask(DRIVERS[0], "OFF") or "")
    assert "SOS" in (await phones.ask(DRIVERS[0], "SOS") or "")
    assert "4821" in (await phones.ask(DRIVERS[0], "OUI 4821") or ""), "no such offer, said kindly"
    assert await phones.market.rows(select(func.count()).select_from(outgoing_sms)) == [(5,)]


async def test_a_dish_is_found_by_its_name_with_the_number_to_dial(phones: Phones) -> None:
    for words in ("CHERCHE ndole", "find Ndolé"):
        answer = await phones.ask(CUSTOMER, words)
        assert answer and re.search(r"\d+\*\d+ Ndol", answer) and re.search(r"\*237\*1\*\d+\*\d+#$", answer)
        assert sms_parts(answer) == 1
    assert (await phones.ask(CUSTOMER, "CHERCHE tantie") or "").endswith("Commander: *237*1*10#")
    assert await phones.ask(CUSTOMER, "CHERCHE xyzzy") == "Rien trouvé pour xyzzy."


# ---- a meal by two texts ---------------------------------------------------------------------------------


async def has_places(market: Market, *names: str) -> None:
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        for name in names:
            (found, *_) = await places.search_quarters(tx, prefix=name)
            await remember_place(tx, person_id=person.id, place=Place(found.id, None))


async def placed(market: Market) -> list[tuple[str, int, str]]:
    columns = select(customer_order.c.place_label, customer_order.c.total_xaf, customer_order.c.state)
    return [(row.place_label, row.total_xaf, row.state) for row in await market.rows(columns)]


async def test_a_quote_by_sms_is_ordered_by_yes_and_a_second_yes_orders_nothing_more(phones: Phones) -> None:
    market = phones.market
    await has_places(market, "bonapriso", "deido")
    quoted = await phones.ask(CUSTOMER, "45 1x2 3 A2")
    assert quoted and "à Deido" in quoted and "Répondez OUI" in quoted and sms_parts(quoted) == 1
    for _ in range(2):
        assert "Validez le paiement" in (await phones.ask(CUSTOMER, "oui") or "")
    ((label, total_xaf, state),) = await placed(market)
    assert (label, state) == ("Deido", "AWAITING_PAYMENT") and f"total {total_xaf}F" in quoted


async def test_a_quote_goes_to_the_first_place_and_lives_for_ten_minutes(phones: Phones) -> None:
    await has_places(phones.market, "bonapriso", "deido")
    assert "à Bonapriso" in (await phones.ask(CUSTOMER, "45 1") or "")
    phones.market.clock.advance(minutes=10)
    assert (await phones.ask(CUSTOMER, "OUI") or "").startswith("Rien à confirmer.")
    assert await placed(phones.market) == []


async def test_a_price_that_changed_since_the_quote_is_quoted_again_before_it_is_ordered(phones: Phones) -> None:
    await has_places(phones.market, "deido")
    quoted = await phones.ask(CUSTOMER, "45 1") or ""
    async with phones.market.database.transaction() as tx:
        await tx.run(dish.update().values(price_xaf=dish.c.price_xaf + 500))
    again = await phones.ask(CUSTOMER, "OUI") or ""
    assert "Répondez OUI" in again and again != quoted and await placed(phones.market) == []
    assert "Validez le paiement" in (await phones.ask(CUSTOMER, "OUI") or "")
    ((_, total_xaf, _),) = await placed(phones.market)
    assert f"total {total_xaf}F" in again


@pytest.mark.parametrize("text", ["45 1", "77 1", "45 99", "OUI", "45 1x99 A3"])
async def test_what_cannot_be_quoted_is_said_and_nothing_is_ordered(phones: Phones, text: str) -> None:
    if text != "45 1":
        await has_places(phones.market, "bonapriso", "deido")
    answer = await phones.ask(CUSTOMER, text)
    assert answer and "Répondez OUI" not in answer and await placed(phones.market) == []
