"""Reconciliation: each difference between a provider's list, our attempts and the books is found, once, and ends."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from core import four_eyes
from core.clock import business_day
from ledger.chart import (
    GOODWILL,
    OWNERS_CAPITAL,
    PROVIDER_FEES,
    PROVIDER_ROUNDING,
    SUSPENSE_UNMATCHED,
    provider_float,
)
from ledger.reporting import snapshot, whole
from ledger.reports.asking import read
from ledger.service import Leg, post
from payments import reconciliation
from payments.balances import PROVIDER_FLOAT
from payments.pace import Pace
from payments.providers.campay import Campay
from payments.providers.protocol import Capabilities, HistoryLine, Word
from payments.reconciliation import items, resolving, service
from payments.reconciliation.comparing import Compared
from payments.reconciliation.resolving import NotOpen, Resolution
from payments.tables import attempt
from tests.payments.house import MTN_FLOAT, PAYER, House
from tests.payments.network import FakeCampay, html

pytestmark = pytest.mark.anyio

ANNE, BORIS = uuid4(), uuid4()
TODAY = date(2026, 11, 21)


class Listing(Campay):
    """CamPay, with the list and the balances that a test gives it."""

    lines: list[HistoryLine] | None
    holds: dict[str, int] | None = None

    async def history(self, **_: Any) -> list[HistoryLine] | None:
        return self.lines

    async def floats(self) -> dict[str, int] | None:
        return self.holds


@pytest.fixture
def listing(house: House) -> Listing:
    made = Listing(house.database.settings, http_client=house.campay.client())
    made.lines = []
    return made


def line(house: House, ref: str = "theirs", our_id: UUID | None = None, **changes: Any) -> HistoryLine:
    told = {
        "ref": ref,
        "our_id": str(our_id) if our_id else None,
        "at": house.clock.now(),
        "word": Word.SUCCESSFUL,
        "collects": True,
        "amount": Decimal(3800),
        "fee": Decimal(95),
        "phone": PAYER,
        "carrier": "mtn",
    }
    return HistoryLine(**{**told, **changes})


async def compare(house: House, provider: Listing, day: date = TODAY) -> Compared:
    return (await reconciliation.run(house.database, [provider], day))["campay"]


async def found(house: House, provider: Listing) -> list[tuple[str, int, int]]:
    """What a comparison finds: the exception, our figure, theirs."""
    return [(str(one.difference), one.ours_xaf, one.theirs_xaf) for one in (await compare(house, provider)).found]


async def waiting(house: House) -> list[str]:
    async with house.database.reading() as tx:
        return [row.exception for row in await items.open_items(tx)]


async def resolve(house: House, resolution: Resolution) -> None:
    async with house.database.transaction() as tx:
        (item,) = await items.open_items(tx)
        made = await resolving.propose(tx, item_id=item.id, resolution=resolution, reason="seen", by=ANNE)
    async with house.database.transaction() as tx:
        approved = await four_eyes.approve(tx, proposal_id=made.id, by=BORIS)
        await resolving.carry_out(tx, approved)


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


# -- balances


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


async def place(house: House, amount_xaf: int) -> None:
    async with house.database.transaction() as tx:
        legs = [Leg(provider_float("campay", "mtn"), OWNERS_CAPITAL, amount_xaf)]
        await post(tx, key=f"capital:{uuid4()}", kind="capital", legs=legs)


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
    campay.before["/transaction/"].append(html(502))
    assert await reconciliation.run(house.database, [unlisted], TODAY) == {}


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


async def test_what_a_provider_says_it_holds_is_kept_for_the_report(house: House, listing: Listing) -> None:
    await place(house, 10_000)
    listing.holds = {"mtn": 10_000, "orange": 7}
    await compare(house, listing)
    async with snapshot(house.database) as tx:
        told = await whole(tx, PROVIDER_FLOAT, read(PROVIDER_FLOAT, now=tx.now))
    assert [row[:5] for row in told.rows] == [("campay", "mtn", 10_000, 10_000, 0), ("campay", "orange", 0, 7, -7)]
