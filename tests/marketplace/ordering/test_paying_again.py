"""A second prompt for an order: only with consent, only while the order still stands, and never two payments kept."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.errors import GatewayError
from ledger import chart
from marketplace.ordering import carts, paying_again, service
from marketplace.ordering.queries import Order
from marketplace.ordering.tables import customer_order
from payments.tables import attempt
from tests.payments.network import refused_connection, says
from tests.support.money import set_aside
from tests.support.town import CAMPAY_MTN, CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def expired(town: Town) -> Order:
    """Nobody answered the prompt, which may still be live."""
    order = await town.place()
    await town.engine.sweep()
    for _ in range(2):
        town.clock.advance(minutes=8)
        await town.engine.sweep()
    assert await town.state(order.id) == "PAYMENT_EXPIRED"
    return order


async def failed(town: Town, reason: str = "REJECTED") -> Order:
    order = await town.place()
    await town.decide("FAILED", reason=reason)
    return order


async def pay_again(town: Town, order: Order, phone: str = CUSTOMER, **changes: Any) -> Order:
    person_id = await town.person(phone)
    async with town.database.transaction() as tx:
        return await service.pay_again(tx, order_id=order.id, person_id=person_id, **changes)


async def tracked(town: Town) -> list[UUID]:
    person_id = await town.person()
    async with town.database.reading() as tx:
        return [order.id for order in await service.tracked_orders(tx, person_id=person_id)]


async def released(town: Town) -> list[bool]:
    """Of each attempt, oldest first, whether consent has released it."""
    async with town.database.reading() as tx:
        rows = await tx.all(select(attempt.c.released_at).order_by(attempt.c.created_at))
    return [row.released_at is not None for row in rows]


async def approve(town: Town, transaction: dict[str, Any]) -> None:
    """Before anything else is read: what another prompt's time-out comes to first is another story."""
    transaction["status"] = "SUCCESSFUL"
    town.clock.advance(hours=1)
    ref = next(ref for ref, each in town.campay.transactions.items() if each is transaction)
    async with town.database.reading() as tx:
        approved: UUID = await tx.value(select(attempt.c.id).where(attempt.c.provider_ref == ref))
    await town.engine.advance(approved)
    await town.engine.sweep()


async def one_is_kept_and_one_goes_back(town: Town, order: Order) -> None:
    assert await town.state(order.id) == "OFFERED"
    assert (await town.history(order.id)).count("PAID") == 1
    assert town.campay.count("/withdraw/") == 1
    back = town.campay.only_withdrawal()
    assert (back["phone_number"], back["amount"]) == (CUSTOMER[1:], "3800.00")
    await approve(town, back)
    assert await town.balance(chart.escrow(order.id)) == 3800
    assert await town.balance(chart.SUSPENSE_SURPLUS) == await set_aside(town.database) == 0
    assert await town.balance(CAMPAY_MTN) == 2 * 3705 - 3800 - 38
    await town.check()


@pytest.mark.parametrize("sequence", [(0, 1), (1, 0)], ids=["first, then second", "second, then first"])
async def test_when_both_prompts_are_approved_one_pays_and_one_goes_back(town: Town, sequence: tuple[int, int]) -> None:
    order = await expired(town)
    await pay_again(town, order)
    await town.engine.sweep()
    prompts = list(town.campay.transactions.values())
    assert town.campay.count("/collect/") == len(prompts) == 2
    for number in sequence:
        await approve(town, prompts[number])
    await town.engine.sweep()
    await one_is_kept_and_one_goes_back(town, order)


async def test_both_approved_at_once_are_one_order_and_one_surplus(town: Town) -> None:
    order = await expired(town)
    await pay_again(town, order)
    await town.engine.sweep()
    for prompt in town.campay.transactions.values():
        prompt["status"] = "SUCCESSFUL"
    town.clock.advance(hours=1)
    async with town.database.reading() as tx:
        ids = [row.id for row in await tx.all(select(attempt.c.id))]
    await asyncio.gather(*(town.engine.advance(each) for each in ids))
    for _ in range(3):  # one may have found the payment taken; then the surplus leaves
        await town.engine.sweep()
    await one_is_kept_and_one_goes_back(town, order)


