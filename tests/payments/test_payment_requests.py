"""Asking for money: one payment per key, limits, waiting for the end of a USSD session."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import Row, select

from core.clock import ManualClock
from core.database import Database
from core.effects import KeyReused
from core.phones import EXPRESS_UNION, MTN
from core.settings import Secret
from ledger.chart import GOODWILL, escrow, payout_clearing, wallet
from ledger.service import Leg, balance, post
from payments import service
from payments.errors import AmountOutOfLimits, NotRetryable, RefundTooLarge, UnsupportedCarrier
from payments.states import PaymentState
from payments.tables import attempt, payment

pytestmark = pytest.mark.anyio

PAYER = "+237670000001"
ORDER = UUID("0197a4be-0000-7000-8000-000000000001")


async def collect(database: Database, **changes: Any) -> Any:
    wanted = {"purpose": "order", "reference": ORDER, "amount_xaf": 3800, "phone": PAYER, "key": "order:1"}
    async with database.transaction() as tx:
        return await service.request_collection(tx, **{**wanted, "credit": escrow(ORDER), **changes})


async def attempts(database: Database) -> Sequence[Row[Any]]:
    async with database.reading() as tx:
        return await tx.all(select(attempt).order_by(attempt.c.created_at))


async def test_one_key_is_one_payment(database: Database) -> None:
    first = await collect(database)
    assert await collect(database) == first
    assert len(await attempts(database)) == 1


@pytest.mark.parametrize("changes", [{"attempt_maximum_xaf": 1000}, {"payment_providers": ()}])
async def test_a_repeat_gets_its_payment_whatever_the_settings_have_become(
    database: Database, changes: dict[str, object]
) -> None:
    first = await collect(database)
    database.settings = msgspec.structs.replace(database.settings, **changes)
    assert await collect(database) == first
    assert len(await attempts(database)) == 1


async def test_a_key_cannot_stand_for_another_amount(database: Database) -> None:
    await collect(database)
    with pytest.raises(KeyReused):
        await collect(database, amount_xaf=3900)


async def test_a_carrier_that_no_prefix_points_to_is_named(database: Database) -> None:
    """Express Union is at one provider only; the same key with another carrier is another request."""
    with pytest.raises(UnsupportedCarrier):
        await collect(database, carrier=EXPRESS_UNION)
    account = {"payment_providers": ("campay", "noupay"), "noupay_api_key": Secret("k")}
    database.settings = msgspec.structs.replace(database.settings, **account)
    made = await collect(database, carrier=EXPRESS_UNION)
    assert (made.carrier, made.provider) == (EXPRESS_UNION, "noupay")
    assert await collect(database, carrier=EXPRESS_UNION) == made
    with pytest.raises(KeyReused):
        await collect(database, carrier=MTN)


@pytest.mark.parametrize("phone", ["+237662000001", "+237620000001", "+237684000001"])
async def test_carriers_without_a_rail_are_refused(database: Database, phone: str) -> None:
    with pytest.raises(UnsupportedCarrier):
        await collect(database, phone=phone)


@pytest.mark.parametrize("amount_xaf", [99, 500_001])
async def test_amounts_outside_the_limits_are_refused(database: Database, amount_xaf: int) -> None:
    with pytest.raises(AmountOutOfLimits):
        await collect(database, amount_xaf=amount_xaf)


async def test_the_prompt_waits_for_the_end_of_its_session(database: Database, clock: ManualClock) -> None:
    await collect(database, session_id="ref of a session")
    (waiting,) = await attempts(database)
    assert (waiting.next_check_at - clock.now()).total_seconds() == 5

    clock.advance(seconds=1)
    async with database.transaction() as tx:
        await service.session_ended(tx, session_ref="ref of another")
        await service.session_ended(tx, session_ref="ref of a session")
    (waiting,) = await attempts(database)
    assert waiting.next_check_at == clock.now()


async def test_a_new_session_postpones_the_prompt_once(database: Database, clock: ManualClock) -> None:
    await collect(database, session_id="ref of a session")
    for _ in range(2):
        async with database.transaction() as tx:
            await service.postpone(tx, phone=PAYER)
    (waiting,) = await attempts(database)
    assert (waiting.next_check_at - clock.now()).total_seconds() == 25


async def test_a_payout_sets_its_money_aside_at_once(database: Database) -> None:
    owner = uuid4()
    async with database.transaction() as tx:
        await post(tx, key="gift", kind="test", legs=[Leg(GOODWILL, wallet(owner), 5000)])
    async with database.transaction() as tx:
        owed = await service.request_payout(
            tx, purpose="payout", reference=owner, amount_xaf=4000, phone=PAYER, debit=wallet(owner), key="p1"
        )
    async with database.reading() as tx:
        assert await balance(tx, wallet(owner)) == 1000
        assert await balance(tx, payout_clearing(owed.id)) == 4000


async def test_a_refund_never_exceeds_what_was_received(database: Database) -> None:
    collected = await collect(database)
    with pytest.raises(RefundTooLarge):
        async with database.transaction() as tx:
            await service.request_refund(
                tx, purpose="x", reference=ORDER, payment_id=collected.id, amount_xaf=3800, debit=escrow(ORDER), key="r"
            )


async def test_cancelling_stops_a_prompt_that_was_not_sent(database: Database) -> None:
    collected = await collect(database)
    async with database.transaction() as tx:
        await service.cancel(tx, payment_id=collected.id)
    (dead,) = await attempts(database)
    assert (dead.state, dead.next_check_at) == ("DEAD", None)
    async with database.transaction() as tx:
        assert await tx.value(select(payment.c.state)) == PaymentState.CANCELLED


async def test_an_open_payment_cannot_be_tried_again(database: Database) -> None:
    collected = await collect(database)
    with pytest.raises(NotRetryable):
        async with database.transaction() as tx:
            await service.retry(tx, payment_id=collected.id)
