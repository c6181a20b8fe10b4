"""A success that the provider takes back: booked once, the attempt untouched, and closed by a person."""

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from core.effects import KeyReused
from core.errors import NotFound
from core.ids import new_id
from ledger.chart import GOODWILL, PROVIDER_FEES, SUSPENSE_MISMATCH, escrow, restaurant_payable
from payments import attempts, doorbell, reversals, service
from payments.errors import RefundTooLarge
from payments.outcomes import Payment
from payments.providers.protocol import Callback
from payments.tables import payment, reversal
from tests.payments.house import MTN_FLOAT, House
from tests.payments.network import FakeCampay, lost

pytestmark = pytest.mark.anyio


async def ring(house: House, campay: FakeCampay) -> str:
    """The newest transaction calls back."""
    transaction = list(campay.transactions.values())[-1]
    fields = httpx.QueryParams(campay.callback(transaction, key=house.database.settings.campay_webhook_key))
    async with house.database.transaction() as tx:
        return await doorbell.ring(tx, provider="campay", callback=Callback(query=str(fields)))


async def taken_back(house: House, campay: FakeCampay) -> None:
    """What was successful is called failed, and the provider rings."""
    campay.decide("FAILED", reason="Reversed")
    house.clock.advance(hours=2)
    assert await ring(house, campay) == "rung"
    await house.sweep()


async def collected(house: House, campay: FakeCampay) -> Payment:
    owed = await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    return owed


async def paid_out(house: House, campay: FakeCampay) -> Payment:
    owed = await house.pay_out()
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    return owed


async def close(house: House, *, absorb: bool) -> None:
    async with house.database.transaction() as tx:
        row = await tx.one(select(reversal))
        await reversals.close(tx, reversal_id=row.id, absorb=absorb)
    async with house.database.transaction() as tx:
        assert (await tx.one(select(reversal))).closed_at == tx.now
        await reversals.close(tx, reversal_id=row.id, absorb=not absorb)  # too late: nothing happens


async def test_a_collection_taken_back_leaves_the_float_and_its_attempt_as_it_is(
    house: House, campay: FakeCampay
) -> None:
    owed = await collected(house, campay)
    before = (await house.attempts())[0]
    await taken_back(house, campay)
    assert (await house.attempts())[0].state == "SUCCEEDED"
    assert (await house.attempts())[0].settled_at == before.settled_at
    assert await house.balance(MTN_FLOAT) == await house.balance(PROVIDER_FEES) == 0
    assert await house.balance(SUSPENSE_MISMATCH) == -3800
    assert await house.balance(escrow(owed.reference)) == 3800
    assert house.outcomes == ["paid"]

    await ring(house, campay)
    await house.sweep()
    async with house.database.reading() as tx:
        assert len(await tx.all(select(reversal))) == 1
    assert await house.findings() == []


@pytest.mark.parametrize("absorb", [True, False])
async def test_a_person_says_who_bears_a_collection_that_was_taken_back(
    house: House, campay: FakeCampay, absorb: bool
) -> None:
    owed = await collected(house, campay)
    await taken_back(house, campay)
    await close(house, absorb=absorb)
    assert await house.balance(SUSPENSE_MISMATCH) == 0
    assert await house.balance(GOODWILL) == (3800 if absorb else 0)
    assert await house.balance(escrow(owed.reference)) == (3800 if absorb else 0)
    assert await house.findings() == []


async def test_a_payout_that_comes_back_is_owed_again_once_a_person_says_so(house: House, campay: FakeCampay) -> None:
    owed = await paid_out(house, campay)
    await taken_back(house, campay)
    assert await house.states() == ["SUCCEEDED"]
    assert await house.balance(MTN_FLOAT) == 0
    assert await house.balance(SUSPENSE_MISMATCH) == 2550
    assert await house.balance(restaurant_payable(owed.reference)) == 0
    await close(house, absorb=False)
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert await house.balance(SUSPENSE_MISMATCH) == 0
    assert await house.findings() == []


async def test_what_was_taken_back_cannot_be_refunded(house: House, campay: FakeCampay) -> None:
    owed = await collected(house, campay)
    await taken_back(house, campay)
    with pytest.raises(RefundTooLarge):
        await refund(house, owed, amount_xaf=1)


async def refund(house: House, owed: Payment, amount_xaf: int = 3800) -> Payment:
    asked = {"purpose": "refund", "reference": owed.reference, "payment_id": owed.id, "amount_xaf": amount_xaf}
    async with house.database.transaction() as tx:
        return await service.request_refund(tx, debit=escrow(owed.reference), key="refund:1", **asked)


