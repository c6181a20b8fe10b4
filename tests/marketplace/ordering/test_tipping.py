"""A tip after the meal: all of it the driver's, once for each order."""

import asyncio
from typing import Any

import pytest

from core.errors import InvalidAmount, NotFound
from ledger import chart
from ledger.errors import InsufficientFunds
from marketplace.ordering import service, tipping
from marketplace.ordering.errors import WrongState
from marketplace.ordering.queries import Order
from marketplace.ordering.tipping import Tip, TipGiven
from tests.support.town import CUSTOMER, DRIVER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def give(town: Town, order: Order, phone: str = CUSTOMER, **how: Any) -> Tip:
    person_id = await town.person(phone)
    terms = {"amount_xaf": 500, "pay_with": "wallet", **how}
    async with town.database.transaction() as tx:
        return await tipping.give(tx, order_id=order.id, person_id=person_id, **terms)


async def drivers(town: Town) -> int:
    """What the driver has earned beside the ride."""
    return await town.balance(chart.driver_payable(town.driver_id)) - 800


async def test_from_the_wallet_it_is_the_drivers_at_once(town: Town) -> None:
    order = await town.handed_over()
    await town.give(chart.wallet(order.person_id), 700)
    assert (await give(town, order)).state == "PAID"
    assert (await drivers(town), await town.balance(chart.wallet(order.person_id))) == (500, 200)
    assert (await town.texts(DRIVER))[-1].startswith("Merci! Pourboire de 500F")
    await town.check()


async def test_without_the_money_nothing_happens(town: Town) -> None:
    order = await town.handed_over()
    with pytest.raises(InsufficientFunds):
        await give(town, order)
    await town.give(chart.wallet(order.person_id), 500)
    assert (await give(town, order)).state == "PAID"


async def test_by_mobile_money_it_is_the_drivers_once_the_payer_approves(town: Town) -> None:
    order = await town.handed_over()
    assert (await give(town, order, pay_with="mobile_money", payer_phone=FRIEND)).state == "PENDING"
    assert await drivers(town) == 0
    with pytest.raises(TipGiven):
        await give(town, order, pay_with="mobile_money")
    await town.decide("SUCCESSFUL")
    assert await drivers(town) == 500
    assert (await town.texts(DRIVER))[-1].startswith("Merci! Pourboire de 500F")
    await town.check()


async def test_what_was_not_approved_can_be_given_after_all(town: Town) -> None:
    order = await town.handed_over()
    await give(town, order, pay_with="mobile_money")
    await town.decide("FAILED", reason="REJECTED")
    again = await give(town, order, pay_with="mobile_money", amount_xaf=200)
    await town.decide("SUCCESSFUL")
    assert (again.amount_xaf, await drivers(town)) == (200, 200)
    await town.check()


async def test_a_driver_gets_one_tip_for_an_order_however_often_it_is_asked_at_once(town: Town) -> None:
    order = await town.handed_over()
    await town.give(chart.wallet(order.person_id), 5000)
    results = await asyncio.gather(*(give(town, order) for _ in range(4)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Tip", "TipGiven", "TipGiven", "TipGiven"]
    assert await drivers(town) == 500


@pytest.mark.parametrize("amount_xaf", [0, -5, 99, 50_001])
async def test_a_senseless_tip_is_refused(town: Town, amount_xaf: int) -> None:
    order = await town.handed_over()
    with pytest.raises(InvalidAmount):
        await give(town, order, amount_xaf=amount_xaf)


async def test_only_the_customer_tips_and_only_after_the_meal_and_for_a_day(town: Town) -> None:
    order = await town.picked_up()
    with pytest.raises(WrongState):
        await give(town, order)
    with pytest.raises(NotFound):
        await give(town, order, FRIEND)
    async with town.database.transaction() as tx:
        await service.confirm_received(tx, order_id=order.id, person_id=order.person_id)
    town.clock.advance(hours=24)
    with pytest.raises(WrongState):
        await give(town, order)


async def test_that_its_order_is_closed_meanwhile_gives_nobody_more_time(town: Town) -> None:
    order = await town.handed_over()
    await town.give(chart.wallet(order.person_id), 500)
    await town.wait(hours=24)
    assert await town.state(order.id) == "CLOSED"
    with pytest.raises(WrongState):
        await give(town, order)
