"""Choosing where to eat and what to add at the confirmation: as few keys as possible, and nothing silently."""

import pytest
from sqlalchemy import select, update

from core.clock import DOUALA, ManualClock
from core.database import Database
from marketplace.catalogue import service as restaurants
from marketplace.catalogue.tables import dish, restaurant
from marketplace.ordering import queries
from marketplace.ordering.queries import Order
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from tests.menus_ussd.toy import Handset
from tests.support.coupons import make_coupon
from tests.support.market import CUSTOMER, open_market

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine(database: Database, clock: ManualClock) -> Engine:
    """The product's menus over the demo town; the customer reads French."""
    await open_market(database, clock)
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await people.choose_language(tx, person_id=person.id, language="fr")
    return build_ussd(database)


async def last_order(engine: Engine) -> Order:
    async with engine.database.reading() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        order = await queries.last_order(tx, person_id=person.id)
    assert order
    return order


async def has_ordered(engine: Engine, dialled: str, *inputs: str) -> None:
    """An order that is over."""
    handset = Handset(engine, f"before {dialled}")
    await handset.dial(dialled)
    assert (await handset.say(*inputs)).step == "ussd.order.sent"
    async with engine.database.transaction() as tx:
        await tx.run(update(customer_order).values(state="REJECTED"))


async def first_names(engine: Engine, session_id: str) -> list[str]:
    """The lines of the page that a restaurant is chosen on."""
    page = await Handset(engine, session_id).dial("2")
    return [line[2:] for line in page.text.split("\n") if line[:2] in ("1 ", "2 ", "3 ")]


async def set_restaurant(engine: Engine, number: int, **values: str) -> None:
    async with engine.database.transaction() as tx:
        await tx.run(update(restaurant).where(restaurant.c.number == number).values(values))


# ---- where -----------------------------------------------------------------------------------------------


async def test_a_first_order_takes_six_screens_and_the_next_three(engine: Engine) -> None:
    handset = Handset(engine)
    steps = [(await handset.dial()).step]
    steps += [(await handset.say(key)).step for key in ("2", "1", "1", "1", "1")]
    assert steps == ["home", "order.restaurant", "order.dishes", "place.quarter", "place.landmark", "order.confirm"]
    assert (await handset.say("1")).step == "ussd.order.sent"
    async with engine.database.transaction() as tx:
        await tx.run(update(customer_order).values(state="REJECTED"))
    again = Handset(engine, "again")
    assert [(await again.dial()).step, (await again.say("1")).step] == ["home", "order.confirm"]
    assert not (await again.say("1")).expects_input


async def test_what_one_orders_and_likes_comes_first_then_what_is_near(engine: Engine) -> None:
    assert (await first_names(engine, "new"))[0].startswith("La Marmite")
    await has_ordered(engine, "45", "1", "bonab", "1", "1", "1")
    assert [name[:10] for name in await first_names(engine, "one order")] == ["Chez Mama,", "Achu & Eru", "Braises du"]
    async with engine.database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        liked = await tx.value(select(restaurant.c.id).where(restaurant.c.number == 12))
        await restaurants.like(tx, person_id=person.id, restaurant_id=liked, liked=True)
    assert [name[:9] for name in await first_names(engine, "one liked")][:2] == ["Soya du S", "Chez Mama"]
    await set_restaurant(engine, 12, state="closed")
    assert (await first_names(engine, "liked closed"))[0].startswith("Chez Mama")


async def test_three_letters_find_restaurants_and_dishes_whatever_the_accents(engine: Engine) -> None:
    handset = Handset(engine)
    await handset.dial("2")
    page = await handset.say("NDOLÉ")
    assert page.step == "order.found" and "Ndol" in page.text
    assert (await handset.say("soya")).text.count("Soya du Septentrion") == 1
    assert (await handset.say("xyz")).text.startswith('Trouvé pour "xyz"')
    assert "Choix inconnu" in (await handset.say("4")).text
    assert (await handset.say("ndole")).step.startswith("order.found")


async def test_a_dish_that_was_found_is_ordered_at_once(engine: Engine) -> None:
    handset = Handset(engine)
    await handset.dial("2")
    page = await handset.say("miondo")
    assert (await handset.say("1")).step == "place.quarter"
    assert (await handset.say("1", "1")).step == "order.confirm"
    await handset.say("1")
    order = await last_order(engine)
    assert [line.quantity for line in order.lines] == [1]
    assert "miondo" in order.lines[0].name and order.lines[0].name[:10] in page.text


