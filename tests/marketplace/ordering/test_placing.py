"""One order per version of a cart, at the price that was seen, under a number that nobody else has open."""

import asyncio
from itertools import cycle, repeat
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from core.errors import InvalidInput, NotFound
from core.gsm import sms_parts
from core.ids import new_id
from ledger import chart
from ledger.errors import InsufficientFunds
from marketplace.catalogue.tables import dish
from marketplace.ordering import carts, placing, queries, service
from marketplace.ordering.errors import (
    CartExpired,
    DishUnavailable,
    EmptyCart,
    NumbersExhausted,
    PaymentPending,
    PlaceMissing,
    PriceChanged,
    RestaurantClosed,
)
from marketplace.ordering.pricing import Line
from marketplace.ordering.tables import cart, customer_order, order_event
from marketplace.places import queries as places
from marketplace.places.queries import Place
from marketplace.places.tables import tariff_fee
from marketplace.wallets import service as wallets
from payments.tables import payment
from tests.support.town import CUSTOMER, FRIEND, KITCHEN, Town

pytestmark = pytest.mark.anyio


async def open_cart(town: Town, phone: str = CUSTOMER) -> carts.Cart | None:
    person_id = await town.person(phone)
    async with town.database.reading() as tx:
        return await carts.open_cart(tx, person_id=person_id)


async def count(town: Town, what: Any) -> int:
    async with town.database.reading() as tx:
        return int(await tx.value(select(func.count()).select_from(what)))


# ---- carts -----------------------------------------------------------------------------------------------


async def test_a_quote_shows_items_fee_and_total(town: Town) -> None:
    quote = (await town.cart()).quote
    assert quote is not None
    assert [(line.quantity, line.name, line.price_xaf) for line in quote.lines] == [
        (2, "Ndole+plantain", 1250),
        (1, "Jus", 500),
    ]
    assert (quote.items_xaf, quote.delivery_xaf, quote.tax_xaf, quote.total_xaf) == (3000, 800, 0, 3800)
    assert quote.place_label == "Bonamoussadi, Pharmacie du Centre"
    assert (quote.expires_at - town.clock.now()).total_seconds() == 600


async def test_every_change_is_a_new_version_and_the_same_dish_one_line(town: Town) -> None:
    first = await town.cart(place=None)
    assert (first.version, first.quote) == (1, None)
    twice = [Line(town.dishes[12], 1), Line(town.dishes[12], 2)]
    second = await town.cart(lines=twice, cart_id=first.cart_id)
    assert (second.cart_id, second.version, second.lines) == (first.cart_id, 2, [Line(town.dishes[12], 3)])


async def test_a_cart_is_only_its_owners(town: Town) -> None:
    made = await town.cart()
    with pytest.raises(NotFound):
        await town.cart(FRIEND, cart_id=made.cart_id)
    with pytest.raises(NotFound):
        await town.place(made, FRIEND)


async def test_what_cannot_be_cooked_is_not_put_into_a_cart(town: Town) -> None:
    for quantity in (0, -1, carts.MOST_OF_ONE + 1):
        with pytest.raises(EmptyCart):
            await town.cart(lines=[Line(town.dishes[12], quantity)])
    with pytest.raises(NotFound):
        await town.cart(lines=[Line(new_id(), 1)])
    with pytest.raises(InvalidInput):
        await town.cart(place=Place(town.home.quarter_id, None, "x" * 61))
    await town.set_dish(13, available=False)
    with pytest.raises(DishUnavailable) as refusal:
        await town.cart()
    assert refusal.value.params == {"dish": "Jus"}


async def test_a_cart_is_open_for_thirty_minutes(town: Town) -> None:
    made = await town.cart()
    town.clock.advance(minutes=29)
    assert await open_cart(town) is not None
    town.clock.advance(minutes=1)
    assert await open_cart(town) is None
    with pytest.raises(CartExpired):
        await town.place(made)


async def test_a_discarded_cart_is_not_offered_and_not_ordered(town: Town) -> None:
    made = await town.cart()
    async with town.database.transaction() as tx:
        await carts.discard(tx, person_id=await town.person())
    assert await open_cart(town) is None
    with pytest.raises(CartExpired):
        await town.place(made)


