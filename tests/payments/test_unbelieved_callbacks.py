"""Callbacks that change nothing: forged, unreadable, oversized, of somebody else; kept all the same, encrypted."""

import json
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import jwt
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from payments.tables import attempt, provider_event
from tests.payments.door import DOOR, prompted, verdicts
from tests.payments.house import House
from tests.payments.network import FakeCampay, lost

pytestmark = pytest.mark.anyio


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
