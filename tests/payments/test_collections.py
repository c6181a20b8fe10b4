"""A collection from the prompt to the books, and everything that may go wrong on the way."""

import asyncio
from collections import deque
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from core.database import Tx
from ledger.chart import PROVIDER_FEES, escrow
from payments import pages
from payments.attempts import Case
from payments.providers.campay import Campay
from payments.providers.protocol import Answer
from payments.providers.wire import FreshToken
from payments.states import Failure, PaymentState
from payments.tables import attempt, payment
from tests.payments.house import MTN_FLOAT, PAYER, House
from tests.payments.network import FakeCampay, Spoiler, html, lost, refused_connection, says

pytestmark = pytest.mark.anyio


async def test_an_approved_prompt_pays_its_order(house: House, campay: FakeCampay) -> None:
    owed = await house.collect()
    await house.sweep()
    assert await house.states() == ["PENDING"]
    (_, asked) = next(call for call in campay.calls if call[0] == "/collect/")
    (tried,) = await house.attempts()
    assert asked == {
        "amount": "3800",
        "currency": "XAF",
        "from": "237670000001",
        "description": f"{tried.id} order",
        "external_user": str(tried.id),
        "external_reference": str(tried.id),
    }

    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert await house.states() == ["SUCCEEDED"]
    assert house.outcomes == ["paid"]
    assert house.told[0][1].state is PaymentState.PAID
    assert await house.balance(MTN_FLOAT) == 3705  # 2.5 % of 3800 is 95 (D10)
    assert await house.balance(PROVIDER_FEES) == 95
    assert await house.balance(escrow(owed.reference)) == 3800
    assert await house.findings() == []


@pytest.mark.parametrize(
    ("told", "fee_xaf"),
    [("3724.00", 76), (3724.5, 76), ("None", 95), ("", 95), ("nonsense", 95), ("9999", 95), (0, 95), (3800, 0)],
)
async def test_the_fee_is_the_providers_figure_or_the_rate(
    house: House, campay: FakeCampay, told: object, fee_xaf: int
) -> None:
    owed = await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", app_amount=told)
    await house.sweep(seconds=6)
    assert await house.balance(PROVIDER_FEES) == fee_xaf
    assert await house.balance(MTN_FLOAT) == 3800 - fee_xaf
    assert await house.balance(escrow(owed.reference)) == 3800


async def test_what_the_provider_says_of_the_carrier_beats_the_prefix(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", operator="ORANGE")
    await house.sweep(seconds=6)
    assert await house.balance("float:campay:orange") == 3724


@pytest.mark.parametrize("amount", ["3800.00", 3800, 3800.0, "3800"])
async def test_amounts_are_read_from_their_literal(house: House, campay: FakeCampay, amount: object) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount=amount)
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid"]


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        ("None", Failure.UNSTATED),
        ("Insufficient funds", Failure.INSUFFICIENT_FUNDS),
        ("Rejected by the payer", Failure.REJECTED),
        ("TECHNICAL PROBLEM AT OPERATOR", Failure.UNSTATED),
    ],
)
async def test_a_failed_prompt_tells_the_customer_and_never_prompts_again(
    house: House, campay: FakeCampay, reason: str, failure: Failure
) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("FAILED", reason=reason)
    await house.sweep(seconds=6)
    await house.sweep(hours=1)
    assert house.outcomes == ["failed"]
    assert house.told[0][1].failure is failure
    assert campay.count("/collect/") == 1


@pytest.mark.parametrize("word", ["PROCESSING", "successful", "EXPIRED", "None", ""])
async def test_an_unknown_word_means_still_unknown(house: House, campay: FakeCampay, word: str) -> None:
    await house.collect()
    await house.sweep()
    campay.decide(word)
    await house.sweep(seconds=6)
    assert await house.states() == ["PENDING"]
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=12)
    assert house.outcomes == ["paid"]


@pytest.mark.parametrize(
    "spoiler", [html(502), html(200), says(200), says(404, detail="Not found."), says(200, status="SUCCESSFUL"), lost]
)
async def test_a_read_that_makes_no_sense_changes_nothing(house: House, campay: FakeCampay, spoiler: Spoiler) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL")
    campay.before["/transaction/"].append(spoiler)
    await house.sweep(seconds=6)
    assert await house.states() == ["PENDING"]
    await house.sweep(seconds=12)
    assert house.outcomes == ["paid"]


@pytest.mark.parametrize(
    "changes", [{"external_reference": "0b0e7a9c-1b4c-4b5e-8f5e-0e9e7a3c5d11"}, {"endpoint": "withdraw"}]
)
async def test_a_record_of_something_else_behind_our_reference_is_not_believed(
    house: House, campay: FakeCampay, changes: dict[str, str]
) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", **changes)
    await house.sweep(seconds=6)
    assert await house.states() == ["PENDING"]
    assert await house.balance(MTN_FLOAT) == 0


