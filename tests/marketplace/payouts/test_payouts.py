"""Payouts: what was earned, once per request, inside the day's limit, and back where it was if it fails."""

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from core.effects import KeyReused
from ledger import chart
from ledger.errors import InsufficientFunds
from marketplace.payouts import service as payouts
from marketplace.payouts.errors import PayoutLimit, PayoutRunning, PayoutTooSmall
from marketplace.payouts.service import Payout
from marketplace.payouts.tables import payout
from payments import service as payments
from payments.states import PaymentState
from tests.support.money import set_aside
from tests.support.town import CAMPAY_MTN, DRIVER, KITCHEN, Town

pytestmark = pytest.mark.anyio


async def ask(town: Town, amount_xaf: int | None = None, key: str = "one", **changes: Any) -> Payout:
    asked = {"owner": "restaurant", "owner_id": town.restaurant_id, "phone": KITCHEN, "key": key, **changes}
    async with town.database.transaction() as tx:
        return await payouts.request(tx, amount_xaf=amount_xaf, **asked)


async def earn(town: Town, amount_xaf: int) -> None:
    await town.give(chart.restaurant_payable(town.restaurant_id), amount_xaf)


async def owed(town: Town) -> int:
    return await town.balance(chart.restaurant_payable(town.restaurant_id))


async def test_a_restaurant_and_a_driver_are_paid_what_an_order_earned(town: Town) -> None:
    await town.handed_over()
    assert (await ask(town)).amount_xaf == 2550
    await town.decide("SUCCESSFUL")
    assert (await ask(town, owner="driver", owner_id=town.driver_id, phone=DRIVER, key="two")).amount_xaf == 800
    await town.decide("SUCCESSFUL")
    assert await owed(town) == await set_aside(town.database) == 0
    # 3,705 came in; 2,550 and 800 went out at 1 % each, rounded up.
    assert await town.balance(CAMPAY_MTN) == 3705 - 2550 - 26 - 800 - 8
    assert (await town.texts(KITCHEN))[-1] == "2550F envoyés sur votre mobile money. Merci de travailler avec Mboa."
    await town.check()


async def test_a_payout_that_fails_is_owed_again(town: Town) -> None:
    await earn(town, 5000)
    await ask(town, 3000)
    assert await owed(town) == 2000
    await town.decide("FAILED", reason="Rejected")
    assert await owed(town) == 5000
    assert "n'a pas abouti" in (await town.texts(KITCHEN))[-1]
    await ask(town, 3000, key="again")
    await town.check()


@pytest.mark.parametrize(("arrived_xaf", "paid_xaf"), [(2900, 2900), (3000, 3000), (3100, 3000)])
async def test_what_people_accept_of_another_amount_ends_the_payout(
    town: Town, arrived_xaf: int, paid_xaf: int
) -> None:
    """More than was asked for is our loss, and no part of the payout."""
    await earn(town, 5000)
    made = await ask(town, 3000)
    async with town.database.transaction() as tx:
        owing = await payments.find(tx, reference=made.id)
        assert owing is not None
        told = msgspec.structs.replace(owing, state=PaymentState.PAID, amount_xaf=arrived_xaf)
        await payouts.done(tx, told)
        row = await tx.one(select(payout).where(payout.c.id == made.id))
    assert (row.paid_xaf, row.state) == (paid_xaf, "PAID" if paid_xaf == 3000 else "PARTLY_PAID")


async def test_the_same_key_is_the_same_payout(town: Town) -> None:
    await earn(town, 5000)
    made = await asyncio.gather(*(ask(town) for _ in range(10)))
    assert len({one.id for one in made}) == 1 and made[0].amount_xaf == 5000
    with pytest.raises(KeyReused):
        await ask(town, 600)


async def test_a_payout_of_the_same_amount_waits_for_the_first(town: Town) -> None:
    await earn(town, 6000)
    await ask(town, 3000)
    with pytest.raises(PayoutRunning):
        await ask(town, 3000, key="two")
    await town.decide("SUCCESSFUL")
    await ask(town, 3000, key="two")


async def test_nobody_is_paid_more_than_they_earned(town: Town) -> None:
    await earn(town, 2000)
    with pytest.raises(InsufficientFunds):
        await ask(town, 2001)
    results = await asyncio.gather(*(ask(town, 1000 + n, key=str(n)) for n in range(4)), return_exceptions=True)
    assert sum(isinstance(result, Payout) for result in results) == 1
    await town.check()


@pytest.mark.parametrize(("earned", "asked"), [(499, None), (0, None), (5000, 499)])
async def test_less_than_the_minimum_stays_owed(town: Town, earned: int, asked: int | None) -> None:
    if earned:
        await earn(town, earned)
    with pytest.raises(PayoutTooSmall) as refusal:
        await ask(town, asked)
    assert refusal.value.params == {"minimum_xaf": 500}


async def test_a_day_has_a_limit_and_all_means_all_that_may_go_today(town: Town) -> None:
    await earn(town, 700_000)
    await ask(town, 300_000)
    with pytest.raises(PayoutLimit) as refusal:
        await ask(town, 200_001, key="too much")
    assert refusal.value.params == {"left_xaf": 200_000}
    assert (await ask(town, key="rest")).amount_xaf == 200_000
    with pytest.raises(PayoutLimit):
        await ask(town, key="none left")
    await town.decide("SUCCESSFUL")
    town.clock.advance(hours=12)
    assert (await ask(town, key="tomorrow")).amount_xaf == 200_000
