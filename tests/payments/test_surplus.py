"""Money that nobody wanted any more: whatever happens to its refund, it ends with its payer or as people say."""

import pytest

from gateway.doctor import examine
from ledger.chart import GOODWILL, SUSPENSE_MISMATCH, SUSPENSE_SURPLUS, escrow, wallet
from payments import attempts, reversals, service
from payments.decisions import NotForPeople, Ruling
from payments.outcomes import Payment
from tests.payments.house import MTN_FLOAT, SAVER, House
from tests.payments.network import FakeCampay
from tests.payments.rulings import rule, waiting

pytestmark = pytest.mark.anyio


async def quarantined(house: House) -> Payment:
    """A collection whose deadline has passed without a word."""
    owed = await house.collect()
    for minutes in (0, *(1,) * 16):
        await house.sweep(minutes=minutes)
    return owed


async def going_back(house: House, campay: FakeCampay) -> None:
    """A collection was approved too late, and its refund is at the provider."""
    await quarantined(house)
    campay.decide("SUCCESSFUL")
    await house.sweep(hours=1)
    await house.sweep()
    assert campay.only_withdrawal()["status"] == "PENDING"


async def reversed_now(house: House, number: int) -> None:
    async with house.database.transaction() as tx:
        case = await attempts.lock(tx, (await house.attempts())[number].id)
        assert case is not None
        await reversals.record(tx, case)


async def all_ends_in_the_wallet(house: House, xaf: int) -> None:
    assert await house.balance(SUSPENSE_SURPLUS) == await house.balance(SUSPENSE_MISMATCH) == 0
    assert await house.balance(wallet(SAVER)) == xaf
    assert await house.set_aside() == 0
    assert (await waiting(house), await examine(house.database)) == ([], [])


async def test_a_surplus_that_the_provider_takes_back_from_its_payer_goes_to_the_wallet(
    house: House, campay: FakeCampay
) -> None:
    await going_back(house, campay)
    campay.only_withdrawal()["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    await reversed_now(house, 1)
    await rule(house, Ruling.UNPAID, attempt_id=(await house.attempts())[1].id)
    await all_ends_in_the_wallet(house, 3800)


@pytest.mark.parametrize(("moved_xaf", "rest_xaf"), [(3000, 800), (3900, 0)])
async def test_what_is_left_of_a_surplus_that_came_in_another_amount_goes_to_the_wallet(
    house: House, campay: FakeCampay, moved_xaf: int, rest_xaf: int
) -> None:
    await going_back(house, campay)
    campay.only_withdrawal().update(status="SUCCESSFUL", amount=f"{moved_xaf}.00")
    await house.sweep(seconds=6)
    await rule(house, Ruling.ACCEPT, attempt_id=(await house.attempts())[1].id)
    await all_ends_in_the_wallet(house, rest_xaf)


async def test_a_surplus_that_reached_somebody_else_goes_to_its_payers_wallet(house: House, campay: FakeCampay) -> None:
    await going_back(house, campay)
    campay.only_withdrawal().update(status="SUCCESSFUL", phone_number="237670000099")
    await house.sweep(seconds=6)
    await rule(house, Ruling.ABSORB, attempt_id=(await house.attempts())[1].id)
    assert await house.balance(GOODWILL) == 3800
    await all_ends_in_the_wallet(house, 3800)


async def test_a_surplus_that_did_not_fit_and_came_back_goes_to_the_wallet(house: House, campay: FakeCampay) -> None:
    await going_back(house, campay)
    campay.only_withdrawal().update(status="SUCCESSFUL", amount="3000.00")
    await house.sweep(seconds=6)
    await reversed_now(house, 1)
    await rule(house, Ruling.UNPAID, attempt_id=(await house.attempts())[1].id)
    await all_ends_in_the_wallet(house, 3800)


async def test_what_is_too_little_to_be_sent_goes_to_the_wallet(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="5.00")
    await house.sweep(seconds=6)
    await rule(house, Ruling.RETURN)
    await all_ends_in_the_wallet(house, 5)


async def returned_and_taken_back(house: House, campay: FakeCampay, returned_xaf: int) -> None:
    """Of two payments for one order the first was refunded and taken back by the provider; then the second comes."""
    owed = await quarantined(house)
    await house.retry(owed.id)
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    async with house.database.transaction() as tx:
        await service.request_refund(
            tx,
            purpose="refund",
            reference=owed.reference,
            payment_id=owed.id,
            amount_xaf=returned_xaf,
            debit=escrow(owed.reference),
            key="refund:1",
        )
    await house.sweep()
    campay.only_withdrawal()["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    await reversed_now(house, 1)
    await rule(house, Ruling.ABSORB, attempt_id=(await house.attempts())[1].id)
    next(iter(campay.transactions.values()))["status"] = "SUCCESSFUL"
    await house.sweep(hours=1)


@pytest.mark.parametrize("returned_xaf", [3800, 800])
async def test_of_a_late_payment_we_keep_what_its_payer_has_back_already(
    house: House, campay: FakeCampay, returned_xaf: int
) -> None:
    await returned_and_taken_back(house, campay, returned_xaf)
    first = (await house.attempts())[0].id
    assert await waiting(house) == [("REVIEW", ["keep", "return", "returned"])]
    await rule(house, Ruling.KEEP, attempt_id=first)
    await house.sweep()
    for withdrawal in campay.transactions.values():
        withdrawal["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    assert await house.balance(GOODWILL) == 3800 - returned_xaf
    assert await house.balance(SUSPENSE_SURPLUS) == await house.balance(SUSPENSE_MISMATCH) == 0
    assert campay.count("/withdraw/") == (1 if returned_xaf == 3800 else 2)
    assert (await waiting(house), await house.findings()) == ([], [])


async def test_what_can_go_back_is_not_kept(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="3000.00")
    await house.sweep(seconds=6)
    with pytest.raises(NotForPeople):
        await rule(house, Ruling.KEEP)
    assert await house.balance(MTN_FLOAT) == 3000 - 75