async def test_dialled_numbers_that_lead_nowhere_say_so_and_show_the_others(engine: Engine) -> None:
    unknown = Handset(engine, "unknown")
    page = await unknown.dial("77")
    assert page.step == "order.unknown" and page.text.startswith("Pas de restaurant 77.")
    assert (await unknown.say("1")).step == "order.dishes"
    await set_restaurant(engine, 45, state="closed")
    closed = Handset(engine, "closed")
    page = await closed.dial("45*12*2")
    assert page.step == "order.closed" and page.text.startswith("Chez Mama est fermé.")
    assert (await closed.say("ndole")).step == "order.found"
    assert (await closed.say("0", "0", "0")).step == "home"


@pytest.mark.parametrize("dialled", ["45*99*2", "45*1*²", "45*0", "45*1x"])
async def test_a_dialled_dish_that_cannot_be_had_leaves_the_restaurants_menu(engine: Engine, dialled: str) -> None:
    async with engine.database.transaction() as tx:
        await tx.run(update(dish).where(dish.c.number == 1).values(available=False))
    assert (await Handset(engine).dial(dialled)).step == "order.dishes"


# ---- what is added ---------------------------------------------------------------------------------------


async def at_the_options(engine: Engine) -> Handset:
    handset = Handset(engine)
    await handset.dial("45*1*2")
    assert (await handset.say("1", "1", "4")).step == "order.extras"
    return handset


async def test_a_coupon_and_a_tip_are_added_to_what_is_confirmed(engine: Engine) -> None:
    await make_coupon(engine.database, amount_xaf=300)
    handset = await at_the_options(engine)
    assert (await handset.say("1")).step == "order.coupon"
    refused = await handset.say("1999")
    assert refused.step == "order.coupon_again" and refused.text.startswith("Code promo inconnu.")
    assert "remise 300F" in (await handset.say("2024")).text
    tipped = await handset.say("4", "2", "2")
    assert tipped.step.startswith("order.confirm") and "pourboire 500F, remise 300F" in tipped.text
    assert (await handset.say("1")).step == "ussd.order.sent"
    order = await last_order(engine)
    assert (order.discount_xaf, order.tip_xaf) == (300, 500)
    assert order.total_xaf == order.items_xaf + order.delivery_xaf + 200


async def test_what_was_added_stays_when_a_dish_is_added(engine: Engine) -> None:
    handset = await at_the_options(engine)
    assert "pourboire 200F" in (await handset.say("2", "1")).text
    page = await handset.say("3", "2")
    assert page.step.startswith("order.confirm") and "pourboire 200F" in page.text


async def test_guessing_coupons_ends(engine: Engine) -> None:
    handset = await at_the_options(engine)
    await handset.say("1")
    pages = [await handset.say(str(number)) for number in range(1000, 1006)]
    assert [page.step for page in pages[:2]] == ["order.coupon_again", "order.coupon_again#2"]
    assert pages[-1].step == "error.too_many"


async def test_a_favourite_is_kept_and_given_up_at_the_options(engine: Engine) -> None:
    handset = await at_the_options(engine)
    assert (await handset.say("5")).step.startswith("order.confirm")
    assert (await first_names(engine, "liked"))[0].startswith("Chez Mama")
    other = Handset(engine, "other")
    await other.dial("45*1")
    assert "Retirer des favoris" in (await other.say("1", "1", "4")).text


async def test_a_meal_is_ordered_for_tomorrow_and_tracked_with_its_hour(engine: Engine, clock: ManualClock) -> None:
    handset = await at_the_options(engine)
    assert (await handset.say("3")).step == "order.day"
    page = await handset.say("3")
    assert page.step == "order.hour" and page.text.split("\n")[1].startswith("1 09:")
    hour = page.text.split("\n")[1][2:]
    confirmation = await handset.say("1")
    assert hour in confirmation.text
    assert (await handset.say("1")).step == "ussd.order.sent"
    order = await last_order(engine)
    assert order.deliver_at is not None and order.deliver_at > clock.now()
    async with engine.database.transaction() as tx:
        await tx.run(update(customer_order).values(state="PAID"))
    assert (
        f"Payée, pour le {(order.deliver_at.astimezone(DOUALA)):%d/%m} {hour}"
        in (await Handset(engine, "track").dial("3")).text
    )
    again = await at_the_options(engine)
    assert "Dès que possible" in (await again.say("3")).text
