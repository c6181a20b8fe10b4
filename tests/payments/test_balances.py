"""A provider's balance against our float: a deficit is one difference, and stops payouts until it is explained."""

from datetime import timedelta
from uuid import uuid4

import pytest

from ledger.chart import (
    OWNERS_CAPITAL,
    provider_float,
)
from ledger.reporting import snapshot, whole
from ledger.reports.asking import read
from ledger.service import Leg, post
from payments.balances import PROVIDER_FLOAT
from payments.reconciliation import items
from payments.reconciliation.resolving import Resolution
from tests.payments.house import MTN_FLOAT, House
from tests.payments.listing import TODAY, Listing, compare, found, resolve, waiting
from tests.payments.network import FakeCampay

pytestmark = pytest.mark.anyio


async def test_a_deficit_freezes_payouts_until_it_is_explained(
    house: House, campay: FakeCampay, listing: Listing
) -> None:
    await place(house, 10_000)
    listing.holds = {"mtn": 9_000, "orange": 0}
    assert await found(house, listing) == [("float_differs", 10_000, 9_000)]
    await house.pay_out()
    await house.sweep()
    assert (await house.states(), campay.count("/withdraw/")) == (["PREPARED"], 0)
    await house.collect(phone="+237690000002", key="other carrier, other way")
    await house.sweep()
    assert campay.count("/collect/") == 1

    await resolve(house, Resolution.CAPITAL)
    assert (await house.balance(MTN_FLOAT), await house.balance(OWNERS_CAPITAL)) == (9_000, 9_000)
    await house.sweep(minutes=20)
    assert campay.count("/withdraw/") == 1


async def test_a_balance_that_agrees_again_lifts_the_freeze(house: House, campay: FakeCampay, listing: Listing) -> None:
    await place(house, 10_000)
    listing.holds = {"mtn": 9_000, "orange": 0}
    await compare(house, listing)
    listing.holds = {"mtn": 10_000, "orange": 0}
    await compare(house, listing, TODAY + timedelta(days=1))
    assert await waiting(house) == []
    await house.pay_out()
    await house.sweep()
    assert campay.count("/withdraw/") == 1


async def test_a_deficit_of_many_days_is_one_difference(house: House, campay: FakeCampay, listing: Listing) -> None:
    """Else finance would resolve each day's, and adjust the float as often."""
    await place(house, 10_000)
    listing.holds = {"mtn": 9_000, "orange": 0}
    for days in range(3):
        await compare(house, listing, TODAY + timedelta(days=days))
    assert await waiting(house) == ["float_differs"]
    await house.pay_out()
    await house.sweep()
    assert campay.count("/withdraw/") == 0
    await resolve(house, Resolution.ADJUST)
    assert await house.balance(MTN_FLOAT) == 9_000
    await compare(house, listing, TODAY + timedelta(days=3))
    assert await waiting(house) == []
    await house.sweep(minutes=1)
    assert campay.count("/withdraw/") == 1


async def test_a_balance_that_differs_again_on_the_same_day_freezes_again(
    house: House, campay: FakeCampay, listing: Listing
) -> None:
    await place(house, 10_000)
    for there in (9_000, 10_000, 9_500):
        listing.holds = {"mtn": there, "orange": 0}
        await compare(house, listing)
    async with house.database.reading() as tx:
        (item,) = await items.open_items(tx)
    assert (item.ours_xaf, item.theirs_xaf) == (10_000, 9_500)
    await house.pay_out()
    await house.sweep()
    assert campay.count("/withdraw/") == 0


async def test_money_that_arrives_while_the_provider_answers_is_no_deficit(house: House, campay: FakeCampay) -> None:
    class Slow(Listing):
        async def floats(self) -> dict[str, int] | None:
            campay.decide("SUCCESSFUL")
            await house.sweep(seconds=6)
            return {"mtn": 0, "orange": 0}

    slow = Slow(house.database.settings, http_client=campay.client())
    slow.lines = []
    await house.collect()
    await house.sweep()
    assert (await compare(house, slow, TODAY - timedelta(days=1))).found == []
    assert await house.balance(MTN_FLOAT) == 3705


@pytest.mark.parametrize(("there", "differs"), [(9_999, True), (10_000, False), (13_800, False), (13_801, True)])
async def test_what_is_under_way_may_be_there_already(
    house: House, campay: FakeCampay, listing: Listing, there: int, differs: bool
) -> None:
    await place(house, 10_000)
    await house.collect()
    await house.sweep()
    listing.holds = {"mtn": there, "orange": 0}
    assert bool((await compare(house, listing)).found) is differs


async def test_what_a_provider_says_it_holds_is_kept_for_the_report(house: House, listing: Listing) -> None:
    await place(house, 10_000)
    listing.holds = {"mtn": 10_000, "orange": 7}
    await compare(house, listing)
    async with snapshot(house.database) as tx:
        told = await whole(tx, PROVIDER_FLOAT, read(PROVIDER_FLOAT, now=tx.now))
    assert [row[:5] for row in told.rows] == [("campay", "mtn", 10_000, 10_000, 0), ("campay", "orange", 0, 7, -7)]


async def place(house: House, amount_xaf: int) -> None:
    async with house.database.transaction() as tx:
        legs = [Leg(provider_float("campay", "mtn"), OWNERS_CAPITAL, amount_xaf)]
        await post(tx, key=f"capital:{uuid4()}", kind="capital", legs=legs)
