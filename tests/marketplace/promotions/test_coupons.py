"""Coupons: whom they count for, how often, what they take off; and that a limit holds however many order at once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.errors import GatewayError, InvalidInput
from core.ids import new_id
from marketplace.catalogue.tables import restaurant
from marketplace.ordering import carts
from marketplace.ordering import service as ordering
from marketplace.ordering.errors import PriceChanged
from marketplace.ordering.pricing import Extras
from marketplace.ordering.queries import Order
from marketplace.promotions import service as promotions
from marketplace.promotions.errors import (
    CouponElsewhere,
    CouponForNewcomers,
    CouponMinimum,
    CouponOver,
    CouponUsed,
    UnknownCoupon,
)
from marketplace.promotions.service import CouponTaken, Discount
from marketplace.promotions.tables import coupon, coupon_use
from tests.support.coupons import NUMBER, make_coupon, promised
from tests.support.town import CUSTOMER, FRIEND, KITCHEN, Town

pytestmark = pytest.mark.anyio


async def found(town: Town, typed: str = str(NUMBER), *, items_xaf: int = 3000, phone: str = CUSTOMER) -> Discount:
    person_id = await town.person(phone)
    async with town.database.reading() as tx:
        where = {"restaurant_id": town.restaurant_id, "items_xaf": items_xaf}
        return await promotions.find(tx, typed=typed, person_id=person_id, **where)


async def used(town: Town) -> int:
    async with town.database.reading() as tx:
        return int(await tx.value(select(coupon.c.used)))


async def ordered(town: Town, coupon_id: UUID, phone: str = CUSTOMER) -> Order:
    """The usual meal, to be paid by mobile money."""
    return await town.place(await town.cart(phone, extras=Extras(coupon_id)), phone)


@pytest.mark.parametrize("typed", ["2024", " 2024 ", "mboa50", "MBOA 50", "Mboa50"])
async def test_a_coupon_is_known_by_its_number_and_its_word(town: Town, typed: str) -> None:
    coupon_id = await make_coupon(town.database)
    assert await found(town, typed) == Discount(coupon_id, 1000, "platform")


@pytest.mark.parametrize("typed", ["2025", "mboa", "", "²", "9" * 10, "9" * 20, "9" * 30, "9" * 5000, "'; --"])
async def test_what_is_no_coupon_is_unknown(town: Town, typed: str) -> None:
    await make_coupon(town.database)
    with pytest.raises(UnknownCoupon):
        await found(town, typed)


@pytest.mark.parametrize(
    ("terms", "items_xaf", "off_xaf"),
    [
        ({"percent": 50}, 1999, 999),
        ({"percent": 50}, 5000, 1000),
        ({"percent": 50, "max_discount_xaf": None}, 5000, 2500),
        ({"amount_xaf": 700}, 3000, 700),
        ({"amount_xaf": 700}, 500, 500),
    ],
)
async def test_it_takes_off_what_it_says_and_never_more_than_the_dishes_cost(
    town: Town, terms: dict[str, Any], items_xaf: int, off_xaf: int
) -> None:
    await make_coupon(town.database, **terms)
    assert (await found(town, items_xaf=items_xaf)).amount_xaf == off_xaf


async def test_what_takes_off_less_than_a_franc_does_not_count(town: Town) -> None:
    await make_coupon(town.database, percent=5)
    with pytest.raises(CouponMinimum) as refusal:
        await found(town, items_xaf=19)
    assert refusal.value.params == {"minimum_xaf": 20}
    assert (await found(town, items_xaf=20)).amount_xaf == 1


async def another_kitchen(town: Town) -> UUID:
    async with town.database.transaction() as tx:
        row = dict((await tx.one(select(restaurant)))._mapping)
        other = {**row, "id": new_id(), "number": 46}
        await tx.run(restaurant.insert().values(other))
        return UUID(str(other["id"]))


async def test_it_counts_only_in_its_time_at_its_restaurant_and_from_its_minimum_on(town: Town) -> None:
    async with town.database.reading() as tx:
        begins = tx.now + timedelta(hours=1)
    await make_coupon(town.database, valid_from=begins)
    await make_coupon(town.database, number=3000, code="tard", min_items_xaf=3001)
    await make_coupon(town.database, number=4000, code="ailleurs", restaurant_id=await another_kitchen(town))
    with pytest.raises(CouponOver):
        await found(town)
    with pytest.raises(CouponMinimum) as refusal:
        await found(town, "3000")
    assert refusal.value.params == {"minimum_xaf": 3001}
    with pytest.raises(CouponElsewhere):
        await found(town, "4000")
    town.clock.advance(hours=1)
    assert (await found(town)).amount_xaf == 1000
    town.clock.advance(hours=23)
    with pytest.raises(CouponOver):
        await found(town)


async def test_a_coupon_for_chosen_people_is_unknown_to_the_others(town: Town) -> None:
    await make_coupon(town.database, audience="chosen", chosen=(await town.person(FRIEND),))
    assert (await found(town, phone=FRIEND)).amount_xaf == 1000
    with pytest.raises(UnknownCoupon):
        await found(town)


async def test_a_coupon_for_newcomers_counts_until_the_first_order_that_comes_to_something(town: Town) -> None:
    coupon_id = await make_coupon(town.database, audience="new", per_person_limit=9)
    order = await ordered(town, coupon_id)
    await town.decide("FAILED", reason="REJECTED")
    assert (await found(town)).amount_xaf == 1000, "nothing came of it"
    async with town.database.transaction() as tx:
        await ordering.pay_again(tx, order_id=order.id, person_id=order.person_id)
    with pytest.raises(CouponForNewcomers):
        await found(town)


async def test_two_coupons_have_neither_number_nor_word_in_common(town: Town) -> None:
    await make_coupon(town.database)
    for same in ({"code": "autre"}, {"number": 3000}):
        with pytest.raises(CouponTaken):
            await make_coupon(town.database, **same)
    for senseless in ({"number": 12}, {"code": "a b"}, {"percent": 101}, {"funder": "restaurant"}, {"percent": None}):
        async with town.database.transaction() as tx:
            other = {"number": 3000, "code": "autre", **senseless}
            with pytest.raises(InvalidInput):
                await promotions.add(tx, new=promised(tx, **other), staff_id=new_id())


# ---- how often -------------------------------------------------------------------------------------------


async def test_an_order_holds_its_coupon_and_a_page_shown_again_the_price_that_was_agreed(town: Town) -> None:
    coupon_id = await make_coupon(town.database)
    cart = await town.cart(extras=Extras(coupon_id))
    order = await town.place(cart)
    assert (order.discount_xaf, order.total_xaf) == (1000, 2800)
    with pytest.raises(CouponUsed):
        await found(town)
    async with town.database.reading() as tx:
        again = await carts.open_cart(tx, person_id=order.person_id)
    assert again and again.quote and (again.order_id, again.quote.total_xaf) == (order.id, 2800)
    assert (await town.place(cart)).id == order.id
    assert await used(town) == 1


async def test_a_coupon_that_ran_out_while_the_page_was_read_asks_again(town: Town) -> None:
    coupon_id = await make_coupon(town.database, usage_limit=1)
    mine = await town.cart(extras=Extras(coupon_id))
    await ordered(town, coupon_id, FRIEND)
    with pytest.raises(PriceChanged) as refusal:
        await town.place(mine)
    assert refusal.value.params == {"total_xaf": 3800}
    again = await town.cart(cart_id=mine.cart_id, extras=mine.extras)
    assert (await town.place(again)).discount_xaf == 0


async def test_of_many_who_order_at_once_only_so_many_get_it(town: Town) -> None:
    coupon_id = await make_coupon(town.database, usage_limit=3)
    phones = [f"+23767010000{n}" for n in range(8)]
    orders = [await town.cart(phone, extras=Extras(coupon_id)) for phone in phones]
    tries = [town.place(cart, phone) for cart, phone in zip(orders, phones, strict=True)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Order) for result in results) == 3
    assert all(isinstance(result, Order | PriceChanged) for result in results)
    assert await used(town) == 3


async def test_one_person_who_orders_two_carts_at_once_gets_it_once(town: Town) -> None:
    coupon_id = await make_coupon(town.database)
    both = [await town.cart(extras=Extras(coupon_id)) for _ in range(2)]
    results = await asyncio.gather(*(town.place(cart) for cart in both), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Order", "PriceChanged"]


async def test_a_newcomer_who_orders_with_two_coupons_at_once_is_new_for_one(town: Town) -> None:
    coupons = [
        await make_coupon(town.database, number=number, code=code, audience="new")
        for number, code in ((3000, "salut"), (4000, "bonjour"))
    ]
    both = [await town.cart(extras=Extras(coupon_id)) for coupon_id in coupons]
    results = await asyncio.gather(*(town.place(cart) for cart in both), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Order", "PriceChanged"]


# ---- given back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["unpaid", "cancelled unpaid", "cancelled", "refused", "no answer"])
async def test_what_comes_to_nothing_gives_the_coupon_back(town: Town, end: str) -> None:
    order = await ordered(town, await make_coupon(town.database, usage_limit=1))
    if end == "unpaid":
        await town.decide("FAILED", reason="REJECTED")
    elif end != "cancelled unpaid":
        await town.decide("SUCCESSFUL")
    if end == "no answer":
        for minutes in (3, 2, 3):
            await town.wait(minutes=minutes)
    kitchen = await town.person(KITCHEN)
    async with town.database.transaction() as tx:
        if end.startswith("cancelled"):
            await ordering.cancel(tx, order_id=order.id, person_id=order.person_id)
        if end == "refused":
            await ordering.refuse(tx, order_id=order.id, by_person=kitchen)
    assert await used(town) == 0
    assert (await found(town)).amount_xaf == 1000
    await town.check()


async def test_what_was_cooked_keeps_the_coupon(town: Town) -> None:
    order = await ordered(town, await make_coupon(town.database))
    await town.decide("SUCCESSFUL")
    kitchen = await town.person(KITCHEN)
    async with town.database.transaction() as tx:
        await ordering.accept(tx, order_id=order.id, minutes=20, by_person=kitchen)
        await ordering.cancel(tx, order_id=order.id, person_id=order.person_id)
    with pytest.raises(CouponUsed):
        await found(town)


async def test_paying_again_takes_the_coupon_again_and_is_refused_when_it_is_gone(town: Town) -> None:
    coupon_id = await make_coupon(town.database, usage_limit=1)
    order = await ordered(town, coupon_id)
    await town.decide("FAILED", reason="REJECTED")
    other = await ordered(town, coupon_id, FRIEND)
    with pytest.raises(GatewayError) as refusal:
        async with town.database.transaction() as tx:
            await ordering.pay_again(tx, order_id=order.id, person_id=order.person_id)
    assert refusal.value.code == "price_changed"
    async with town.database.transaction() as tx:
        await ordering.cancel(tx, order_id=other.id, person_id=other.person_id)
    async with town.database.transaction() as tx:
        again = await ordering.pay_again(tx, order_id=order.id, person_id=order.person_id)
    assert (again.state, again.discount_xaf) == ("AWAITING_PAYMENT", 1000)
    assert await used(town) == 1
    async with town.database.reading() as tx:
        live = select(coupon_use.c.order_id).where(coupon_use.c.released_at.is_(None))
        assert [row.order_id for row in await tx.all(live)] == [order.id]