async def test_a_first_prompt_approved_before_the_consent_went_back_and_the_second_pays(town: Town) -> None:
    order = await expired(town)
    (first,) = town.campay.transactions.values()
    first["status"] = "SUCCESSFUL"
    town.clock.advance(minutes=6)
    await town.engine.sweep()
    await pay_again(town, order)
    await town.engine.sweep()
    second = [each for each in town.campay.transactions.values() if each["endpoint"] == "collect"][1]
    await approve(town, second)
    await one_is_kept_and_one_goes_back(town, order)


async def test_a_first_prompt_approved_before_the_second_went_out_is_the_only_one(town: Town) -> None:
    order = await expired(town)
    await pay_again(town, order, session_id="s2")  # its prompt waits for the end of the session
    town.campay.decide("SUCCESSFUL")
    async with town.database.transaction() as tx:  # as a callback rings
        quarantined = attempt.c.state == "QUARANTINED"
        first = await tx.value(update(attempt).where(quarantined).values(next_check_at=tx.now).returning(attempt.c.id))
    await town.engine.advance(first)
    assert await town.state(order.id) == "OFFERED"
    town.clock.advance(minutes=1)
    await town.engine.sweep()
    assert (town.campay.count("/collect/"), town.campay.count("/withdraw/")) == (1, 0)
    await town.check()


@pytest.mark.parametrize("reason", ["REJECTED", "not enough balance", "None"])
async def test_what_the_payer_refused_can_be_paid_after_all(town: Town, reason: str) -> None:
    order = await failed(town, reason)
    assert await tracked(town) == [order.id]
    again = await pay_again(town, order)
    assert (again.id, again.number, again.state) == (order.id, order.number, "AWAITING_PAYMENT")
    await town.decide("SUCCESSFUL")
    assert await town.history(order.id) == [
        "AWAITING_PAYMENT",
        "PAYMENT_EXPIRED",
        "AWAITING_PAYMENT",
        "PAID",
        "OFFERED",
    ]
    await town.check()


async def test_without_consent_nothing_is_released_and_nothing_asked(town: Town) -> None:
    order = await expired(town)
    assert await tracked(town) == [order.id]
    assert await released(town) == [False]
    await pay_again(town, order)
    assert await released(town) == [True, False]
    for minutes in (0, 8, 8):
        town.clock.advance(minutes=minutes)
        await town.engine.sweep()
    assert await town.state(order.id) == "PAYMENT_EXPIRED"
    assert town.campay.count("/collect/") == 2


async def test_two_consents_at_once_are_one_more_prompt(town: Town) -> None:
    order = await expired(town)
    answers = await asyncio.gather(*(pay_again(town, order) for _ in range(5)), return_exceptions=True)
    codes = sorted(answer.code if isinstance(answer, GatewayError) else "asked" for answer in answers)
    assert codes == ["asked", *["payment_pending"] * 4]
    await town.engine.sweep()
    assert town.campay.count("/collect/") == 2