@pytest.mark.parametrize(
    ("spoiler", "failure"),
    [
        (says(400, message="Invalid phone number", error_code="ER101"), Failure.WRONG_NUMBER),
        (says(400, message="Unsupported carrier", error_code="ER102"), Failure.UNSUPPORTED),
        (says(400, message="Invalid amount", error_code="ER201"), Failure.LIMIT),
    ],
)
async def test_a_documented_refusal_ends_the_payment(
    house: House, campay: FakeCampay, spoiler: Spoiler, failure: Failure
) -> None:
    await house.collect()
    campay.before["/collect/"].append(spoiler)
    await house.sweep()
    assert await house.states() == ["FAILED"]
    assert [(name, told.failure) for name, told in house.told] == [("failed", failure)]


@pytest.mark.parametrize(
    "spoiler",
    [
        lost,
        html(502),
        html(200),
        html(403),
        says(200, ussd_code="*126#", operator="mtn"),
        says(200, reference="None"),
        says(200, reference="../balance"),
        says(400, message="something new", error_code="ER999"),
        says(409, message="duplicate UUID"),
        says(500, error_code="ER101"),
    ],
)
async def test_whatever_proves_nothing_is_unknown_and_never_sent_again(
    house: House, campay: FakeCampay, spoiler: Spoiler
) -> None:
    await house.collect()
    campay.after["/collect/"].append(spoiler)
    await house.sweep()
    assert await house.states() == ["UNKNOWN"]
    for _ in range(30):
        await house.sweep(minutes=1)
    assert campay.count("/collect/") == 1
    assert await house.states() == ["QUARANTINED"]
    assert house.outcomes == ["expired"]


@pytest.mark.parametrize("match", [{}, {"description": "None"}, {"external_user": "None"}])
async def test_a_lost_reference_is_found_in_the_history(
    house: House, campay: FakeCampay, match: dict[str, str]
) -> None:
    await house.collect()
    campay.after["/collect/"].append(lost)
    await house.sweep()
    await house.sweep(seconds=6)
    assert await house.states() == ["UNKNOWN"]  # the history does not list what is pending
    campay.decide("SUCCESSFUL", **match)
    await house.sweep(seconds=12)
    assert house.outcomes == ["paid"]
    assert campay.count("/collect/") == 1


async def test_somebody_elses_row_in_the_history_is_no_proof(house: House, campay: FakeCampay) -> None:
    await house.collect()
    campay.before["/collect/"].append(lost)
    await house.sweep()
    await house.collect(key="order:2", phone="+237670000002")
    await house.sweep()
    (first, _) = await house.attempts()
    campay.decide("SUCCESSFUL", description=f"{first.id} order")
    await house.sweep(seconds=6)
    assert sorted(await house.states()) == ["SUCCEEDED", "UNKNOWN"]


async def test_a_connection_that_was_refused_is_tried_again_by_itself(house: House, campay: FakeCampay) -> None:
    await house.collect()
    campay.before["/collect/"].append(refused_connection)
    await house.sweep()
    assert sorted(await house.states()) == ["DEAD", "PREPARED"]
    await house.sweep(seconds=16)
    assert sorted(await house.states()) == ["DEAD", "PENDING"]
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid"]


async def test_a_provider_that_stays_away_is_given_up_in_time(house: House, campay: FakeCampay) -> None:
    await house.collect()
    campay.before["/collect/"].extend([refused_connection] * 20)
    for _ in range(20):
        await house.sweep(minutes=1)
    assert [(name, told.failure) for name, told in house.told] == [("failed", Failure.TECHNICAL)]
    assert set(await house.states()) == {"DEAD"}


async def test_a_worker_that_dies_after_sent_leaves_no_second_prompt(house: House, campay: FakeCampay) -> None:
    await house.collect()

    def die() -> httpx.Response:
        raise asyncio.CancelledError

    campay.after["/collect/"].append(die)
    with pytest.raises(asyncio.CancelledError):
        await house.engine.advance((await house.attempts())[0].id)
    assert await house.states() == ["SENT"]

    await house.sweep(seconds=10)
    assert await house.states() == ["SENT"]  # the lease is not over
    await house.sweep(seconds=20)
    assert await house.states() == ["UNKNOWN"]
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=30)
    assert house.outcomes == ["paid"]
    assert campay.count("/collect/") == 1


