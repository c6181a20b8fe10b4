"""Reports about orders and people, over orders that went through the town: to the franc, and as of any past day.

A meal costs 3,000 and its ride 800; 450 of it are commission, 2,550 the restaurant's, 800 the driver's.
"""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from core.clock import ManualClock
from core.errors import NotFound
from core.ids import new_id
from core.settings import Settings
from ledger import chart
from ledger.marks import Marks
from ledger.rendering import Row
from ledger.reporting import TICK, Asked, Report, snapshot, whole
from ledger.reports.ageing import SUSPENSE_AGEING
from ledger.reports.asking import read
from ledger.reports.providers import PROVIDER_FEES_REPORT
from ledger.service import Leg, post
from marketplace import finance
from marketplace.finance.orders import COMMISSION, ESCROW_AGEING, RECEIPT, TAX
from marketplace.finance.people import DRIVER_PAY, PAYOUTS, POINTS_LIABILITY
from marketplace.ordering.pricing import Extras
from marketplace.payouts import service as payouts
from payments.balances import PROVIDER_FLOAT, ask, remember
from payments.providers.campay import Campay
from tests.support.coupons import make_coupon
from tests.support.town import DRIVER, KITCHEN, Town

pytestmark = pytest.mark.anyio


async def rows(town: Town, report: Report, **asked: str) -> list[Row]:
    async with snapshot(town.database) as tx:
        return list((await whole(tx, report, read(report, now=tx.now, **asked))).rows)


async def ask_payout(town: Town, amount_xaf: int | None = None, **changes: Any) -> None:
    asked = {"owner": "restaurant", "owner_id": town.restaurant_id, "phone": KITCHEN, "key": str(new_id()), **changes}
    async with town.database.transaction() as tx:
        await payouts.request(tx, amount_xaf=amount_xaf, **asked)


def today(clock: ManualClock) -> str:
    return f"{clock.now():%Y-%m-%d}"


# ---- escrow and suspense ---------------------------------------------------------------------------------


async def test_escrow_shows_each_order_that_waits_and_how_long(town: Town, clock: ManualClock) -> None:
    old, young = await town.paid(), None
    paid_on = today(clock)
    clock.advance(days=9)
    young = await town.paid()
    found = await rows(town, ESCROW_AGEING)
    assert [(row[0], row[1], row[4:]) for row in found] == [
        (old.number, "Chez Mama", (9, 0, 0, 3800, 0, 3800)),
        (young.number, "Chez Mama", (0, 3800, 0, 0, 0, 3800)),
    ]
    # The restaurant answers neither and both go back; what waited then, waited.
    for _ in range(3):
        await town.wait(minutes=10)
    assert [row[0] for row in await rows(town, ESCROW_AGEING)] == []
    then = await rows(town, ESCROW_AGEING, as_of=paid_on)
    assert [(row[0], row[4:]) for row in then] == [(old.number, (0, 3800, 0, 0, 0, 3800))]


async def test_what_rests_in_suspense_is_its_newest_money(town: Town, clock: ManualClock) -> None:
    """1,000 a day for four days, 2,500 sent back: what is left is the last day's and half of the one before."""
    float_ = chart.provider_float("campay", "mtn")

    async def book(key: str, leg: Leg) -> None:
        async with town.database.transaction() as tx:
            await post(tx, key=key, kind=key.rstrip("0123456789"), legs=[leg])

    for day in range(4):
        await book(f"surplus{day}", Leg(float_, chart.SUSPENSE_SURPLUS, 1000))
        clock.advance(days=1)
    before = await rows(town, SUSPENSE_AGEING)
    last_day = today(clock)
    clock.advance(days=1)
    await book("back", Leg(chart.SUSPENSE_SURPLUS, float_, 2500))
    await book("taken", Leg(chart.SUSPENSE_MISMATCH, float_, 700))
    await book("unknown", Leg(chart.GOODWILL, chart.in_transit("noupay"), 40))
    for marked in (False, True):
        if marked:
            await Marks(town.database).advance()
        found = await rows(town, SUSPENSE_AGEING)
        assert [(row[0], row[2], row[5], row[-1]) for row in found] == [
            ("suspense:surplus", "surplus", 3, 500),
            ("suspense:surplus", "surplus", 2, 1000),
            ("suspense:mismatch", "taken", 0, -700),  # owed to us
            ("in_transit:noupay", "unknown", 0, 40),
        ]
        assert await rows(town, SUSPENSE_AGEING, as_of=last_day) == before
    assert [(row[5], row[-1]) for row in before] == [(4, 1000), (3, 1000), (2, 1000), (1, 1000)]