async def refund_under_way(house: House, campay: FakeCampay) -> Payment:
    """The collection is taken back while its refund is at the provider."""
    owed = await collected(house, campay)
    await refund(house, owed)
    await house.sweep()
    async with house.database.transaction() as tx:
        case = await attempts.lock(tx, (await house.attempts())[0].id)
        assert case is not None
        await reversals.record(tx, case)
    return owed


async def test_a_refund_under_way_is_booked_though_its_collection_was_taken_back(
    house: House, campay: FakeCampay
) -> None:
    owed = await refund_under_way(house, campay)
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert await house.states() == ["SUCCEEDED", "SUCCEEDED"]
    assert [row.state for row in await house.payments()] == ["PAID", "PAID"]
    assert await house.balance(escrow(owed.reference)) == await house.set_aside() == 0
    assert await house.findings() == []


async def test_a_refund_that_is_asked_for_again_is_the_same_though_nothing_is_left_to_return(
    house: House, campay: FakeCampay
) -> None:
    owed = await refund_under_way(house, campay)
    again = await refund(house, owed)
    assert (await house.payments())[1].id == again.id
    with pytest.raises(KeyReused):
        await refund(house, owed, amount_xaf=3700)


@pytest.mark.parametrize(("ends", "changes"), [("SUCCESSFUL", {"amount_xaf": 3801}), ("FAILED", {"state": "OPEN"})])
async def test_no_refund_grows_or_comes_back_to_life_beyond_what_was_received(
    house: House, campay: FakeCampay, ends: str, changes: dict[str, object]
) -> None:
    await refund_under_way(house, campay)
    campay.decide(ends)
    await house.sweep(seconds=6)
    assert (await house.payments())[1].state == ("PAID" if ends == "SUCCESSFUL" else "FAILED")
    with pytest.raises(IntegrityError, match="exceed what was received"):
        async with house.database.transaction() as tx:
            await tx.run(update(payment).where(payment.c.kind == "refund").values(**changes))


async def test_a_success_confirmed_again_changes_nothing(house: House, campay: FakeCampay) -> None:
    await collected(house, campay)
    assert await ring(house, campay) == "final"  # told twice, as every success is
    house.clock.advance(minutes=2)
    assert await ring(house, campay) == "rung"
    await house.sweep()
    (tried,) = await house.attempts()
    assert (tried.state, tried.next_check_at) == ("SUCCEEDED", None)
    assert await house.balance(MTN_FLOAT) == 3705


async def test_a_settled_attempt_that_nobody_can_read_is_left_alone_after_a_week(
    house: House, campay: FakeCampay
) -> None:
    await collected(house, campay)
    house.clock.advance(minutes=2)
    await ring(house, campay)
    campay.before["/transaction/"].extend([lost] * 99)
    for _ in range(40):
        await house.sweep(days=1.2)
    (tried,) = await house.attempts()
    assert (tried.state, tried.next_check_at) == ("SUCCEEDED", None)


async def test_an_unknown_reversal_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        async with house.database.transaction() as tx:
            await reversals.close(tx, reversal_id=new_id(), absorb=True)


async def test_a_second_success_goes_back_though_the_first_was_taken_back(house: House, campay: FakeCampay) -> None:
    """Two prompts, both approved too late: what was sent back of the first is no refund of the second."""
    owed = await house.collect()
    for minutes in (0, *(1,) * 16):
        await house.sweep(minutes=minutes)
    first = campay.only()
    await house.retry(owed.id)
    await house.sweep()
    second = list(campay.transactions.values())[-1]
    async with house.database.transaction() as tx:
        await service.cancel(tx, payment_id=owed.id)
    first["status"] = "SUCCESSFUL"
    await house.sweep(hours=1)
    await house.sweep()
    assert campay.count("/withdraw/") == 1

    first["status"] = "FAILED"
    house.clock.advance(hours=2)
    fields = httpx.QueryParams(campay.callback(first, key=house.database.settings.campay_webhook_key))
    async with house.database.transaction() as tx:
        await doorbell.ring(tx, provider="campay", callback=Callback(query=str(fields)))
    await house.sweep()
    second["status"] = "SUCCESSFUL"
    for _ in range(3):
        await house.sweep(days=1.2)
    assert campay.count("/withdraw/") == 2
    assert await house.findings() == []
