"""The doorbell: a callback causes a read of the attempt it names, and nothing else."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from ledger.chart import in_transit, restaurant_payable
from payments.doorbell import ring
from payments.providers.campay import Campay
from payments.providers.protocol import Answer, Callback, Record, Request
from payments.states import Kind
from payments.tables import attempt
from tests.payments.door import DOOR, prompted, verdicts
from tests.payments.house import MTN_FLOAT, House
from tests.payments.network import FakeCampay, lost

pytestmark = pytest.mark.anyio


class _Killed(BaseException):
    """The process ends here."""


def _die() -> httpx.Response:
    raise _Killed


@pytest.mark.parametrize("encoding", ["get", "json", "form"])
async def test_a_callback_has_the_attempt_read_at_once(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, encoding: str
) -> None:
    await prompted(house)
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
    ways: dict[str, dict[str, Any]] = {"get": {"params": fields}, "json": {"json": fields}, "form": {"data": fields}}
    method = "GET" if encoding == "get" else "POST"
    answer = await web.request(method, DOOR, **ways[encoding])
    assert (answer.status_code, answer.content) == (200, b"")
    await house.sweep()  # no time has passed
    assert house.outcomes == ["paid"]
    assert await verdicts(house) == ["rung"]


async def test_a_callback_hands_back_a_lost_reference(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await house.collect()
    campay.after["/collect/"].append(lost)
    await house.sweep()
    campay.before["/history/"].extend([lost] * 9)
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
    await web.get(DOOR, params=fields)
    await house.sweep()
    assert house.outcomes == ["paid"]
    assert (await house.attempts())[0].provider_ref == fields["reference"]
    assert campay.count("/collect/") == 1


async def test_a_callback_that_overtakes_its_own_answer_is_heard(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    """The worker still waits for (or died before) the answer to `/collect/`: the attempt is SENT."""
    await house.collect()
    (tried,) = await house.attempts()
    campay.after["/collect/"].append(_die)
    with pytest.raises(_Killed):
        await house.engine.advance(tried.id)
    await web.get(DOOR, params=campay.callback(campay.decide("SUCCESSFUL"), key=key))
    await house.sweep()
    assert await house.states() == ["SUCCEEDED"]
    assert campay.count("/collect/") == 1


async def test_a_callback_during_the_request_is_not_forgotten(house: House, campay: FakeCampay, key: str) -> None:
    class Overtaken(Campay):
        async def send(self, request: Request) -> Answer:
            answer = await super().send(request)
            fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
            async with house.database.transaction() as tx:
                await ring(tx, provider="campay", callback=Callback(query=urlencode(fields)))
            return answer

    await house.collect()
    house.engine = house.another_engine(Overtaken)
    await house.sweep()
    await house.sweep()
    assert house.outcomes == ["paid"]


@pytest.mark.parametrize(
    "changes",
    [
        {"external_reference": str(uuid4())},
        {"external_reference": "None"},
        {"endpoint": "withdraw"},
        {"amount": "3900.00"},
        {"currency": "EUR"},
        {"phone_number": "237670000099"},
        {"phone_number": "None"},
    ],
)
async def test_a_reference_is_adopted_only_when_its_record_shows_the_same_payment(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, changes: dict[str, str]
) -> None:
    await house.collect()
    campay.after["/collect/"].append(lost)
    await house.sweep()
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
    campay.only().update(changes)
    campay.before["/history/"].extend([lost] * 9)
    await web.get(DOOR, params=fields)
    await house.sweep()
    assert await house.states() == ["UNKNOWN"]
    assert await house.balance(MTN_FLOAT) == 0


async def test_a_callback_that_says_successful_over_a_record_that_failed_ends_as_failed(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
    campay.decide("FAILED")
    await web.get(DOOR, params=fields)
    await house.sweep()
    assert (await house.states(), house.outcomes) == (["FAILED"], ["failed"])


async def test_a_late_success_after_failed_is_learned_by_callback_and_goes_back(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    await web.get(DOOR, params=campay.callback(campay.decide("SUCCESSFUL"), key=key))
    await house.sweep()
    assert sorted(await house.states()) == ["PREPARED", "SUCCEEDED"]
    assert await house.balance("suspense:surplus") == 0  # already on its way back
    assert await house.set_aside() == 3800


@pytest.mark.parametrize("again", ["poller", "replay"])
@pytest.mark.parametrize("ends", ["FAILED", "DEAD"])
async def test_a_late_success_survives_a_read_without_an_answer(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, ends: str, again: str
) -> None:
    await prompted(house)
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).values(state=ends))
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
    await web.get(DOOR, params=fields)
    campay.before["/transaction/"].append(lost)
    await house.sweep()
    assert await house.states() == [ends]
    if again == "replay":
        await web.get(DOOR, params=fields)
    await house.sweep(seconds=0 if again == "replay" else 20)
    assert sorted(await house.states()) == ["PREPARED", "SUCCEEDED"]
    assert await verdicts(house) == ["rung"]


async def test_a_worker_that_dies_over_a_late_success_is_followed_by_another(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    await web.get(DOOR, params=campay.callback(campay.decide("SUCCESSFUL"), key=key))
    campay.before["/transaction/"].append(_die)
    with pytest.raises(_Killed):
        await house.engine.advance((await house.attempts())[0].id)
    await house.sweep(minutes=1)
    assert sorted(await house.states()) == ["PREPARED", "SUCCEEDED"]


async def test_what_failed_and_is_read_as_failed_is_not_looked_at_again(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    await web.get(DOOR, params=campay.callback(campay.decide("FAILED"), key=key))
    await house.sweep()
    await web.get(DOOR, params=campay.callback(campay.only(), key=key))
    await house.sweep()
    assert (await house.attempts())[0].next_check_at is None
    assert house.outcomes == ["failed"]


async def test_a_ring_during_the_read_of_what_failed_is_not_forgotten(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    class Overtaken(Campay):
        async def read(self, ref: str, kind: Kind) -> Record | None:
            shown = await super().read(ref, kind)
            if campay.only()["status"] == "FAILED":
                await web.get(DOOR, params=campay.callback(campay.decide("SUCCESSFUL"), key=key))
            return shown

    await prompted(house)
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    await web.get(DOOR, params=campay.callback(campay.only(), key=key))
    house.engine = house.another_engine(Overtaken)
    await house.sweep()
    assert await house.states() == ["FAILED"]
    await house.sweep()
    assert sorted(await house.states()) == ["PREPARED", "SUCCEEDED"]


async def test_a_failed_attempt_that_nobody_can_read_is_left_to_a_person(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    await web.get(DOOR, params=campay.callback(campay.decide("SUCCESSFUL"), key=key))
    campay.before["/transaction/"].extend([lost] * 99)
    for _ in range(40):
        await house.sweep(days=1.2)
    (tried,) = await house.attempts()
    assert (tried.state, tried.evidence, tried.next_check_at) == ("REVIEW", "SILENT", None)
    assert house.outcomes == ["failed"]


@pytest.mark.parametrize("status", ["SUCCESSFUL", "FAILED"])
async def test_a_silent_attempt_in_review_still_hears_its_callback(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, status: str
) -> None:
    await prompted(house)
    for _ in range(60):
        await house.sweep(days=1.2)
    assert await house.states() == ["REVIEW"]
    await web.get(DOOR, params=campay.callback(campay.decide(status), key=key))
    await house.sweep()
    states = {"SUCCESSFUL": ["PREPARED", "SUCCEEDED"], "FAILED": ["FAILED"]}
    assert sorted(await house.states()) == states[status]
    assert house.outcomes == ["expired"]


@pytest.mark.parametrize(("status", "state", "owed_xaf"), [("SUCCESSFUL", "SUCCEEDED", 0), ("FAILED", "FAILED", 2550)])
async def test_a_silent_payout_in_review_still_hears_its_callback(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, status: str, state: str, owed_xaf: int
) -> None:
    owed = await house.pay_out()
    campay.after["/withdraw/"].append(lost)
    for _ in range(40):
        await house.sweep(days=1.2)
    assert await house.states() == ["REVIEW"]
    await web.get(DOOR, params=campay.callback(campay.decide(status), key=key))
    await house.sweep()
    assert (await house.states(), house.outcomes) == ([state], ["payout_done"])
    assert await house.balance(in_transit("campay")) == 0
    assert await house.balance(restaurant_payable(owed.reference)) == owed_xaf
    assert await house.findings() == []


async def test_what_a_mismatch_has_booked_is_final(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    campay.decide("SUCCESSFUL", amount="3700.00")
    await house.sweep(seconds=6)
    await web.get(DOOR, params=campay.callback(campay.only(), key=key))
    assert await verdicts(house) == ["final"]


async def test_a_replay_rings_again_until_all_is_settled(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    fields = campay.callback(campay.only(), key=key)
    for _ in range(40):  # more than there are reads in a week
        assert (await web.get(DOOR, params=fields)).status_code == 200
        await house.sweep()
    assert campay.count("/transaction/") == 40
    assert await verdicts(house) == ["rung"]
    assert await house.states() == ["PENDING"]  # rings do not use up the reads of the schedule

    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=20)
    await web.get(DOOR, params=campay.callback(campay.only(), key=key))
    assert (await verdicts(house))[-1] == "final"
    assert house.outcomes == ["paid"]
