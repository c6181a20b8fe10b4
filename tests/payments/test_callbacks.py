"""The doorbell: a callback causes a read of the attempt it names, and nothing else."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import jwt
import pytest
from litestar import Litestar
from litestar.di import Provide
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from channels.payments import payment_callback
from core.database import Database
from core.settings import Settings
from ledger.chart import in_transit, restaurant_payable
from payments.doorbell import ring
from payments.providers.campay import Campay
from payments.providers.protocol import Answer, Callback, Record, Request
from payments.states import Kind
from payments.tables import attempt, provider_event
from tests.payments.house import MTN_FLOAT, House
from tests.payments.network import FakeCampay, lost

pytestmark = pytest.mark.anyio

DOOR = "/payments/campay/demo"


@pytest.fixture
async def web(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar([payment_callback], dependencies={"database": Provide(lambda: database, sync_to_thread=False)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.fixture
def key(settings: Settings) -> str:
    return settings.campay_webhook_key


async def verdicts(house: House) -> list[str]:
    async with house.database.reading() as tx:
        rows = await tx.all(select(provider_event.c.verdict).order_by(provider_event.c.id))
        return [row.verdict for row in rows]


async def prompted(house: House) -> None:
    await house.collect()
    await house.sweep()


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


def _claims(house: House, **changes: object) -> dict[str, object]:
    start = house.clock.now()
    return {"iat": start, "nbf": start, "exp": start + timedelta(hours=1), "source": "CamPay", **changes}


async def test_forged_signatures_change_nothing(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    now = house.clock.now()
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key)
    forged = [
        "None",
        "",
        "not.a.token",
        fields["signature"][:-2],
        jwt.encode(_claims(house), "another key that is also long enough", algorithm="HS256"),
        jwt.encode(_claims(house), key * 2, algorithm="HS512"),
        jwt.encode(_claims(house), "", algorithm="none"),
        jwt.encode(_claims(house, source="Campay Ltd"), key, algorithm="HS256"),
        jwt.encode(_claims(house, exp=now - timedelta(seconds=61)), key, algorithm="HS256"),
        jwt.encode(_claims(house, nbf=now + timedelta(seconds=61)), key, algorithm="HS256"),
        jwt.encode({"source": "CamPay"}, key, algorithm="HS256"),
    ]
    for signature in forged:
        answer = await web.post(DOOR, json={**fields, "signature": signature})
        assert answer.status_code == 200
        await house.sweep()
    assert await verdicts(house) == ["forged"] * len(forged)
    assert campay.count("/transaction/") == 0


@pytest.mark.parametrize("seconds", [-59, 3659])
async def test_clocks_may_differ_by_a_minute(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, seconds: int
) -> None:
    await prompted(house)
    signed_at = house.clock.now() - timedelta(seconds=seconds)
    await web.get(DOOR, params=campay.callback(campay.only(), key=key, at=signed_at))
    assert await verdicts(house) == ["rung"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"SUCCESSFUL"',
        b"\xff\xfe\x00",
        b"<html></html>",
        b'{"reference": {"a": 1}, "external_reference": ["x"]}',
        b'{"reference": "../../token", "external_reference": "None"}',
        b"status=SUCCESSFUL&refere",
    ],
)
async def test_unreadable_callbacks_are_kept_and_change_nothing(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, body: bytes
) -> None:
    await prompted(house)
    assert (await web.post(DOOR, content=body)).status_code == 200
    assert await verdicts(house) == ["unreadable"]
    assert await house.states() == ["PENDING"]


async def test_a_truncated_callback_changes_nothing(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    body = json.dumps(campay.callback(campay.decide("SUCCESSFUL"), key=key))
    for cut in (10, len(body) // 2, len(body) - 1):
        assert (await web.post(DOOR, content=body[:cut])).status_code == 200
    await house.sweep()
    assert await house.states() == ["PENDING"]


async def test_an_oversized_callback_is_not_even_read_to_its_end(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key) | {"more": "x" * 5000}
    assert (await web.post(DOOR, json=fields)).status_code == 200
    assert (await web.get(f"{DOOR}?{urlencode(fields)}")).status_code == 200
    assert await verdicts(house) == []


async def test_a_callback_for_nothing_of_ours_is_kept(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await house.collect()  # not sent: nobody can have a callback for it
    (tried,) = await house.attempts()
    await house.collect(key="order:2", amount_xaf=500)
    await house.engine.advance((await house.attempts())[1].id)
    stranger = {**campay.only(), "reference": str(uuid4()), "external_reference": str(tried.id)}
    await web.get(DOOR, params=campay.callback(stranger, key=key))
    stranger = {**campay.only(), "reference": str(uuid4()), "external_reference": "None"}
    await web.get(DOOR, params=campay.callback(stranger, key=key))
    assert await verdicts(house) == ["unknown", "unknown"]


@pytest.mark.parametrize("secret", ["wrong", "demo2", "dem%C3%B6"])
async def test_an_unknown_secret_is_no_address(web: httpx.AsyncClient, house: House, secret: str) -> None:
    assert (await web.post(f"/payments/campay/{secret}", json={"reference": "x"})).status_code == 404
    assert await verdicts(house) == []


@pytest.mark.parametrize("first", ["forged", "unknown"])
async def test_a_repeat_of_what_was_not_believed_at_first_names_its_attempt(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str, first: str
) -> None:
    await house.collect()
    campay.after["/collect/"].append(lost)
    await house.sweep()
    campay.before["/history/"].extend([lost] * 9)
    fields = campay.callback(campay.decide("SUCCESSFUL"), key=key, at=house.clock.now() + timedelta(seconds=90))
    (tried,) = await house.attempts()
    if first == "unknown":
        house.clock.advance(seconds=90)
        async with house.database.transaction() as tx:
            await tx.run(update(attempt).values(sent_at=None))
    await web.get(DOOR, params=fields)
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).values(sent_at=tried.sent_at))
    house.clock.advance(seconds=90)
    for _ in range(3):
        await web.get(DOOR, params=fields)
    assert await verdicts(house) == [first, "rung"]
    await house.sweep()
    assert (await house.states(), house.outcomes) == (["SUCCEEDED"], ["paid"])


async def test_events_are_encrypted_and_never_changed(
    house: House, campay: FakeCampay, web: httpx.AsyncClient, key: str
) -> None:
    await prompted(house)
    fields = campay.callback(campay.only(), key=key) | {"phone_number": "237670000001"}
    await web.get(DOOR, params=fields)
    async with house.database.reading() as tx:
        event = await tx.one(select(provider_event))
    assert b"670000001" not in bytes(event.raw)
    assert "237670000001" in house.database.keys.decrypt(event.raw)
    for statement in ("UPDATE provider_event SET verdict = 'x'", "DELETE FROM provider_event"):
        with pytest.raises(DBAPIError, match="insert-only"):
            async with house.database.transaction() as tx:
                await tx.run(text(statement))


class _Killed(BaseException):
    """The process ends here."""


def _die() -> httpx.Response:
    raise _Killed