# ---- commission and tax ----------------------------------------------------------------------------------


async def test_commission_is_by_restaurant_and_month(town: Town, clock: ManualClock) -> None:
    for _ in range(2):
        await town.handed_over()
    clock.advance(days=15)  # December
    await town.handed_over()
    assert await rows(town, COMMISSION) == [
        (45, "Chez Mama", "2026-11", 2, 6000, 900, 5100),
        (45, "Chez Mama", "2026-12", 1, 3000, 450, 2550),
    ]
    assert await rows(town, COMMISSION, until="2026-11") == [(45, "Chez Mama", "2026-11", 2, 6000, 900, 5100)]


async def test_a_kitchen_without_commission_is_in_the_report(town: Town) -> None:
    await town.set_kitchen(commission_bp=0)
    await town.handed_over()
    assert await rows(town, COMMISSION) == [(45, "Chez Mama", "2026-11", 1, 3000, 0, 3000)]


async def test_the_tax_that_is_owed_is_what_was_taken_less_what_was_paid_over(
    town: Town, clock: ManualClock, settings: Settings
) -> None:
    await town.handed_over()  # without a tax, its items are still the base
    msgspec.structs.force_setattr(settings, "tax_bp", 1000)
    await town.handed_over()
    clock.advance(days=15)
    async with town.database.transaction() as tx:
        leg = Leg(chart.TAX_PAYABLE, chart.provider_float("campay", "mtn"), 200)
        await post(tx, key="declared", kind="tax_paid", legs=[leg])
    assert await rows(town, TAX) == [("2026-11", 2, 6000, 300, 0, 300), ("2026-12", 0, 0, 0, 200, -200)]
    assert await rows(town, TAX, until="2026-11") == [("2026-11", 2, 6000, 300, 0, 300)]


# ---- people ----------------------------------------------------------------------------------------------


async def test_a_driver_earned_was_paid_and_is_owed(town: Town, clock: ManualClock) -> None:
    await town.handed_over()
    first_day = today(clock)
    clock.advance(days=1)
    await town.handed_over()
    await ask_payout(town, 1000, owner="driver", owner_id=town.driver_id, phone=DRIVER)
    await town.decide("SUCCESSFUL")
    masked = "+23767***01"
    assert await rows(town, DRIVER_PAY) == [("", masked, 2, 1600, 1000, 600)]
    assert await rows(town, DRIVER_PAY, until=first_day) == [("", masked, 1, 800, 0, 800)]
    assert await rows(town, DRIVER_PAY, since=today(clock)) == [("", masked, 1, 800, 1000, 600)]
    clock.advance(days=1)
    assert await rows(town, DRIVER_PAY, since=today(clock)) == [("", masked, 0, 0, 0, 600)]


async def test_payouts_are_shown_as_they_stood(town: Town, clock: ManualClock) -> None:
    await town.give(chart.restaurant_payable(town.restaurant_id), 10_000)
    await ask_payout(town, 3000)
    asked_on = today(clock)
    kitchen = ("n° 45 Chez Mama", "+23767***45")
    assert [row[1:] for row in await rows(town, PAYOUTS)] == [(*kitchen, 3000, 0, 0, 3000, 0)]
    clock.advance(days=1)
    await town.decide("SUCCESSFUL")
    await ask_payout(town, 2000)
    await town.decide("FAILED", reason="Rejected")
    assert [row[1:] for row in await rows(town, PAYOUTS)] == [
        (*kitchen, 3000, 3000, 0, 0, 30),
        (*kitchen, 2000, 0, 2000, 0, 0),
    ]
    then = await rows(town, PAYOUTS, until=asked_on)
    assert [row[1:] for row in then] == [(*kitchen, 3000, 0, 0, 3000, 0)]


async def test_points_expire_a_year_after_the_month_they_were_earned_in(town: Town, clock: ManualClock) -> None:
    await town.handed_over()
    clock.advance(days=15)
    await town.handed_over()
    assert await rows(town, POINTS_LIABILITY) == [
        ("2026-11", "2027-11", 1, 30, 30),
        ("2026-12", "2027-12", 1, 30, 30),
    ]
    assert await rows(town, POINTS_LIABILITY, as_of="2026-11") == [("2026-11", "2027-11", 1, 30, 30)]


# ---- providers -------------------------------------------------------------------------------------------


