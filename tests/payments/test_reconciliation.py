"""Reconciliation: each difference between a provider's list, our attempts and the books is found, once, and ends."""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from core.clock import business_day
from ledger.chart import (
    GOODWILL,
    OWNERS_CAPITAL,
    PROVIDER_FEES,
    PROVIDER_ROUNDING,
    SUSPENSE_UNMATCHED,
)
from payments import reconciliation
from payments.pace import Pace
from payments.providers.protocol import Capabilities, HistoryLine, Record, Word
from payments.reconciliation import items, resolving, service
from payments.reconciliation.comparing import Compared
from payments.reconciliation.resolving import NotOpen, Resolution
from payments.states import Kind
from payments.tables import attempt, reversal
from tests.payments.house import MTN_FLOAT, House
from tests.payments.listing import ANNE, TODAY, Listing, compare, found, line, resolve, waiting
from tests.payments.network import FakeCampay, html

pytestmark = pytest.mark.anyio


async def collected(house: House, campay: FakeCampay) -> HistoryLine:
    """A collection that is booked, as the list has it."""
    await house.collect()
    await house.sweep()
    transaction = campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    (tried,) = await house.attempts()
    assert tried.state == "SUCCEEDED"
    return line(house, transaction["reference"], tried.id)


async def test_what_agrees_is_counted_and_nothing_else(house: House, campay: FakeCampay, listing: Listing) -> None:
    listing.lines = [await collected(house, campay), line(house, "failed", word=Word.FAILED, collects=None)]
    listing.holds = {"mtn": 3705, "orange": 0}
    assert await compare(house, listing) == Compared(lines=2, matched=2, found=[])
    assert await waiting(house) == []


async def test_what_is_booked_long_after_it_was_sent_is_looked_for_where_it_was_sent(
    house: House, campay: FakeCampay
) -> None:
    """Their list has it on the day it began; people decided a week later."""
    dated = Dated(house.database.settings, http_client=house.campay.client())
    dated.lines = [await collected(house, campay)]
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).values(settled_at=tx.now + timedelta(days=8)))
    assert (await compare(house, dated, TODAY + timedelta(days=8))).found == []
    dated.lines = []
    missed = (await compare(house, dated, TODAY + timedelta(days=8))).found
    assert [one.difference for one in missed] == ["missing_there"]


class Dated(Listing):
    """A CamPay that lists only the days it is asked for."""

    async def history(self, *, since: date, until: date) -> list[HistoryLine] | None:
        return [line for line in self.lines or [] if since <= business_day(line.at) <= until]


async def test_money_that_came_without_us_goes_to_unmatched_once(house: House, listing: Listing) -> None:
    listing.lines = [line(house)]
    for _ in range(3):
        assert await found(house, listing) == [("missing_here", 0, 3800)]
    assert await house.balance(SUSPENSE_UNMATCHED) == 3800
    assert (await house.balance(MTN_FLOAT), await house.balance(PROVIDER_FEES)) == (3705, 95)
    assert await waiting(house) == ["missing_here"]


async def test_money_that_left_without_us_is_owed_by_unmatched(house: House, listing: Listing) -> None:
    listing.lines = [line(house, collects=False, amount=Decimal(1000), fee=Decimal("10.4"))]
    assert await found(house, listing) == [("missing_here", 0, -1000)]
    assert (await house.balance(SUSPENSE_UNMATCHED), await house.balance(MTN_FLOAT)) == (-1000, -1011)


async def test_the_owners_deposit_is_capital(house: House, listing: Listing) -> None:
    listing.lines = [line(house, amount=Decimal(50_000), fee=None)]
    await compare(house, listing)
    await resolve(house, Resolution.CAPITAL)
    assert (await house.balance(SUSPENSE_UNMATCHED), await house.balance(OWNERS_CAPITAL)) == (0, 50_000)
    assert await waiting(house) == []
    await compare(house, listing)
    assert (await waiting(house), await house.balance(MTN_FLOAT)) == ([], 50_000)


async def test_an_orphan_that_finds_its_attempt_is_taken_back(
    house: House, campay: FakeCampay, listing: Listing
) -> None:
    await house.collect()
    await house.sweep()
    listing.lines = [line(house, campay.only()["reference"])]
    async with house.database.transaction() as tx:  # as if the answer to the request had been lost
        await tx.run(update(attempt).values(provider_ref=None, state="UNKNOWN"))
    assert await found(house, listing) == [("missing_here", 0, 3800)]
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).values(provider_ref=listing.lines[0].ref, state="PENDING"))
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=60)
    await compare(house, listing)
    assert (await waiting(house), await house.balance(SUSPENSE_UNMATCHED)) == ([], 0)
    assert (await house.balance(MTN_FLOAT), await house.balance(PROVIDER_FEES)) == (3705, 95)
    assert await house.findings() == []


