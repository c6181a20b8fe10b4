"""What two finance users decide: each ruling posts its journal once, and closes the case for the doctor."""

import msgspec
import pytest

from core import four_eyes
from core.four_eyes import AlreadyProposed
from gateway.doctor import examine
from ledger.chart import (
    GOODWILL,
    PROVIDER_FEES,
    SUSPENSE_MISMATCH,
    SUSPENSE_SURPLUS,
    SUSPENSE_UNMATCHED,
    escrow,
    in_transit,
    restaurant_payable,
)
from ledger.errors import InsufficientFunds
from ledger.service import Leg, post
from payments import attempts, decisions, maintenance, reversals
from payments.decisions import NotForPeople, ProviderNotNamed, Ruling, TooEarly
from payments.outcomes import Payment
from payments.providers.campay import Campay
from payments.settlement import Settlement
from tests.payments.house import MTN_FLOAT, House
from tests.payments.network import FakeCampay, lost
from tests.payments.pawapay_network import FakePawapay
from tests.payments.rulings import BORIS, approve, propose, rule, waiting

pytestmark = pytest.mark.anyio

TRANSIT = in_transit("campay")


async def unknown_payout(house: House, campay: FakeCampay, *, hours: float = 25) -> Payment:
    """A payout whose answer was lost, and of which the provider's history says nothing."""
    owed = await house.pay_out()
    campay.before["/withdraw/"].append(lost)
    await house.sweep()
    await house.sweep(hours=hours)
    assert (await house.states())[0] in ("UNKNOWN", "REVIEW")
    return owed


# -- payouts of unknown fate


async def test_a_payout_that_people_found_paid_leaves_transit_for_the_float(house: House, campay: FakeCampay) -> None:
    await unknown_payout(house, campay)
    assert len(await examine(house.database)) == 1
    await rule(house, Ruling.PAID)
    (tried,) = await house.attempts()
    assert (tried.state, tried.evidence, tried.received_xaf) == ("SUCCEEDED", "DECIDED PAID", 2550)
    assert (await house.balance(TRANSIT), await house.balance(MTN_FLOAT)) == (0, -2550 - 26)
    assert await house.balance(PROVIDER_FEES) == 26
    assert [(name, told.state) for name, told in house.told] == [("payout_done", "PAID")]
    assert await examine(house.database) == []


async def test_a_payout_that_people_found_unpaid_is_owed_again(house: House, campay: FakeCampay) -> None:
    owed = await unknown_payout(house, campay)
    await rule(house, Ruling.UNPAID)
    assert await house.states() == ["FAILED"]
    assert await house.balance(TRANSIT) == await house.balance(MTN_FLOAT) == 0
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert [(name, told.state) for name, told in house.told] == [("payout_done", "FAILED")]
    assert campay.count("/withdraw/") == 1
    assert await examine(house.database) == []


async def test_people_wait_a_day_for_the_provider(house: House, campay: FakeCampay) -> None:
    await unknown_payout(house, campay, hours=23)
    assert await waiting(house) == []
    with pytest.raises(TooEarly):
        await propose(house, Ruling.PAID)
    house.clock.advance(hours=1)
    assert await waiting(house) == [("UNKNOWN", ["paid", "unpaid"])]


async def test_a_provider_that_answers_first_leaves_nothing_to_decide(house: House, campay: FakeCampay) -> None:
    await house.pay_out()
    campay.after["/withdraw/"].append(lost)
    await house.sweep()
    await house.sweep(hours=25)
    made = await propose(house, Ruling.UNPAID)
    campay.decide("SUCCESSFUL")
    await house.sweep(days=1)
    with pytest.raises(NotForPeople):
        await approve(house, made.id)
    assert (await house.states(), await house.balance(MTN_FLOAT)) == (["SUCCEEDED"], -2576)


async def test_a_payout_left_to_a_person_after_a_week_is_decided_too(house: House, campay: FakeCampay) -> None:
    owed = await unknown_payout(house, campay)
    for _ in range(40):
        await house.sweep(days=1.2)
    assert await house.states() == ["REVIEW"]
    assert len(await examine(house.database)) == 1
    await rule(house, Ruling.UNPAID)
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert (await house.payments())[0].state == "FAILED"
    assert await examine(house.database) == []


async def test_one_question_at_a_time(house: House, campay: FakeCampay) -> None:
    await unknown_payout(house, campay)
    await propose(house, Ruling.PAID)
    with pytest.raises(AlreadyProposed):
        await propose(house, Ruling.UNPAID, by=BORIS)


async def test_what_lives_or_ended_is_not_for_people(house: House, campay: FakeCampay) -> None:
    await house.pay_out()
    await house.sweep()
    with pytest.raises(NotForPeople):
        await propose(house, Ruling.PAID)
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    with pytest.raises(NotForPeople):
        await propose(house, Ruling.UNPAID)


# -- collections left to a person