async def test_a_cart_that_nobody_would_cook_is_not_offered(town: Town) -> None:
    await town.cart()
    await town.set_kitchen(state="closed")
    assert await open_cart(town) is None


async def test_an_ordered_cart_counts_until_its_payment_is_decided(town: Town) -> None:
    order = await town.place()
    ordered = await open_cart(town)
    assert ordered is not None and ordered.order_id == order.id
    await town.decide("SUCCESSFUL")
    assert await open_cart(town) is None


async def test_the_last_order_can_be_repeated_to_the_same_place(town: Town) -> None:
    await town.place()
    async with town.database.transaction() as tx:
        again = await carts.repeat_last(tx, person_id=await town.person(), channel="ussd")
    assert (again.lines, again.place) == (town.meal, town.home)
    with pytest.raises(NotFound):
        async with town.database.transaction() as tx:
            await carts.repeat_last(tx, person_id=await town.person(FRIEND), channel="ussd")


async def test_where_one_has_ordered_to_is_a_saved_place(town: Town) -> None:
    await town.place()
    async with town.database.reading() as tx:
        (saved,) = await places.saved_places(tx, person_id=await town.person())
    assert (saved.slot, saved.place) == (1, town.home)


async def test_no_phone_rests_in_the_clear(town: Town) -> None:
    await town.place()
    async with town.database.reading() as tx:
        for table in (cart, customer_order, order_event):
            for row in await tx.all(select(table)):
                assert FRIEND[1:] not in str(row) and CUSTOMER[1:] not in str(row)


# ---- placing ---------------------------------------------------------------------------------------------


async def test_twenty_confirmations_at_once_are_one_order(town: Town) -> None:
    made = await town.cart()
    orders = await asyncio.gather(*(town.place(made) for _ in range(20)))
    assert len({order.id for order in orders}) == 1
    assert await count(town, customer_order) == await count(town, payment) == 1


async def test_twenty_confirmations_at_once_spend_the_wallet_once(town: Town) -> None:
    await town.give(chart.wallet(await town.person()), 10_000)
    made = await town.cart()
    await asyncio.gather(*(town.place(made, pay_with="wallet") for _ in range(20)))
    async with town.database.reading() as tx:
        person_id = await town.person()
        assert await wallets.balance(tx, person_id=person_id) == 6200
        assert await wallets.reserved(tx, person_id=person_id) == 3800
    await town.check()


async def test_a_repeat_gets_the_same_order_whatever_has_changed_since(town: Town) -> None:
    made = await town.cart()
    order = await town.place(made)
    await town.set_kitchen(state="closed")
    await town.set_dish(12, price_xaf=9000)
    town.clock.advance(hours=2)
    assert (await town.place(made)).id == order.id


async def test_a_price_that_changed_asks_again(town: Town) -> None:
    made = await town.cart()
    await town.set_dish(13, price_xaf=600)
    with pytest.raises(PriceChanged) as refusal:
        await town.place(made)
    assert refusal.value.params == {"total_xaf": 3900}
    assert await count(town, customer_order) == 0
    assert (await town.place(made, total_xaf=3900)).total_xaf == 3900


async def test_an_order_costs_what_delivery_costs_now_whatever_a_quote_remembers(town: Town) -> None:
    msgspec.structs.force_setattr(town.database.settings, "menu_age_seconds", 60.0)
    made = await town.cart()
    async with town.database.transaction() as tx:
        await tx.run(update(tariff_fee).values(fee_xaf=5000))
    again = await town.cart(cart_id=made.cart_id)
    assert again.quote is not None and again.quote.total_xaf == 3800
    with pytest.raises(PriceChanged) as refusal:
        await town.place(again)
    assert refusal.value.params == {"total_xaf": 8000}


async def test_what_is_closed_or_gone_is_not_ordered(town: Town) -> None:
    made = await town.cart()
    await town.set_dish(12, available=False)
    with pytest.raises(DishUnavailable):
        await town.place(made)
    await town.set_dish(12, available=True)
    await town.set_kitchen(state="busy")
    with pytest.raises(RestaurantClosed):
        await town.place(made)


async def test_a_page_that_showed_an_older_cart_orders_nothing(town: Town) -> None:
    first = await town.cart()
    await town.cart(cart_id=first.cart_id)
    with pytest.raises(CartExpired):
        await town.place(first)


