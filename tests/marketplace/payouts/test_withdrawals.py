"""Withdrawals: only where allowed, only to the number the money came from, and never more than that (D13)."""

from typing import Any

import msgspec
import pytest

from ledger import chart
from marketplace.ordering import service as ordering
from marketplace.payouts import withdrawals
from marketplace.payouts.errors import NotWithdrawable, PayoutTooSmall, WithdrawalsClosed
from marketplace.payouts.service import Payout
from marketplace.wallets import service as wallets
from marketplace.wallets.service import WalletLimit
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


@pytest.fixture
async def town(town: Town) -> Town:
    town.database.settings = msgspec.structs.replace(town.database.settings, wallet_withdrawals=True)
    return town


async def withdraw(town: Town, amount_xaf: int, key: str = "one") -> Payout:
    person_id = await town.person(CUSTOMER)
    async with town.database.transaction() as tx:
        return await withdrawals.withdraw(tx, person_id=person_id, amount_xaf=amount_xaf, key=key)


async def top_up(town: Town, amount_xaf: int, phone: str = CUSTOMER, **changes: Any) -> None:
    person_id = await town.person(CUSTOMER)
    async with town.database.transaction() as tx:
        asked = {"person_id": person_id, "phone": phone, "key": f"{phone}:{amount_xaf}", **changes}
        await wallets.request_top_up(tx, amount_xaf=amount_xaf, **asked)
    await town.decide("SUCCESSFUL")


async def saved(town: Town) -> int:
    return await town.balance(chart.wallet(await town.person(CUSTOMER)))


async def test_store_credit_stays_store_credit_unless_the_operator_says_otherwise(town: Town) -> None:
    town.database.settings = msgspec.structs.replace(town.database.settings, wallet_withdrawals=False)
    await top_up(town, 5000)
    with pytest.raises(WithdrawalsClosed):
        await withdraw(town, 1000)


async def test_a_top_up_goes_back_to_its_number(town: Town) -> None:
    await top_up(town, 5000)
    assert (await withdraw(town, 3000)).id == (await withdraw(town, 3000)).id
    assert await saved(town) == 2000
    await town.decide("SUCCESSFUL")
    assert town.campay.only_withdrawal()["phone_number"] == CUSTOMER[1:]
    assert "3000F de votre portefeuille" in (await town.texts(CUSTOMER))[-1]
    with pytest.raises(NotWithdrawable) as refusal:
        await withdraw(town, 2001, "two")
    assert refusal.value.params == {"left_xaf": 2000}
    await town.check()


async def test_a_friends_top_up_and_a_gift_are_spent_here(town: Town) -> None:
    await top_up(town, 2000)
    await top_up(town, 5000, FRIEND)
    await town.give(chart.wallet(await town.person(CUSTOMER)), 4000)
    with pytest.raises(NotWithdrawable) as refusal:
        await withdraw(town, 2001)
    assert refusal.value.params == {"left_xaf": 2000}


async def test_an_order_that_came_to_nothing_can_be_withdrawn(town: Town) -> None:
    order = await town.paid()
    person_id = await town.person(CUSTOMER)
    async with town.database.transaction() as tx:
        await ordering.cancel(tx, order_id=order.id, person_id=person_id)
    assert await saved(town) == 3800
    assert (await withdraw(town, 3800)).amount_xaf == 3800


async def test_an_order_from_the_wallet_that_comes_back_is_not_new_money(town: Town) -> None:
    await town.give(chart.wallet(await town.person(CUSTOMER)), 3800)
    order = await town.place(pay_with="wallet")
    person_id = await town.person(CUSTOMER)
    async with town.database.transaction() as tx:
        await ordering.cancel(tx, order_id=order.id, person_id=person_id)
    with pytest.raises(NotWithdrawable):
        await withdraw(town, 500)


async def test_a_withdrawal_that_fails_may_be_asked_for_again(town: Town) -> None:
    await top_up(town, 5000)
    await withdraw(town, 5000)
    await town.decide("FAILED", reason="Rejected")
    assert await saved(town) == 5000
    await withdraw(town, 5000, "two")


async def test_a_day_and_the_smallest_amount_have_limits(town: Town) -> None:
    await top_up(town, 300_000)
    with pytest.raises(PayoutTooSmall):
        await withdraw(town, 499)
    await withdraw(town, 299_000)
    with pytest.raises(WalletLimit):
        await withdraw(town, 1001, "two")
