"""The money of an order with a coupon and a tip: who bears the discount, whose the tip is, at each way out.

3,000 of food less 1,000, 800 for the ride, 500 for the driver: 3,300 to pay.
"""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import text

from core.errors import InvalidAmount
from ledger import chart
from marketplace.ordering import service, settlement
from marketplace.ordering.carts import MOST_TIP_XAF
from marketplace.ordering.pricing import Extras
from marketplace.ordering.queries import Order
from tests.support.coupons import make_coupon
from tests.support.town import CAMPAY_MTN, CUSTOMER, KITCHEN, Town

pytestmark = pytest.mark.anyio

Exit = Callable[[Town, Order], Awaitable[None]]


async def shares(town: Town) -> dict[str, int]:
    """Who holds what."""
    accounts = {
        "restaurant": chart.restaurant_payable(town.restaurant_id),
        "driver": chart.driver_payable(town.driver_id),
        "commission": chart.COMMISSION,
        "promotions": chart.PROMOTIONS,
        "goodwill": chart.GOODWILL,
        "customer": chart.wallet(await town.person(CUSTOMER)),
    }
    held = {name: await town.balance(account) for name, account in accounts.items()}
    return {name: amount for name, amount in held.items() if amount}


async def placed(town: Town, funder: str, **how: str) -> Order:
    """An order with everything, not yet paid if it is by mobile money."""
    where = {"restaurant_id": town.restaurant_id} if funder == "restaurant" else {}
    coupon_id = await make_coupon(town.database, funder=funder, **where)
    return await town.place(await town.cart(extras=Extras(coupon_id, 500)), **how)


async def _cancel_unpaid(town: Town, order: Order) -> None:
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)


async def _cancel_offered(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    await _cancel_unpaid(town, order)


async def _refuse(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    async with town.database.transaction() as tx:
        await service.refuse(tx, order_id=order.id, by_person=await town.person(KITCHEN))


async def _cancel_cooked(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    async with town.database.transaction() as tx:
        await service.accept(tx, order_id=order.id, minutes=20, by_person=await town.person(KITCHEN))
    await _cancel_unpaid(town, order)


async def _deliver(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    await town.carry(order)
    async with town.database.transaction() as tx:
        await service.confirm_received(tx, order_id=order.id, person_id=order.person_id)


async def _fail(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    await town.carry(order)
    async with town.database.transaction() as tx:
        await settlement.fail_delivery(tx, order_id=order.id, reason="nobody_there")


async def _our_fault(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    await town.carry(order)
    async with town.database.transaction() as tx:
        await service.cancel_at_our_cost(tx, order_id=order.id, staff_id=await town.person())


async def _resolve_refund(town: Town, order: Order) -> None:
    await town.decide("SUCCESSFUL")
    await town.carry(order)
    async with town.database.transaction() as tx:
        await service.dispute(tx, order_id=order.id, actor="customer")
        await service.resolve(tx, order_id=order.id, staff_id=order.person_id, refund=True)


PLATFORM = {"restaurant": 2550, "commission": 450, "driver": 1300, "promotions": 1000}
RESTAURANT = {"restaurant": 1700, "commission": 300, "driver": 1300}
BACK = {"customer": 3300}


@pytest.mark.parametrize(
    ("leave", "platforms", "restaurants"),
    [
        (_cancel_unpaid, {}, {}),
        (_cancel_offered, BACK, BACK),
        (_refuse, BACK, BACK),
        (_resolve_refund, BACK, BACK),
        (_deliver, PLATFORM, RESTAURANT),
        (_fail, PLATFORM, RESTAURANT),
        (_our_fault, {**PLATFORM, "goodwill": 3300, **BACK}, {**RESTAURANT, "goodwill": 3300, **BACK}),
        (
            _cancel_cooked,
            {"restaurant": 2550, "commission": 450, "promotions": 1000, "customer": 1300},
            {"restaurant": 1700, "commission": 300, "customer": 1300},
        ),
    ],
)
@pytest.mark.parametrize("funder", ["platform", "restaurant"])
async def test_every_way_out_empties_the_escrow_and_nobody_pays_for_another(
    town: Town, funder: str, leave: Exit, platforms: dict[str, int], restaurants: dict[str, int]
) -> None:
    order = await placed(town, funder)
    assert (order.items_xaf, order.discount_xaf, order.tip_xaf, order.total_xaf) == (3000, 1000, 500, 3300)
    await leave(town, order)
    assert await shares(town) == (platforms if funder == "platform" else restaurants)
    assert await town.balance(chart.escrow(order.id)) == 0
    await town.check()


async def test_the_customer_is_asked_for_what_is_left_to_pay(town: Town) -> None:
    await placed(town, "platform")
    await town.decide("SUCCESSFUL")
    assert await town.balance(CAMPAY_MTN) + await town.balance(chart.PROVIDER_FEES) == 3300


async def test_points_come_of_what_was_paid_for_the_dishes_and_the_receipt_says_it(town: Town) -> None:
    order = await placed(town, "platform")
    await _deliver(town, order)
    assert await town.balance(chart.points(order.person_id)) == 20
    assert (await town.texts(CUSTOMER))[-1] == (
        f"CMD {order.number} livrée. Recu: plats 3000F, remise 1000F, livraison 800F, taxe 0F, pourboire 500F,"
        " total 3300F. +20 points."
    )


async def test_from_the_wallet_what_is_left_to_pay_is_reserved_then_paid(town: Town) -> None:
    customer = chart.wallet(await town.person())
    await town.give(customer, 3300)
    order = await placed(town, "platform", pay_with="wallet")
    await town.carry(order)
    async with town.database.transaction() as tx:
        await service.confirm_received(tx, order_id=order.id, person_id=order.person_id)
    assert await shares(town) == {**PLATFORM, "goodwill": 3300}
    await town.check()


async def test_nobody_is_taxed_on_what_the_restaurant_takes_off(town: Town) -> None:
    msgspec.structs.force_setattr(town.database.settings, "tax_bp", 1000)
    order = await placed(town, "restaurant")
    assert (order.tax_xaf, order.total_xaf) == (200, 3500)
    await _deliver(town, order)
    assert await shares(town) == RESTAURANT
    assert await town.balance(chart.TAX_PAYABLE) == 200


async def test_the_settlement_is_one_journal(town: Town) -> None:
    order = await placed(town, "platform")
    await _deliver(town, order)
    async with town.database.reading() as tx:
        keys = await tx.all(text("SELECT key FROM journal WHERE key LIKE :of"), {"of": f"order:{order.id}:%"})
    assert [row.key for row in keys] == [f"order:{order.id}:settle"]


@pytest.mark.parametrize("tip_xaf", [-1, MOST_TIP_XAF + 1])
async def test_a_senseless_tip_is_refused(town: Town, tip_xaf: int) -> None:
    with pytest.raises(InvalidAmount):
        await town.cart(extras=Extras(None, tip_xaf))