async def test_fees_are_by_carrier_and_event(town: Town) -> None:
    await town.handed_over()
    await town.handed_over()
    await ask_payout(town, 2000)
    await town.decide("SUCCESSFUL")
    assert await rows(town, PROVIDER_FEES_REPORT) == [
        ("campay", "mtn", "collection", 2, 7600, 190),
        ("campay", "mtn", "payout", 1, -2000, 20),
    ]
    async with town.database.transaction() as tx:  # a fee that was found later
        leg = Leg(chart.PROVIDER_FEES, chart.provider_float("campay", "mtn"), 3)
        await post(tx, key="found", kind="reconciliation_fee_differs", legs=[leg])
    assert ("campay", "mtn", "reconciliation_fee_differs", 1, 0, 3) in await rows(town, PROVIDER_FEES_REPORT)


async def test_our_float_stands_beside_what_the_provider_said_by_then(town: Town, clock: ManualClock) -> None:
    async def told(**balances_xaf: int) -> None:
        async with town.database.transaction() as tx:
            await remember(tx, provider="campay", balances_xaf=balances_xaf)

    await town.handed_over()
    first, day = clock.now(), today(clock)
    await told(mtn=3705, orange=10)
    clock.advance(days=1)
    await town.handed_over()
    assert [row[:5] for row in await rows(town, PROVIDER_FLOAT)] == [
        ("campay", "mtn", 7410, 3705, 3705),
        ("campay", "orange", 0, 10, -10),
    ]
    await told(mtn=7400)
    assert (await rows(town, PROVIDER_FLOAT))[0] == ("campay", "mtn", 7410, 7400, 10, clock.now())
    for marked in (False, True):
        if marked:
            await Marks(town.database).advance()
        assert (await rows(town, PROVIDER_FLOAT, as_of=day))[0] == ("campay", "mtn", 3705, 3705, 0, first)


async def test_providers_are_asked_and_their_answers_kept(town: Town) -> None:
    adapter = Campay(town.database.settings, http_client=town.campay.client())
    assert await ask(town.database, [adapter]) == []
    assert [row[:4] for row in await rows(town, PROVIDER_FLOAT)] == [
        ("campay", "mtn", 0, 1_000_000),
        ("campay", "orange", 0, 1_000_000),
    ]


# ---- receipts --------------------------------------------------------------------------------------------


async def test_a_receipt_lists_what_was_paid_for(town: Town, settings: Settings, clock: ManualClock) -> None:
    msgspec.structs.force_setattr(settings, "tax_bp", 1000)
    coupon_id = await make_coupon(town.database)
    order = await town.paid(cart=await town.cart(extras=Extras(coupon_id, 500)))
    asked = read(RECEIPT, now=clock.now(), subject=str(order.id))
    async with snapshot(town.database) as tx:
        receipt = await whole(tx, RECEIPT, asked)
    assert list(receipt.rows) == [
        ("dish", "Ndole+plantain", 2, 1250, 2500),
        ("dish", "Jus", 1, 500, 500),
        ("discount", None, None, None, -1000),
        ("delivery", None, None, None, 800),
        ("tax", None, None, None, 300),
        ("tip", None, None, None, 500),
    ]
    assert sum(row[-1] for row in receipt.rows) == order.total_xaf
    assert (receipt.facts["order"], receipt.facts["restaurant"]) == (str(order.number), "Chez Mama")


@pytest.mark.parametrize("subject", ["4821", "00000000-0000-4000-8000-000000000000"])
async def test_there_is_no_receipt_without_an_order(town: Town, clock: ManualClock, subject: str) -> None:
    with pytest.raises(NotFound):
        await rows(town, RECEIPT, subject=subject)


# ---- all of them -----------------------------------------------------------------------------------------


async def test_a_past_day_stays_as_it_was(town: Town, clock: ManualClock) -> None:
    """Every report of a day, before and after another day of orders, payouts and marks."""
    await town.handed_over()
    await town.paid()
    await ask_payout(town, 1000)
    reports = [one for one in finance.REPORTS if one.subject is None]
    end = clock.now() + TICK
    asked = Asked(end - timedelta(days=1), end)

    async def everything() -> list[list[Row]]:
        found = []
        for report in reports:
            async with snapshot(town.database) as tx:
                found.append(list((await whole(tx, report, asked)).rows))
        return found

    before = await everything()
    clock.advance(days=1)
    await town.decide("SUCCESSFUL")
    await town.handed_over()
    await Marks(town.database).advance()
    await town.wait(days=2)
    assert await everything() == before
    assert [one.name for one, found in zip(reports, before, strict=True) if not found] == ["suspense-ageing"]


def test_reports_have_names_of_their_own() -> None:
    names = [report.name for report in finance.REPORTS]
    assert len(set(names)) == len(names) == 15
    assert finance.find("tax") is TAX
    with pytest.raises(NotFound):
        finance.find("turnover")
