"""A lost answer at a provider that takes our id: found, it is adopted; absent twice and late enough, it never was."""

import pytest

from ledger.chart import in_transit, restaurant_payable
from payments import maintenance
from payments.states import Failure
from tests.payments.house import House
from tests.payments.network import html, lost
from tests.payments.pawapay_network import FakePawapay

pytestmark = pytest.mark.anyio

TRANSIT = in_transit("pawapay")


@pytest.fixture
async def pawa_house(two_providers: House) -> House:
    """Everything goes to pawaPay."""
    async with two_providers.database.transaction() as tx:
        await maintenance.set(tx, provider="campay", on=True)
    return two_providers


async def test_a_lost_answer_is_found_by_our_id(pawa_house: House, pawapay: FakePawapay) -> None:
    await pawa_house.collect()
    pawapay.after["POST deposits"].append(lost)
    await pawa_house.sweep()
    assert await pawa_house.states() == ["UNKNOWN"]
    await pawa_house.sweep(seconds=6)
    assert await pawa_house.states() == ["PENDING"]
    pawapay.decide("COMPLETED")
    await pawa_house.sweep(seconds=12)
    assert pawa_house.outcomes == ["paid"]
    assert pawapay.count("POST deposits") == 1
    assert await pawa_house.findings() == []


async def test_a_request_that_never_arrived_is_dead_after_a_quarter_of_an_hour(
    pawa_house: House, pawapay: FakePawapay
) -> None:
    await pawa_house.collect()
    pawapay.before["POST deposits"].append(lost)
    await pawa_house.sweep()
    for _ in range(14):
        await pawa_house.sweep(minutes=1)
        assert await pawa_house.states() == ["UNKNOWN"]  # told twice and more that it is absent, but too early
    await pawa_house.sweep(minutes=2)
    (tried,) = await pawa_house.attempts()
    assert (tried.state, tried.evidence) == ("DEAD", "ABSENT")
    assert [(name, told.failure) for name, told in pawa_house.told] == [("failed", Failure.TECHNICAL)]
    assert pawapay.count("POST deposits") == 1


async def test_one_absence_proves_nothing(pawa_house: House, pawapay: FakePawapay) -> None:
    await pawa_house.collect()
    pawapay.before["POST deposits"].append(lost)
    await pawa_house.sweep()
    await pawa_house.sweep(minutes=20)
    assert await pawa_house.states() == ["QUARANTINED"]
    await pawa_house.sweep(minutes=6)
    assert await pawa_house.states() == ["DEAD"]


async def test_an_unreadable_look_up_is_no_absence(pawa_house: House, pawapay: FakePawapay) -> None:
    await pawa_house.collect()
    pawapay.before["POST deposits"].append(lost)
    await pawa_house.sweep()
    pawapay.before["GET deposits"].extend([html(502)] * 99)
    for _ in range(20):
        await pawa_house.sweep(minutes=2)
    assert await pawa_house.states() == ["QUARANTINED"]
    assert (await pawa_house.attempts())[0].absences == 0


async def test_an_absent_prompt_needs_no_consent_to_be_replaced(pawa_house: House, pawapay: FakePawapay) -> None:
    await pawa_house.collect()
    pawapay.before["POST deposits"].append(lost)
    await pawa_house.sweep()
    await pawa_house.sweep(minutes=20)
    await pawa_house.sweep(minutes=6)
    (owed,) = await pawa_house.payments()
    await pawa_house.retry(owed.id)
    await pawa_house.sweep()
    pawapay.decide("COMPLETED")
    await pawa_house.sweep(seconds=6)
    assert pawa_house.outcomes == ["expired", "paid"]
    assert [row.released_at for row in await pawa_house.attempts()] == [None, None]


async def test_an_absent_payout_is_owed_again_and_not_sent_again(pawa_house: House, pawapay: FakePawapay) -> None:
    owed = await pawa_house.pay_out()
    pawapay.before["POST payouts"].append(lost)
    await pawa_house.sweep()
    assert await pawa_house.balance(TRANSIT) == 2550
    await pawa_house.sweep(minutes=20)
    await pawa_house.sweep(minutes=6)
    assert await pawa_house.states() == ["DEAD"]
    assert [(name, told.failure) for name, told in pawa_house.told] == [("payout_done", Failure.TECHNICAL)]
    assert await pawa_house.balance(TRANSIT) == 0
    assert await pawa_house.balance(restaurant_payable(owed.reference)) == 2550
    await pawa_house.sweep(hours=2)
    assert pawapay.count("POST payouts") == 1


async def test_what_is_found_but_does_not_fit_goes_to_a_person(pawa_house: House, pawapay: FakePawapay) -> None:
    await pawa_house.collect()
    pawapay.after["POST deposits"].append(lost)
    await pawa_house.sweep()
    pawapay.decide("COMPLETED")["amount"] = "100"
    await pawa_house.sweep(seconds=6)
    assert await pawa_house.states() == ["REVIEW"]
    assert await pawa_house.balance("suspense:mismatch") == 100
    assert pawa_house.outcomes == ["expired"]
