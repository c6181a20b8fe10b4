"""Payouts and refunds: money leaves once, comes back when it certainly did not, and rests in transit in between."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from ledger.chart import PROVIDER_FEES, SUSPENSE_MISMATCH, escrow, in_transit, restaurant_payable
from payments import service
from payments.errors import RefundTooLarge
from payments.outcomes import Payment
from payments.states import Failure, PaymentState
from payments.tables import payment
from tests.payments.house import MTN_FLOAT, House
from tests.payments.network import FakeCampay, Spoiler, html, lost, refused_connection, says

pytestmark = pytest.mark.anyio

TRANSIT = in_transit("campay")


async def test_a_payout_leaves_clearing_for_the_float(house: House, campay: FakeCampay) -> None:
    owed = await house.pay_out()
    assert await house.set_aside() == 2550
    await house.sweep()
    (tried,) = await house.attempts()
    assert tried.state == "PENDING"
    assert house.database.keys.decrypt(tried.holder) == "NGO BIYONG Esther"

    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert [(name, told.id, told.state) for name, told in house.told] == [("payout_done", owed.id, PaymentState.PAID)]
    assert await house.set_aside() == 0
    assert await house.balance(MTN_FLOAT) == -2550 - 26  # 1 % of 2550 rounded up
    assert await house.balance(PROVIDER_FEES) == 26
    assert await house.findings() == []


@pytest.mark.parametrize(
    ("spoiler", "failure"),
    [
        (says(400, message="Insufficient float", error_code="ER301"), Failure.LOW_FLOAT),
        (says(400, message="Invalid phone", error_code="ER101"), Failure.WRONG_NUMBER),
    ],
)
async def test_a_refused_payout_puts_its_money_back(
    house: House, campay: FakeCampay, spoiler: Spoiler, failure: Failure
) -> None:
    owed = await house.pay_out()
    campay.before["/withdraw/"].append(spoiler)
    await house.sweep()
    ((name, told),) = house.told
    assert (name, told.state, told.failure) == ("payout_done", PaymentState.FAILED, failure)
    assert await house.set_aside() == 0
    assert await house.balance(restaurant_payable(owed.reference)) == 2550


@pytest.mark.parametrize("spoiler", [lost, html(502), says(200, status="PENDING"), html(403)])
async def test_an_unknown_payout_rests_in_transit_and_is_never_sent_again(
    house: House, campay: FakeCampay, spoiler: Spoiler
) -> None:
    await house.pay_out()
    campay.after["/withdraw/"].append(spoiler)
    await house.sweep()
    assert await house.set_aside() == 0
    assert await house.balance(TRANSIT) == 2550
    for _ in range(40):
        await house.sweep(days=1.2)
    assert campay.count("/withdraw/") == 1
    assert await house.states() == ["REVIEW"]
    assert await house.balance(TRANSIT) == 2550
    assert house.outcomes == []


@pytest.mark.parametrize("status", ["SUCCESSFUL", "FAILED"])
async def test_an_unknown_payout_is_resolved_by_reading(house: House, campay: FakeCampay, status: str) -> None:
    owed = await house.pay_out()
    campay.after["/withdraw/"].append(lost)
    await house.sweep()
    campay.decide(status)
    await house.sweep(seconds=6)
    assert await house.balance(TRANSIT) == 0
    assert await house.balance(restaurant_payable(owed.reference)) == (2550 if status == "FAILED" else 0)
    assert await house.balance(MTN_FLOAT) == (0 if status == "FAILED" else -2576)
    assert house.outcomes == ["payout_done"]
    assert await house.findings() == []


async def test_a_payout_that_never_left_is_tried_again(house: House, campay: FakeCampay) -> None:
    await house.pay_out()
    campay.before["/withdraw/"].append(refused_connection)
    await house.sweep()
    await house.sweep(seconds=16)
    assert campay.count("/withdraw/") == 2
    assert await house.set_aside() == 2550


async def test_withdrawals_that_are_not_enabled_give_the_money_back_in_the_end(
    house: House, campay: FakeCampay
) -> None:
    owed = await house.pay_out()
    campay.before["/withdraw/"].extend([says(403, message="Withdrawals are not enabled")] * 9)
    for _ in range(6):
        await house.sweep(minutes=20)
    assert campay.count("/withdraw/") == 5
    assert house.told[0][1].failure is Failure.TECHNICAL
    assert await house.balance(restaurant_payable(owed.reference)) == 2550


async def test_a_payout_waits_for_float_at_its_carrier_then_gives_up(house: House, campay: FakeCampay) -> None:
    await house.pay_out()
    campay.floats["mtn_balance"] = 2575.99
    await house.sweep()
    assert (await house.states(), campay.count("/withdraw/")) == (["PREPARED"], 0)
    campay.floats["mtn_balance"] = 2576
    await house.sweep(minutes=11)
    assert campay.count("/withdraw/") == 1

    await house.pay_out(key="payout:2", amount_xaf=9000)
    for _ in range(5):
        await house.sweep(hours=6)
    assert [told.failure for name, told in house.told if told.amount_xaf == 9000] == [Failure.LOW_FLOAT]


async def test_an_unreadable_balance_holds_no_payout_up(house: House, campay: FakeCampay) -> None:
    await house.pay_out()
    campay.before["/balance/"].append(html(502))
    campay.before["/holder_info/"].append(lost)
    await house.sweep()
    assert campay.count("/withdraw/") == 1


async def test_one_live_payout_per_beneficiary_and_amount(house: House, campay: FakeCampay) -> None:
    await house.pay_out(key="payout:1")
    await house.pay_out(key="payout:2")
    await house.sweep()
    await house.sweep(minutes=2)
    assert campay.count("/withdraw/") == 1
    campay.decide("SUCCESSFUL")
    for _ in range(3):
        await house.sweep(minutes=2)
    assert campay.count("/withdraw/") == 2


async def test_two_payouts_do_not_count_on_the_same_float(house: House, campay: FakeCampay) -> None:
    """Vetted together: the balance covers either, and the provider has not deducted anything yet."""
    campay.floats["mtn_balance"] = 5000
    await house.pay_out(key="payout:1", amount_xaf=3000, phone="+237670000001")
    await house.pay_out(key="payout:2", amount_xaf=3000, phone="+237670000002")
    await asyncio.gather(house.engine.sweep(), house.another_engine().sweep())
    await house.sweep()
    assert campay.count("/withdraw/") == 1
    assert sorted(await house.states()) == ["PENDING", "PREPARED"]

    campay.decide("SUCCESSFUL")
    campay.floats["mtn_balance"] = 5000 - 3030
    await house.sweep(minutes=11)
    await house.sweep(minutes=11)
    assert campay.count("/withdraw/") == 1
    campay.floats["mtn_balance"] = 3030
    await house.sweep(minutes=11)
    assert campay.count("/withdraw/") == 2


async def test_float_is_each_carriers_own(house: House, campay: FakeCampay) -> None:
    campay.floats["mtn_balance"] = campay.floats["orange_balance"] = 4000
    await house.pay_out(key="payout:1", amount_xaf=3000, phone="+237670000001")
    await house.pay_out(key="payout:2", amount_xaf=3000, phone="+237690000001")
    await house.sweep()
    assert campay.count("/withdraw/") == 2


async def test_an_unknown_payout_waits_a_day_for_its_provider_and_then_for_people(
    house: House, campay: FakeCampay
) -> None:
    owed = await house.pay_out()
    campay.after["/withdraw/"].append(lost)
    await house.sweep()
    await house.sweep(hours=23)
    assert await house.states() == ["UNKNOWN"]
    await house.sweep(hours=2)
    (tried,) = await house.attempts()
    assert (tried.state, tried.evidence) == ("REVIEW", "UNKNOWN ReadTimeout")
    assert await house.balance(TRANSIT) == 2550
    assert house.outcomes == []

    campay.decide("FAILED")  # it is read on all the same
    await house.sweep(days=1.2)
    assert await house.states() == ["FAILED"]
    assert house.outcomes == ["payout_done"]
    assert await house.balance(restaurant_payable(owed.reference)) == 2550


async def test_while_people_decide_the_same_payout_is_not_made_again(house: House, campay: FakeCampay) -> None:
    await house.pay_out(key="payout:1")
    campay.before["/withdraw/"].append(lost)
    await house.sweep()
    await house.sweep(hours=25)
    assert await house.states() == ["REVIEW"]
    await house.pay_out(key="payout:2")
    await house.sweep()
    await house.sweep(hours=1)
    assert campay.count("/withdraw/") == 1


async def test_a_payout_of_another_amount_goes_to_review(house: House, campay: FakeCampay) -> None:
    await house.pay_out()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="2500.00")
    await house.sweep(seconds=6)
    assert await house.states() == ["REVIEW"]
    assert await house.balance(SUSPENSE_MISMATCH) == -2500
    assert await house.set_aside() == 2550
    assert house.outcomes == []


# -- refunds


async def paid(house: House, campay: FakeCampay) -> Payment:
    owed = await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    return owed


async def refund(house: House, collected: Payment, amount_xaf: int, key: str = "refund:1") -> Payment:
    async with house.database.transaction() as tx:
        return await service.request_refund(
            tx,
            purpose="refund",
            reference=collected.reference,
            payment_id=collected.id,
            amount_xaf=amount_xaf,
            debit=escrow(collected.reference),
            key=key,
        )


async def test_a_refund_goes_to_the_phone_that_paid(house: House, campay: FakeCampay) -> None:
    collected = await paid(house, campay)
    back = await refund(house, collected, 3800)
    assert (await refund(house, collected, 3800)).id == back.id
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert campay.only_withdrawal()["phone_number"] == "237670000001"
    assert await house.balance(escrow(collected.reference)) == 0
    assert house.outcomes == ["paid", "payout_done"]


async def test_refunds_together_never_exceed_what_was_received(house: House, campay: FakeCampay) -> None:
    collected = await paid(house, campay)
    await refund(house, collected, 2000)
    with pytest.raises(RefundTooLarge):
        await refund(house, collected, 1801, key="refund:2")
    with pytest.raises(IntegrityError, match="exceed what was received"):  # the database says so too
        async with house.database.transaction() as tx:
            row = await tx.one(payment.select().where(payment.c.kind == "refund"))
            values = {**row._mapping, "id": uuid4(), "key": "by hand", "amount_xaf": 1801}
            await tx.run(payment.insert().values(**values))


async def test_a_failed_refund_may_be_asked_for_again(house: House, campay: FakeCampay) -> None:
    collected = await paid(house, campay)
    await refund(house, collected, 3800)
    campay.before["/withdraw/"].append(says(400, message="Insufficient float", error_code="ER301"))
    await house.sweep()
    assert await house.balance(escrow(collected.reference)) == 3800
    await refund(house, collected, 3800, key="refund:2")
    assert await house.balance(escrow(collected.reference)) == 0