async def silent_collection(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    for _ in range(60):
        await house.sweep(days=1.2)
    assert await house.states() == ["REVIEW"]


async def test_a_collection_that_never_came_is_closed_without_a_journal(house: House, campay: FakeCampay) -> None:
    await silent_collection(house, campay)
    await rule(house, Ruling.UNPAID)
    assert (await house.states(), await house.balance(MTN_FLOAT)) == (["FAILED"], 0)
    assert await examine(house.database) == []


async def test_a_collection_that_people_found_goes_back_to_the_phone(house: House, campay: FakeCampay) -> None:
    await silent_collection(house, campay)
    await rule(house, Ruling.PAID)
    await house.sweep()
    assert campay.only_withdrawal()["amount"] == "3800.00"
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert await house.balance(SUSPENSE_SURPLUS) == 0
    assert await house.balance(MTN_FLOAT) == -95 - 38  # the fees of both ways
    assert await examine(house.database) == []


async def mismatched_collection(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="3000.00")
    await house.sweep(seconds=6)
    assert await house.balance(SUSPENSE_MISMATCH) == 3000
    assert len(await examine(house.database)) == 1


async def test_a_collection_of_another_amount_is_sent_back(house: House, campay: FakeCampay) -> None:
    await mismatched_collection(house, campay)
    await rule(house, Ruling.RETURN)
    await house.sweep()
    assert campay.only_withdrawal()["amount"] == "3000.00"
    assert await house.balance(SUSPENSE_MISMATCH) == await house.balance(SUSPENSE_SURPLUS) == 0
    assert [row.state for row in await house.payments()] == ["CANCELLED", "OPEN"]
    assert await examine(house.database) == []


async def test_a_late_collection_of_another_amount_goes_back_from_where_it_is(
    two_providers: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    """The order was paid at CamPay: what pawaPay took late is returned by pawaPay, and not out of CamPay's float."""
    house = two_providers
    await put_away(house, "campay")
    owed = await house.collect()
    for minutes in (0, *(1,) * 16):
        await house.sweep(minutes=minutes)
    await put_away(house, "campay", on=False)
    await put_away(house, "pawapay")
    await house.retry(owed.id)
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    await put_away(house, "pawapay", on=False)
    pawapay.decide("COMPLETED")["amount"] = "3000"
    await house.sweep(hours=1)
    (late,) = (row for row in await house.attempts() if row.provider == "pawapay")
    await rule(house, Ruling.RETURN, attempt_id=late.id)
    await house.sweep()
    assert (pawapay.count("POST refunds"), campay.count("/withdraw/")) == (1, 0)


async def put_away(house: House, provider: str, on: bool = True) -> None:
    async with house.database.transaction() as tx:
        await maintenance.set(tx, provider=provider, on=on)


async def test_a_collection_returned_by_hand_meets_its_return_in_unmatched(house: House, campay: FakeCampay) -> None:
    await mismatched_collection(house, campay)
    await rule(house, Ruling.RETURNED)
    assert (await house.balance(SUSPENSE_MISMATCH), await house.balance(SUSPENSE_UNMATCHED)) == (0, 3000)
    with pytest.raises(NotForPeople):
        await propose(house, Ruling.RETURN)
    assert await examine(house.database) == []


# -- payouts that do not fit


@pytest.mark.parametrize(("moved_xaf", "owed_xaf", "lost_xaf"), [(2500, 50, 0), (2600, 0, 50)])
async def test_a_payout_of_another_amount_is_accepted(
    house: House, campay: FakeCampay, moved_xaf: int, owed_xaf: int, lost_xaf: int
) -> None:
    owed = await house.pay_out()
    spent = await house.balance(GOODWILL)
    await house.sweep()
    campay.decide("SUCCESSFUL", amount=f"{moved_xaf}.00")
    await house.sweep(seconds=6)
    await rule(house, Ruling.ACCEPT)
    assert await house.balance(SUSPENSE_MISMATCH) == await house.set_aside() == 0
    assert await house.balance(restaurant_payable(owed.reference)) == owed_xaf
    assert await house.balance(GOODWILL) - spent == lost_xaf
    assert [(told.state, told.amount_xaf) for _, told in house.told] == [("PAID", moved_xaf)]
    assert await examine(house.database) == []


async def test_a_payout_that_reached_somebody_else_is_our_loss_and_owed_again(house: House, campay: FakeCampay) -> None:
    owed = await house.pay_out()
    spent = await house.balance(GOODWILL)
    await house.sweep()
    campay.decide("SUCCESSFUL", phone_number="237670000099")
    await house.sweep(seconds=6)
    assert await waiting(house) == [("REVIEW", ["absorb", "accept"])]
    await rule(house, Ruling.ABSORB)
    assert await waiting(house) == []
    assert await house.balance(SUSPENSE_MISMATCH) == await house.set_aside() == 0
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert await house.balance(GOODWILL) - spent == 2550
    assert await examine(house.database) == []


async def paid_after_it_failed(house: House, campay: FakeCampay) -> Payment:
    """The provider says FAILED, the money returns, and then the payee has it all the same."""
    owed = await unknown_payout(house, campay)
    await rule(house, Ruling.UNPAID)
    adapter = Campay(house.database.settings, http_client=campay.client())
    async with house.database.transaction() as tx:
        case = await attempts.lock(tx, (await house.attempts())[0].id)
        assert case is not None
        await Settlement(house.handlers).succeeded(tx, case, decisions.as_told(case, 2550), adapter)
    assert await house.balance(SUSPENSE_MISMATCH) == -2550
    return owed


async def test_a_payee_who_was_paid_twice_is_owed_less(house: House, campay: FakeCampay) -> None:
    owed = await paid_after_it_failed(house, campay)
    await rule(house, Ruling.RECOVER)
    assert await house.balance(restaurant_payable(owed.reference)) == await house.balance(SUSPENSE_MISMATCH) == 0
    assert await examine(house.database) == []


async def test_what_the_payee_has_drawn_already_cannot_be_recovered(house: House, campay: FakeCampay) -> None:
    owed = await paid_after_it_failed(house, campay)
    async with house.database.transaction() as tx:
        await post(tx, key="drawn", kind="t", legs=[Leg(restaurant_payable(owed.reference), GOODWILL, 1)])
    spent = await house.balance(GOODWILL)
    made = await propose(house, Ruling.RECOVER)
    with pytest.raises(InsufficientFunds):
        await approve(house, made.id)
    async with house.database.transaction() as tx:
        await four_eyes.reject(tx, proposal_id=made.id, by=BORIS)
    await rule(house, Ruling.ABSORB)
    assert (await house.balance(SUSPENSE_MISMATCH), await house.balance(GOODWILL) - spent) == (0, 2550)
    assert await examine(house.database) == []


# -- what a provider took back after it was booked


async def taken_back(house: House, campay: FakeCampay) -> None:
    """The newest movement is settled, and then called failed."""
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    async with house.database.transaction() as tx:
        case = await attempts.lock(tx, (await house.attempts())[-1].id)
        assert case is not None
        await reversals.record(tx, case)


async def test_a_collection_taken_back_is_borne_by_its_account_or_by_us(house: House, campay: FakeCampay) -> None:
    owed = await house.collect()
    await taken_back(house, campay)
    assert await waiting(house) == [("SUCCEEDED", ["absorb", "recover"])]
    await rule(house, Ruling.RECOVER)
    assert await house.balance(SUSPENSE_MISMATCH) == await house.balance(escrow(owed.reference)) == 0
    assert await waiting(house) == []


async def test_a_payout_taken_back_is_owed_again(house: House, campay: FakeCampay) -> None:
    owed = await house.pay_out()
    await taken_back(house, campay)
    assert await waiting(house) == [("SUCCEEDED", ["absorb", "unpaid"])]
    await rule(house, Ruling.UNPAID)
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert await house.balance(SUSPENSE_MISMATCH) == 0
    assert await examine(house.database) == []


@pytest.mark.parametrize("named", ["proposed", "approved"])
async def test_money_at_a_provider_that_is_not_named_any_more_is_refused_clearly(
    house: House, campay: FakeCampay, named: str
) -> None:
    await unknown_payout(house, campay)
    made = await propose(house, Ruling.PAID) if named == "approved" else None
    changed = msgspec.structs.replace(house.database.settings, payment_providers=("pawapay",))
    house.database.settings = changed
    with pytest.raises(ProviderNotNamed):
        await (approve(house, made.id) if made else propose(house, Ruling.PAID))
    assert await house.balance(TRANSIT) == 2550


async def mismatch_taken_back(house: House, campay: FakeCampay) -> None:
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="2000.00")
    await house.sweep(seconds=6)
    async with house.database.transaction() as tx:
        case = await attempts.lock(tx, (await house.attempts())[0].id)
        assert case is not None
        await reversals.record(tx, case)
    assert await house.balance(SUSPENSE_MISMATCH) == 0


async def test_a_collection_that_did_not_fit_and_was_taken_back_leaves_nothing_to_bear(
    house: House, campay: FakeCampay
) -> None:
    await house.collect()
    await mismatch_taken_back(house, campay)
    assert await waiting(house) == [("REVIEW", ["unpaid"])]
    await rule(house, Ruling.UNPAID)
    assert await house.balance(SUSPENSE_MISMATCH) == await house.balance(GOODWILL) == 0
    assert [row.state for row in await house.payments()] == ["CANCELLED"]
    assert (await waiting(house), await examine(house.database)) == ([], [])


async def test_a_payout_that_did_not_fit_and_came_back_is_owed_again_once(house: House, campay: FakeCampay) -> None:
    owed = await house.pay_out()
    spent = await house.balance(GOODWILL)
    await mismatch_taken_back(house, campay)
    assert await waiting(house) == [("REVIEW", ["unpaid"])]
    await rule(house, Ruling.UNPAID)
    assert (await house.balance(SUSPENSE_MISMATCH), await house.balance(GOODWILL)) == (0, spent)
    assert (await house.balance(restaurant_payable(owed.reference)), await house.set_aside()) == (2550, 0)
    assert [(name, told.state) for name, told in house.told] == [("payout_done", "FAILED")]
    assert (await waiting(house), await examine(house.database)) == ([], [])