async def test_money_that_is_missing_in_a_later_list_has_come_all_the_same(house: House, listing: Listing) -> None:
    """A list that is cut short takes nothing back: when it is whole again, nobody would book the money anew."""
    listing.lines = [line(house)]
    for lines in ([line(house)], [], [line(house, word=Word.PENDING)], [line(house)]):
        listing.lines = lines
        await compare(house, listing)
        assert await waiting(house) == ["missing_here"]
        assert await house.balance(SUSPENSE_UNMATCHED) == 3800
    listing.lines = [line(house, word=Word.FAILED)]  # they have taken it back
    await compare(house, listing)
    assert (await waiting(house), await house.balance(SUSPENSE_UNMATCHED)) == ([], 0)


async def test_what_people_have_just_resolved_is_not_taken_back_as_well(house: House, listing: Listing) -> None:
    listing.lines = [line(house)]
    await compare(house, listing)
    async with house.database.reading() as tx:
        (seen,) = await items.open_items(tx)
    await resolve(house, Resolution.CAPITAL)
    async with house.database.transaction() as tx:
        await items.settle(tx, seen)
    assert (await house.balance(SUSPENSE_UNMATCHED), await house.balance(MTN_FLOAT)) == (0, 3705)


async def test_a_second_charge_for_one_attempt_is_found(house: House, campay: FakeCampay, listing: Listing) -> None:
    mine = await collected(house, campay)
    (tried,) = await house.attempts()
    listing.lines = [mine, line(house, "again", tried.id, at=mine.at + timedelta(minutes=1))]
    assert await found(house, listing) == [("double_there", 0, 3800)]
    assert await house.balance(SUSPENSE_UNMATCHED) == 3800


async def test_what_is_booked_must_be_in_their_list(house: House, campay: FakeCampay, listing: Listing) -> None:
    await collected(house, campay)
    assert await found(house, listing) == [("missing_there", 3800, 0)]
    await resolve(house, Resolution.ADJUST)
    assert (await house.balance(MTN_FLOAT), await house.balance(GOODWILL)) == (3705 - 3800, 3800)


async def test_a_list_that_is_late_settles_by_itself(house: House, campay: FakeCampay, listing: Listing) -> None:
    mine = await collected(house, campay)
    await compare(house, listing)
    assert await waiting(house) == ["missing_there"]
    listing.lines = [mine]
    await compare(house, listing)
    assert await waiting(house) == []


async def test_a_line_just_past_midnight_is_no_difference(house: House, campay: FakeCampay, listing: Listing) -> None:
    mine = await collected(house, campay)
    listing.lines = [line(house, mine.ref, at=mine.at + timedelta(hours=14))]
    assert (await compare(house, listing)).found == []


async def test_a_success_that_we_do_not_know_of_is_read_at_once(
    house: House, campay: FakeCampay, listing: Listing
) -> None:
    await house.collect()
    await house.sweep()
    transaction = campay.decide("SUCCESSFUL")
    listing.lines = [line(house, transaction["reference"])]
    assert await found(house, listing) == [("state_differs", 0, 3800)]
    assert await house.balance(SUSPENSE_UNMATCHED) == 0
    await house.sweep()
    assert await house.states() == ["SUCCEEDED"]
    assert await found(house, listing) == []
    assert await waiting(house) == []


async def test_a_booked_success_that_they_list_as_failed_is_read_again(
    house: House, campay: FakeCampay, listing: Listing
) -> None:
    mine = await collected(house, campay)
    listing.lines = [line(house, mine.ref, word=Word.FAILED, collects=None)]
    assert await found(house, listing) == [("state_differs", 3800, 0)]
    campay.decide("FAILED")
    await house.sweep()
    assert await found(house, listing) == []  # a reversal is booked: both say that nothing moved


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"amount": Decimal(3000)}, ("amount_differs", 3800, 3000)),
        ({"collects": False}, ("amount_differs", 3800, -3800)),
    ],
)
async def test_another_amount_or_direction_waits_for_people(
    house: House, campay: FakeCampay, listing: Listing, changes: dict[str, Any], difference: tuple[str, int, int]
) -> None:
    mine = await collected(house, campay)
    listing.lines = [line(house, mine.ref, **changes)]
    assert await found(house, listing) == [difference]
    assert await house.balance(MTN_FLOAT) == 3705
    assert await waiting(house) == ["amount_differs"]
    await resolve(house, Resolution.ADJUST)
    assert await house.balance(MTN_FLOAT) == 3705 + difference[2] - difference[1]


@pytest.mark.parametrize(("fee", "rounding_xaf"), [("100", 5), ("76.2", -18)])
async def test_a_fee_of_another_size_is_booked_by_itself(
    house: House, campay: FakeCampay, listing: Listing, fee: str, rounding_xaf: int
) -> None:
    mine = await collected(house, campay)
    listing.lines = [line(house, mine.ref, fee=Decimal(fee))]
    for _ in range(2):
        await compare(house, listing)
    assert await house.balance(PROVIDER_ROUNDING) == rounding_xaf
    assert await house.balance(MTN_FLOAT) == 3705 - rounding_xaf
    assert await waiting(house) == []


# -- when it runs


