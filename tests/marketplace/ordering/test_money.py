"""The money of one order, to the franc, as spec/flows.md has it; and that every way out empties the escrow."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import select, text, update

from core.effects import KeyReused
from core.settings import Settings
from ledger import chart
from ledger.service import Leg, post
from marketplace.ordering import service, settlement
from marketplace.ordering.queries import Order
from marketplace.ordering.tables import customer_order
from marketplace.ordering.transitions import lock
from payments import service as payments
from tests.support.money import set_aside
from tests.support.town import CAMPAY_MTN, CUSTOMER, FRIEND, KITCHEN, Town

pytestmark = pytest.mark.anyio


async def share(town: Town) -> dict[str, int]:
    """Who holds what."""
    accounts = {
        "restaurant": chart.restaurant_payable(town.restaurant_id),
        "driver": chart.driver_payable(town.driver_id),
        "commission": chart.COMMISSION,
        "delivery": chart.DELIVERY_INCOME,
        "goodwill": chart.GOODWILL,
        "customer": chart.wallet(await town.person(CUSTOMER)),
    }
    held = {name: await town.balance(account) for name, account in accounts.items()}
    return {name: amount for name, amount in held.items() if amount}


async def test_a_collection_funds_the_escrow_and_the_platform_pays_the_fee(town: Town) -> None:
    order = await town.paid()
    assert await town.balance(CAMPAY_MTN) == 3705
    assert await town.balance(chart.PROVIDER_FEES) == 95
    assert await town.balance(chart.escrow(order.id)) == 3800
    assert await town.state(order.id) == "OFFERED"
    await town.check()


async def test_a_delivered_order_is_shared_out_and_earns_points(town: Town) -> None:
    order = await town.handed_over()
    assert await share(town) == {"restaurant": 2550, "commission": 450, "driver": 800}
    assert await town.balance(chart.escrow(order.id)) == 0
    assert await town.balance(chart.points(order.person_id)) == 30
    assert await town.balance(chart.POINTS_ISSUED) == 30
    await town.check()


async def test_a_refused_order_goes_back_to_the_wallet_of_the_number_that_paid(town: Town) -> None:
    order = await town.paid(payer_phone=FRIEND)
    async with town.database.transaction() as tx:
        await service.refuse(tx, order_id=order.id, by_person=await town.person(KITCHEN))
    assert await town.balance(chart.wallet(await town.person(FRIEND))) == 3800
    assert await share(town) == {}
    assert await town.texts(FRIEND) == [
        f"3800F de la CMD {order.number} que vous avez payée sont sur votre portefeuille Mboa. Voir: *237*1*4#"
    ]
    await town.check()


async def test_the_commission_rounds_down_and_the_restaurant_gets_the_rest(town: Town) -> None:
    await town.set_dish(12, price_xaf=1249)
    await town.handed_over()
    # 15 % of 2,998 is 449.7
    assert await share(town) == {"restaurant": 2549, "commission": 449, "driver": 800}


async def test_a_fee_above_the_drivers_pay_is_income(town: Town) -> None:
    order = await town.picked_up()
    async with town.database.transaction() as tx:
        cheaper = update(customer_order).where(customer_order.c.id == order.id).values(driver_pay_xaf=700)
        await tx.run(cheaper)
        await settlement.deliver(tx, order_id=order.id, how="code")
    assert await share(town) == {"restaurant": 2550, "commission": 450, "driver": 700, "delivery": 100}


@pytest.fixture
def taxed(settings: Settings) -> None:
    """Ten percent. Settings are frozen, so it is set behind their back."""
    msgspec.structs.force_setattr(settings, "tax_bp", 1000)


@pytest.mark.parametrize(
    ("delivered", "rate"), [(0, 1500), (100, 1500), (101, 1200), (500, 1200), (501, 1000), (9000, 1000)]
)
async def test_the_commission_falls_with_the_orders_delivered_and_is_frozen(
    town: Town, delivered: int, rate: int
) -> None:
    await town.set_kitchen(delivered_orders=delivered)
    order = await town.place()
    await town.set_kitchen(delivered_orders=10_000)
    async with town.database.reading() as tx:
        assert await tx.value(select(customer_order.c.commission_bp).where(customer_order.c.id == order.id)) == rate


async def test_a_restaurants_own_rate_comes_first(town: Town) -> None:
    await town.set_kitchen(commission_bp=0)
    await town.handed_over()
    assert await share(town) == {"restaurant": 3000, "driver": 800}


async def test_a_delivered_order_counts_for_the_next_commission(town: Town) -> None:
    await town.set_kitchen(delivered_orders=100)
    await town.handed_over()
    cart = await town.cart()
    order = await town.place(cart)
    async with town.database.reading() as tx:
        row = await tx.one(select(customer_order.c.commission_bp).where(customer_order.c.id == order.id))
    assert row.commission_bp == 1200


# ---- every way out ---------------------------------------------------------------------------------------


async def _refuse(town: Town) -> Order:
    order = await town.paid()
    async with town.database.transaction() as tx:
        await service.refuse(tx, order_id=order.id, by_person=await town.person(KITCHEN))
    return order


async def _no_answer(town: Town) -> Order:
    order = await town.paid()
    for minutes in (3, 2, 3):
        await town.wait(minutes=minutes)
    return order


async def _cancel(town: Town, order: Order) -> Order:
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)
    return order


async def _cancel_unpaid(town: Town) -> Order:
    return await _cancel(town, await town.place())


async def _cancel_offered(town: Town) -> Order:
    return await _cancel(town, await town.paid())


async def _cancel_accepted(town: Town) -> Order:
    return await _cancel(town, await town.accepted())


async def _cancel_ready(town: Town) -> Order:
    order = await town.accepted()
    async with town.database.transaction() as tx:
        await service.ready(tx, order_id=order.id, by_person=await town.person(KITCHEN))
    return await _cancel(town, order)


async def _cancel_on_way(town: Town) -> Order:
    return await _cancel(town, await town.picked_up())


async def _our_fault(town: Town) -> Order:
    order = await town.picked_up()
    async with town.database.transaction() as tx:
        await service.cancel_at_our_cost(tx, order_id=order.id, staff_id=await town.person())
    return order


async def _fail(town: Town) -> Order:
    order = await town.picked_up()
    async with town.database.transaction() as tx:
        await settlement.fail_delivery(tx, order_id=order.id, reason="nobody_there")
    return order


async def _resolve(town: Town, *, refund: bool) -> Order:
    order = await town.picked_up()
    async with town.database.transaction() as tx:
        await service.dispute(tx, order_id=order.id, actor="customer")
    assert await town.wait(hours=25) == 0, "a dispute blocks the release"
    async with town.database.transaction() as tx:
        await service.resolve(tx, order_id=order.id, staff_id=order.person_id, refund=refund)
    return order


async def _resolve_pay(town: Town) -> Order:
    return await _resolve(town, refund=False)


async def _resolve_refund(town: Town) -> Order:
    return await _resolve(town, refund=True)


async def _confirm(town: Town) -> Order:
    order = await town.picked_up()
    async with town.database.transaction() as tx:
        await service.confirm_received(tx, order_id=order.id, person_id=order.person_id)
    return order


async def _time_out(town: Town) -> Order:
    order = await town.picked_up()
    await town.wait(minutes=30)
    await town.wait(hours=24)
    return order


async def _payment_fails(town: Town) -> Order:
    order = await town.place()
    await town.decide("FAILED", reason="REJECTED")
    return order


async def _payment_expires(town: Town) -> Order:
    order = await town.place()
    await town.engine.sweep()
    for _ in range(3):
        town.clock.advance(minutes=16)
        await town.engine.sweep()
    return order


async def _another_prompt_comes_too_late(town: Town) -> Order:
    """The order is over, but its payment is tried once more and approved: that money goes back to the phone."""
    order = await _payment_fails(town)
    async with town.database.transaction() as tx:
        owed = await payments.find(tx, reference=order.id)
        assert owed is not None
        await payments.retry(tx, payment_id=owed.id)
    town.clock.advance(minutes=2)
    await town.decide("SUCCESSFUL")
    await town.decide("SUCCESSFUL")
    assert await town.balance(chart.SUSPENSE_SURPLUS) == await set_aside(town.database) == 0
    assert await town.balance(CAMPAY_MTN) == 3705 - 3800 - 38
    return order


DELIVERED = {"restaurant": 2550, "commission": 450, "driver": 800}


@pytest.mark.parametrize(
    ("leave", "state", "shares"),
    [
        (_payment_fails, "PAYMENT_EXPIRED", {}),
        (_payment_expires, "PAYMENT_EXPIRED", {}),
        (_another_prompt_comes_too_late, "PAYMENT_EXPIRED", {}),
        (_cancel_unpaid, "CANCELLED", {}),
        (_refuse, "REJECTED", {"customer": 3800}),
        (_no_answer, "NO_ANSWER", {"customer": 3800}),
        (_cancel_offered, "CANCELLED", {"customer": 3800}),
        (_cancel_accepted, "CANCELLED", {"restaurant": 2550, "commission": 450, "customer": 800}),
        (_cancel_ready, "CANCELLED", {"restaurant": 2550, "commission": 450, "customer": 800}),
        (_cancel_on_way, "CANCELLED", DELIVERED),
        (_our_fault, "CANCELLED", {**DELIVERED, "goodwill": 3800, "customer": 3800}),
        (_fail, "FAILED_DELIVERY", DELIVERED),
        (_resolve_pay, "RESOLVED_PAY", DELIVERED),
        (_resolve_refund, "RESOLVED_REFUND", {"customer": 3800}),
        (Town.handed_over, "DELIVERED", DELIVERED),
        (_confirm, "DELIVERED", DELIVERED),
        (_time_out, "DELIVERED", DELIVERED),
    ],
)
async def test_every_exit_empties_the_escrow(
    town: Town, leave: Callable[[Town], Awaitable[Order]], state: str, shares: dict[str, int]
) -> None:
    order = await leave(town)
    assert await town.state(order.id) == state
    assert await share(town) == shares
    assert await town.balance(chart.escrow(order.id)) == 0
    await town.check()


@pytest.mark.parametrize("leave", [Town.handed_over, _our_fault])
async def test_an_exit_is_one_journal(town: Town, leave: Callable[[Town], Awaitable[Order]]) -> None:
    """Shares, points and goodwill: a second posting call would take its locks out of order."""
    order = await leave(town)
    async with town.database.reading() as tx:
        keys = await tx.all(text("SELECT key FROM journal WHERE key LIKE :of"), {"of": f"order:{order.id}:%"})
    assert [row.key for row in keys] == [f"order:{order.id}:settle"]


async def test_tax_is_kept_apart_and_leaves_the_escrow_too(taxed: None, town: Town) -> None:
    order = await town.handed_over()
    assert (order.tax_xaf, order.total_xaf) == (300, 4100)
    assert await share(town) == DELIVERED
    assert await town.balance(chart.TAX_PAYABLE) == 300
    assert "taxe 300F, total 4100F" in (await town.texts(CUSTOMER))[-1]
    await town.check()


async def test_the_ledger_itself_refuses_to_settle_an_order_in_a_second_way(town: Town) -> None:
    """Even a bug that skipped the table of transitions could not pay twice."""
    order = await town.handed_over()
    async with town.database.transaction() as tx:
        await post(tx, key="refill", kind="t", legs=[Leg(chart.GOODWILL, chart.escrow(order.id), 3800)])
    with pytest.raises(KeyReused):
        async with town.database.transaction() as tx:
            await settlement.refund(tx, await lock(tx, order.id))
