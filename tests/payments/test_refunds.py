"""Refunds of what a provider collected: by itself where it can, else by a payout to the same phone."""

import pytest

from ledger.chart import SUSPENSE_SURPLUS, escrow
from payments import maintenance, service
from payments.outcomes import Payment
from tests.payments.house import House
from tests.payments.network import FakeCampay, lost, refused_connection, says
from tests.payments.pawapay_network import FakePawapay

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(two_providers: House) -> House:
    return two_providers


async def put_away(house: House, provider: str, on: bool = True) -> None:
    async with house.database.transaction() as tx:
        await maintenance.set(tx, provider=provider, on=on)


async def collected_by_pawapay(house: House, pawapay: FakePawapay) -> Payment:
    await put_away(house, "campay")
    owed = await house.collect()
    await house.sweep()
    pawapay.decide("COMPLETED")
    await house.sweep(seconds=6)
    await put_away(house, "campay", on=False)
    assert house.outcomes == ["paid"]
    return owed


async def refund(house: House, collected: Payment, amount_xaf: int = 3800) -> Payment:
    async with house.database.transaction() as tx:
        return await service.request_refund(
            tx,
            purpose="refund",
            reference=collected.reference,
            payment_id=collected.id,
            amount_xaf=amount_xaf,
            debit=escrow(collected.reference),
            key="refund:1",
        )


async def test_the_provider_that_collected_refunds_by_itself(house: House, pawapay: FakePawapay) -> None:
    collected = await collected_by_pawapay(house, pawapay)
    await refund(house, collected, 1500)
    await house.sweep()
    (deposit,) = (one["depositId"] for name, one in pawapay.movements.items() if name.startswith("deposits/"))
    returned = pawapay.decide("COMPLETED")
    assert (returned["depositId"], returned["amount"]) == (deposit, "1500")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid", "payout_done"]
    assert await house.balance(escrow(collected.reference)) == 2300
    assert await house.balance("float:pawapay:mtn") == 3705 - 1500 - 15
    assert pawapay.count("POST payouts") == 0
    assert await house.findings() == []


async def test_a_lost_native_refund_is_looked_up_as_a_refund_and_never_sent_again(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    collected = await collected_by_pawapay(house, pawapay)
    await refund(house, collected)
    pawapay.after["POST refunds"].append(lost)
    await house.sweep()
    assert (await house.states())[-1] == "UNKNOWN"
    pawapay.decide("COMPLETED")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid", "payout_done"]
    assert pawapay.count("POST refunds") == 1
    assert campay.count("/withdraw/") == pawapay.count("POST payouts") == 0


async def test_a_native_refund_that_certainly_did_not_happen_becomes_a_payout(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    collected = await collected_by_pawapay(house, pawapay)
    await refund(house, collected)
    pawapay.before["POST refunds"].append(refused_connection)
    await house.sweep()
    await house.sweep()
    assert campay.only_withdrawal()["phone_number"] == "237670000001"
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid", "payout_done"]
    assert await house.balance(escrow(collected.reference)) == 0
    assert await house.findings() == []


async def test_a_collector_in_maintenance_does_not_hold_a_refund_up(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    collected = await collected_by_pawapay(house, pawapay)
    await put_away(house, "pawapay")
    await refund(house, collected)
    await house.sweep()
    assert campay.count("/withdraw/") == 1


async def test_a_refund_of_campays_money_is_a_payout_wherever_it_goes(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    """At pawaPay it is looked up as what it is there: a payout."""
    collected = await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    await put_away(house, "campay")
    await refund(house, collected)
    pawapay.after["POST payouts"].append(lost)
    await house.sweep()
    pawapay.decide("COMPLETED")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid", "payout_done"]
    assert pawapay.count("POST payouts") == 1


async def test_each_of_two_successes_is_returned_by_the_provider_that_has_it(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    """The first prompt quarantined at pawaPay, the second paid at CamPay: the late first goes back natively."""
    await put_away(house, "campay")
    owed = await house.collect()
    for minutes in (0, *(1,) * 16):
        await house.sweep(minutes=minutes)
    assert await house.states() == ["QUARANTINED"]
    await put_away(house, "campay", on=False)
    await put_away(house, "pawapay")
    await house.retry(owed.id)
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    await put_away(house, "pawapay", on=False)
    pawapay.decide("COMPLETED")
    await house.sweep(hours=1)
    await house.sweep()
    assert (pawapay.count("POST refunds"), campay.count("/withdraw/")) == (1, 0)
    pawapay.decide("COMPLETED")
    await house.sweep(seconds=6)
    assert await house.balance(SUSPENSE_SURPLUS) == 0

    await refund(house, owed)  # and what CamPay has goes back from there
    await house.sweep()
    assert (pawapay.count("POST refunds"), campay.count("/withdraw/")) == (1, 1)
    assert await house.findings() == []


async def test_a_surplus_that_was_refused_goes_into_the_wallet_in_full(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    await put_away(house, "pawapay")
    await house.collect()
    for minutes in (0, *(1,) * 16):
        await house.sweep(minutes=minutes)
    campay.decide("SUCCESSFUL")
    await house.sweep(minutes=6)
    campay.before["/withdraw/"].append(says(400, message="Invalid phone", error_code="ER101"))
    await house.sweep()
    assert house.outcomes == ["expired", "surplus"]
    assert house.told[-1][1].amount_xaf == 3800