async def test_a_cart_without_a_place_orders_nothing(town: Town) -> None:
    made = await town.cart(place=None)
    with pytest.raises(PlaceMissing):
        async with town.database.transaction() as tx:
            await service.place(
                tx,
                person_id=await town.person(),
                cart_id=made.cart_id,
                cart_version=1,
                total_xaf=3800,
                pay_with="mobile_money",
                channel="ussd",
            )


async def test_a_changed_cart_waits_for_the_payment_of_the_first(town: Town) -> None:
    first = await town.cart()
    order = await town.place(first)
    second = await town.cart(cart_id=first.cart_id)
    with pytest.raises(PaymentPending) as refusal:
        await town.place(second)
    assert refusal.value.params == {"number": order.number}
    await town.decide("FAILED")
    assert (await town.place(second)).id != order.id
    assert (await town.place(first)).id == order.id


async def test_an_empty_wallet_orders_nothing(town: Town) -> None:
    await town.give(chart.wallet(await town.person()), 3799)
    with pytest.raises(InsufficientFunds):
        await town.place(pay_with="wallet")
    assert await count(town, customer_order) == 0


async def test_numbers_differ_among_open_orders_of_a_restaurant_and_of_a_customer(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = cycle([4821, 4821, 5190])
    monkeypatch.setattr(placing, "order_number", lambda: next(numbers))
    first = await town.place()
    await town.engine.sweep()  # two prompts of one sweep leave in any order, and the newest is decided on
    assert (first.number, (await town.place(phone=FRIEND)).number) == (4821, 5190)
    await town.decide("FAILED")
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=first.id, person_id=first.person_id)
    assert (await town.place()).number == 4821, "a number is free again once its order is over"


async def test_when_no_number_is_free_nothing_is_ordered(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = repeat(4821)
    monkeypatch.setattr(placing, "order_number", lambda: next(numbers))
    await town.place()
    with pytest.raises(NumbersExhausted):
        await town.place(phone=FRIEND)


async def test_a_number_means_the_open_order_before_an_old_one(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "order_number", lambda: 4821)
    old = await town.place()
    await town.decide("FAILED")
    new = await town.place()
    async with town.database.reading() as tx:
        found = await queries.find_by_number(tx, number=4821, person_id=old.person_id)
        here = await queries.find_by_number(tx, number=4821, restaurant_id=town.restaurant_id)
        nobodys = await queries.find_by_number(tx, number=4821, person_id=new_id())
        live = await queries.live_orders(tx, person_id=old.person_id)
        last = await queries.last_order(tx, person_id=old.person_id)
    assert found is not None and here is not None and last is not None
    assert found.id == here.id == last.id == new.id and nobodys is None
    assert [order.id for order in live] == [new.id]


async def test_only_the_customer_sees_the_code(town: Town) -> None:
    order = await town.picked_up()
    async with town.database.reading() as tx:
        (theirs,) = await queries.live_orders(tx, person_id=order.person_id)
        drivers = await queries.find_by_number(tx, number=order.number, driver_id=town.driver_id)
        kitchens = await queries.find_by_number(tx, number=order.number, restaurant_id=town.restaurant_id)
        plain = await queries.get(tx, order_id=order.id)
    assert theirs.delivery_code is not None
    assert drivers is not None and kitchens is not None
    assert (drivers.delivery_code, kitchens.delivery_code, plain.delivery_code) == (None, None, None)
    with pytest.raises(NotFound):
        async with town.database.reading() as tx:
            await queries.get(tx, order_id=order.id, person_id=await town.person(FRIEND))


async def test_the_kitchen_reads_every_dish_of_a_feast(town: Town) -> None:
    numbers = range(20, 50)
    async with town.database.transaction() as tx:
        shared = {"restaurant_id": town.restaurant_id, "name": "Plat", "plain": "plat", "price_xaf": 500}
        rows = [{"id": new_id(), "number": number, **shared} for number in numbers]
        await tx.run(insert(dish), rows)
    feast = [Line(row["id"], 12) for row in rows]
    await town.paid(cart=await town.cart(lines=feast))
    (told,) = await town.texts(KITCHEN)
    assert all(f"12*{number}" in told for number in numbers) and sms_parts(told) == 2