async def test_an_answer_after_the_lease_still_brings_the_reference(house: House, campay: FakeCampay) -> None:
    await house.collect()
    campay.after["/collect/"].append(lost)
    await house.sweep()
    (tried,) = await house.attempts()
    assert (tried.state, tried.provider_ref) == ("UNKNOWN", None)

    async with house.database.transaction() as tx:  # as if the first worker had not written its answer yet
        from payments import attempts
        from payments.providers.protocol import Answer, Proof

        case = await attempts.lock(tx, tried.id)
        assert case
        late = Answer(Proof.ACCEPTED, "HTTP 200", ref=campay.only()["reference"])
        await house.engine._settlement.answered(tx, case, late)
    assert await house.states() == ["PENDING"]


@pytest.mark.parametrize("trouble", [asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_reference_is_written_again_after_a_lock_that_did_not_come(
    house: House, monkeypatch: pytest.MonkeyPatch, trouble: type[asyncpg.PostgresError], wrapped: bool
) -> None:
    troubles = deque([trouble("a lock")] * 2)
    write = house.engine._settlement.answered

    async def busy(tx: Tx, case: Case, answer: Answer) -> None:
        if troubles:
            problem = troubles.popleft()
            raise DBAPIError.instance("UPDATE", None, problem, asyncpg.PostgresError) if wrapped else problem
        await write(tx, case, answer)

    async def together(tx: Tx, answers: Mapping[UUID, Answer]) -> set[UUID]:
        raise trouble("a lock")

    monkeypatch.setattr(pages, "accepted", together)
    monkeypatch.setattr(house.engine._settlement, "answered", busy)
    await house.collect()
    await house.sweep()
    (tried,) = await house.attempts()
    assert (tried.state, tried.provider_ref is not None) == ("PENDING", True)


async def test_ten_at_once_post_one_journal(house: House, campay: FakeCampay) -> None:
    await house.collect()
    (tried,) = await house.attempts()
    await asyncio.gather(*(house.another_engine().advance(tried.id) for _ in range(10)))
    assert campay.count("/collect/") == 1

    campay.decide("SUCCESSFUL")
    engines = [house.another_engine() for _ in range(10)]
    house.clock.advance(seconds=6)

    async def doorbell_and_poll(engine: object) -> None:
        async with house.database.transaction() as tx:
            await tx.run(update(attempt).where(attempt.c.state != "SUCCEEDED").values(next_check_at=tx.now))
        await engine.advance(tried.id)  # type: ignore[attr-defined]

    await asyncio.gather(*(doorbell_and_poll(engine) for engine in engines))
    assert house.outcomes == ["paid"]
    assert await house.balance(MTN_FLOAT) == 3705


async def test_the_same_number_and_amount_waits_a_minute(house: House, campay: FakeCampay) -> None:
    await house.collect(key="order:1")
    await house.collect(key="order:2")
    await house.collect(key="order:3", amount_xaf=2000)
    await house.sweep()
    assert campay.count("/collect/") == 2
    await house.sweep(seconds=50)
    assert campay.count("/collect/") == 2
    await house.sweep(seconds=11)
    assert campay.count("/collect/") == 3


async def test_a_prompt_never_goes_out_after_its_deadline(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep(minutes=16)
    assert campay.count("/collect/") == 0
    assert [(name, told.failure) for name, told in house.told] == [("failed", Failure.TECHNICAL)]


async def test_a_slow_token_means_that_nothing_was_sent(house: House, campay: FakeCampay) -> None:
    class Waiting(Campay):
        async def _fetch_token(self) -> FreshToken | None:
            await asyncio.sleep(60)
            return None

    house.database.settings = msgspec.structs.replace(
        house.database.settings, provider_connect_seconds=0.1, provider_read_seconds=0.1
    )
    await house.collect()
    house.engine = house.another_engine(Waiting)
    await house.sweep()
    assert sorted(await house.states()) == ["DEAD", "PREPARED"]
    assert campay.count("/collect/") == 0


async def test_the_phone_is_not_readable_in_any_table(house: House) -> None:
    await house.collect()
    for row in [*await house.attempts(), *await house.payments()]:
        assert PAYER[4:] not in repr(row)


async def test_an_attempt_that_cannot_be_claimed_stops_no_other(house: House, campay: FakeCampay) -> None:
    """They are claimed many at a time, and those that are due longest always stand together."""
    broken = await house.collect(key="broken")
    async with house.database.transaction() as tx:
        await tx.run(update(payment).where(payment.c.id == broken.id).values(phone=b"no longer to be read"))
    await house.collect(key="sound", phone="+237670000002")
    for _ in range(2):
        await house.sweep()
    assert campay.count("/collect/") == 1
    assert sorted(await house.states()) == ["PENDING", "PREPARED"]
