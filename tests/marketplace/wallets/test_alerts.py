"""A low balance is told to who asked for it, when an order leaves little, once a day (D14)."""

from uuid import UUID

import pytest

from core.errors import InvalidAmount
from ledger import chart
from marketplace.wallets import alerts
from marketplace.wallets.alerts import Alert
from tests.support.town import CUSTOMER, Town

pytestmark = pytest.mark.anyio


@pytest.fixture
async def holder(town: Town) -> UUID:
    person_id = await town.person()
    await town.give(chart.wallet(person_id), 4_500)
    return person_id


async def turn_on(town: Town, person_id: UUID, amount_xaf: int = 5000) -> None:
    async with town.database.transaction() as tx:
        await alerts.turn_on(tx, person_id=person_id, amount_xaf=amount_xaf)


async def told(town: Town) -> int:
    return sum("RECHARGE 5000" in text for text in await town.texts(CUSTOMER))


async def test_an_order_that_leaves_little_is_followed_by_an_offer_once_a_day(town: Town, holder: UUID) -> None:
    await turn_on(town, holder)
    await town.place(pay_with="wallet")
    assert await told(town) == 1
    await town.give(chart.wallet(holder), 3_800)
    await town.place(await town.cart(), pay_with="wallet")
    assert await told(town) == 1
    town.clock.advance(days=1)
    await town.give(chart.wallet(holder), 3_800)
    await town.place(await town.cart(), pay_with="wallet")
    assert await told(town) == 2


async def test_nobody_is_told_who_has_not_asked_or_has_enough(town: Town, holder: UUID) -> None:
    await town.place(pay_with="wallet")
    assert await told(town) == 0
    await turn_on(town, holder)
    await town.give(chart.wallet(holder), 50_000)
    await town.place(await town.cart(), pay_with="wallet")
    assert await told(town) == 0


async def test_what_was_asked_for_is_known_and_ends(town: Town, holder: UUID) -> None:
    await turn_on(town, holder)
    await turn_on(town, holder, 2000)
    async with town.database.transaction() as tx:
        assert await alerts.alert(tx, person_id=holder) == Alert(1000, 2000)
        await alerts.turn_off(tx, person_id=holder)
        assert await alerts.alert(tx, person_id=holder) is None


async def test_only_what_can_be_topped_up_is_offered(town: Town, holder: UUID) -> None:
    for amount_xaf in (0, 99, 500_001):
        with pytest.raises(InvalidAmount):
            await turn_on(town, holder, amount_xaf)