async def test_a_number_that_was_given_out_meanwhile_is_replaced(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await expired(town)
    other = await town.place(phone=FRIEND)
    async with town.database.transaction() as tx:
        await tx.run(update(customer_order).where(customer_order.c.id == other.id).values(number=order.number))
    tries = iter([order.number, 1234])
    monkeypatch.setattr(paying_again, "order_number", lambda: next(tries))
    assert (await pay_again(town, order)).number == 1234


# ---- refusals --------------------------------------------------------------------------------------------


async def _too_late(town: Town, order: Order) -> None:
    town.clock.advance(minutes=15)


async def _start_anew(town: Town, order: Order) -> None:
    async with town.database.transaction() as tx:
        await carts.discard(tx, person_id=order.person_id)


async def _change_the_cart(town: Town, order: Order) -> None:
    async with town.database.reading() as tx:
        cart_id = await tx.value(select(customer_order.c.cart_id).where(customer_order.c.id == order.id))
    await town.cart(cart_id=cart_id, lines=town.meal[:1])


async def _close(town: Town, order: Order) -> None:
    await town.set_kitchen(state="closed")


async def _run_out(town: Town, order: Order) -> None:
    await town.set_dish(12, available=False)


async def _raise_the_price(town: Town, order: Order) -> None:
    await town.set_dish(12, price_xaf=1300)


@pytest.mark.parametrize(
    ("meanwhile", "code", "shown"),
    [
        (_too_late, "cart_expired", False),
        (_start_anew, "cart_expired", False),
        (_change_the_cart, "cart_expired", False),
        (_close, "restaurant_closed", True),
        (_run_out, "dish_unavailable", True),
        (_raise_the_price, "price_changed", True),
    ],
)
async def test_terms_that_no_longer_hold_refuse_and_release_nothing(
    town: Town, meanwhile: Callable[[Town, Order], Awaitable[None]], code: str, shown: bool
) -> None:
    order = await expired(town)
    await meanwhile(town, order)
    with pytest.raises(GatewayError) as refusal:
        await pay_again(town, order)
    assert refusal.value.code == code
    assert await town.state(order.id) == "PAYMENT_EXPIRED"
    assert await released(town) == [False]
    assert await tracked(town) == ([order.id] if shown else [])


async def test_only_what_is_unpaid_and_ones_own_can_be_paid_again(town: Town) -> None:
    order = await expired(town)
    for phone, code in ((FRIEND, "not_found"), (CUSTOMER, "asked"), (CUSTOMER, "payment_pending")):
        try:
            await pay_again(town, order, phone)
            assert code == "asked"
        except GatewayError as refusal:
            assert refusal.code == code
    await town.engine.sweep()
    await town.decide("SUCCESSFUL")
    with pytest.raises(GatewayError) as paid:
        await pay_again(town, order)
    assert paid.value.code == "wrong_state"


async def test_where_no_request_ever_got_through_it_can_be_paid_once_one_does(town: Town) -> None:
    town.campay.before["/collect/"].extend([refused_connection] * 20)
    order = await town.place()
    for _ in range(20):
        await town.engine.sweep()
        town.clock.advance(minutes=1)
    assert await town.state(order.id) == "PAYMENT_EXPIRED"
    assert await tracked(town) == [order.id]
    town.campay.before["/collect/"].clear()
    await pay_again(town, order)
    await town.decide("SUCCESSFUL")
    assert await town.state(order.id) == "OFFERED"
    await town.check()


async def test_a_number_that_cannot_pay_is_not_asked_again(town: Town) -> None:
    order = await town.place()
    town.campay.before["/collect/"].append(says(400, error_code="ER101"))
    await town.engine.sweep()
    assert await town.state(order.id) == "PAYMENT_EXPIRED"
    with pytest.raises(GatewayError) as refusal:
        await pay_again(town, order)
    assert refusal.value.code == "not_retryable"
    assert (await town.texts(CUSTOMER))[-1].endswith("*237*1*1#"), "that number would fail again"


# ---- what the customer is told ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", [failed, expired])
async def test_an_order_that_can_be_paid_again_names_the_dial_that_does_it(
    town: Town, end: Callable[[Town], Awaitable[Order]]
) -> None:
    await end(town)
    assert (await town.texts(CUSTOMER))[-1].endswith("Réessayer: *237*1*3#")


@pytest.mark.parametrize("meanwhile", [_start_anew, _change_the_cart])
async def test_an_order_whose_cart_is_gone_names_the_way_to_another(
    town: Town, meanwhile: Callable[[Town, Order], Awaitable[None]]
) -> None:
    order = await town.place()
    await town.engine.sweep()
    await meanwhile(town, order)
    await town.decide("FAILED", reason="REJECTED")
    assert await tracked(town) == []
    assert (await town.texts(CUSTOMER))[-1].endswith("Réessayer: *237*1*1#")