async def test_yesterday_is_compared_once_a_day_by_whichever_worker(house: House, listing: Listing) -> None:
    house.clock.instant = house.clock.now().replace(hour=23, minute=30)  # half past midnight in Douala
    assert await service.sweep(house.database, [listing]) == 1  # the day before yesterday
    assert await service.sweep(house.database, [listing]) == 0
    house.clock.advance(hours=1)
    assert await service.sweep(house.database, [listing]) == 1
    assert await service.sweep(house.database, [listing]) == 0


async def test_days_on_which_nobody_worked_are_compared_later(house: House, listing: Listing) -> None:
    assert await service.sweep(house.database, [listing]) == 1
    listing.lines = [line(house)]  # it comes today, and the next two nights no list can be read
    house.clock.advance(days=3)
    assert await service.sweep(house.database, [listing]) == 3
    assert await waiting(house) == ["missing_here"]
    assert await service.sweep(house.database, [listing]) == 0


async def test_a_day_that_was_compared_before_its_end_is_compared_again(house: House, listing: Listing) -> None:
    await compare(house, listing)
    house.clock.advance(days=1)
    assert await service.sweep(house.database, [listing]) == 1
    assert await service.sweep(house.database, [listing]) == 0


async def test_a_provider_that_does_not_answer_is_asked_again(house: House, listing: Listing) -> None:
    listing.lines = None
    assert await service.sweep(house.database, [listing]) == 0
    listing.lines = []
    assert await service.sweep(house.database, [listing]) == 1


async def test_without_a_list_each_attempt_is_read(house: House, campay: FakeCampay, listing: Listing) -> None:
    unlisted = Unlisted(house.database.settings, http_client=campay.client())
    await collected(house, campay)
    assert await compare(house, unlisted) == Compared(lines=1, matched=1, found=[])
    campay.only()["amount"] = "3000.00"
    assert await found(house, unlisted) == [("amount_differs", 3800, 3000)]
    await house.collect(key="order:2", amount_xaf=2000)
    await house.sweep(minutes=2)
    unlisted.unreadable = {next(iter(campay.transactions))}
    await compare(house, unlisted)
    assert await waiting(house) == ["amount_differs"]
    campay.before["/transaction/"].extend([html(502)] * 9)
    assert await reconciliation.run(house.database, [unlisted], TODAY) == {}


async def test_an_attempt_that_cannot_be_read_holds_up_no_other_and_is_read_on(
    house: House, campay: FakeCampay
) -> None:
    unlisted = Unlisted(house.database.settings, http_client=campay.client())
    await collected(house, campay)
    await house.collect(key="order:2", amount_xaf=2000)
    await house.sweep(minutes=2)
    second = campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    second["status"] = "FAILED"
    asked = campay.count("/transaction/")
    unlisted.unreadable = {second["reference"]}
    assert await compare(house, unlisted) == Compared(lines=1, matched=1, found=[])
    assert campay.count("/transaction/") == asked + 1
    await house.sweep()
    async with house.database.reading() as tx:
        assert (await tx.one(select(reversal.c.amount_xaf))).amount_xaf == 2000
    assert {row.next_check_at for row in await house.attempts()} == {None}


async def test_without_a_list_what_people_decided_is_not_missed(
    house: House, campay: FakeCampay, listing: Listing
) -> None:
    """They had no reference to give, and without one nobody can ask that provider."""
    unlisted = Unlisted(house.database.settings, http_client=campay.client())
    await collected(house, campay)
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).values(provider_ref=None, evidence="DECIDED PAID"))
    assert await compare(house, unlisted) == Compared(lines=0, matched=0, found=[])


async def test_attempts_are_read_no_faster_than_the_provider_allows(
    house: House, campay: FakeCampay, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlisted = Unlisted(house.database.settings, http_client=campay.client())
    await collected(house, campay)
    turns: list[Pace] = []

    async def turn(pace: Pace) -> None:
        turns.append(pace)

    monkeypatch.setattr(Pace, "turn", turn)
    await compare(house, unlisted)
    assert len(turns) == 1
    assert turns[0].room(1.0) == 10


class Unlisted(Listing):
    """A provider that keeps no list of what moved, and is not to be hurried."""

    capabilities = Capabilities(name="campay", carriers=frozenset({"mtn"}), reads_per_second=10.0)
    unreadable: Collection[str] = ()

    async def read(self, ref: str, kind: Kind) -> Record | None:
        return None if ref in self.unreadable else await super().read(ref, kind)


async def test_what_is_resolved_is_not_resolved_twice(house: House, listing: Listing) -> None:
    listing.lines = [line(house)]
    await compare(house, listing)
    async with house.database.reading() as tx:
        (item,) = await items.open_items(tx)
    await resolve(house, Resolution.CLEARED)
    assert await house.balance(SUSPENSE_UNMATCHED) == 3800
    with pytest.raises(NotOpen):
        async with house.database.transaction() as tx:
            await resolving.propose(tx, item_id=item.id, resolution=Resolution.ADJUST, reason="again", by=ANNE)
