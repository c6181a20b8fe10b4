"""Maintenance at every door: a polite word, the time to come back, and afterwards everything as it was."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from core import maintenance
from core.clock import ManualClock
from core.database import Database
from core.errors import InvalidInput
from core.limits import Limits
from core.settings import Settings
from gateway.app import create_app
from gateway.parts import Parts
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from menus_ussd.turns import Turn
from tests.support.market import Market, open_market

pytestmark = pytest.mark.anyio

FRENCH, ENGLISH, NEW = "+237670000401", "+237670000402", "+237670000403"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, maintenance_age_seconds=0)


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    market = await open_market(database, clock)
    async with database.transaction() as tx:
        for phone, language in ((FRENCH, "fr"), (ENGLISH, "en")):
            person = await people.recognise(tx, phone=phone)
            await people.choose_language(tx, person_id=person.id, language=language)
    return market


@pytest.fixture
async def web(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    settings = market.database.settings
    app = create_app(Parts(settings=settings, database=market.database, limits=Limits(settings)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        yield client


async def throw(database: Database, *, on: bool, **more: Any) -> None:
    async with database.transaction() as tx:
        await maintenance.throw(tx, on=on, reason="a new server", by="test", **more)


async def dial(web: httpx.AsyncClient, phone: str, text: str, session: str = "s1") -> str:
    form = {"sessionId": session, "phoneNumber": phone, "networkCode": "62401", "serviceCode": "*237*1#", "text": text}
    answer = await web.post("/ussd/africastalking/demo", data=form)
    assert answer.status_code == 200
    return answer.text


async def write(web: httpx.AsyncClient, phone: str, text: str, message_id: str) -> None:
    form = {"date": "2026-11-21 11:00:00", "from": phone, "id": message_id, "text": text, "to": "8237"}
    assert (await web.post("/sms/africastalking/demo", data=form)).status_code == 200


async def test_callers_are_told_in_their_language_when_to_come_back(web: httpx.AsyncClient, market: Market) -> None:
    database = market.database
    until = database.clock.now() + timedelta(hours=2)
    await throw(database, on=True, until=until)
    assert await dial(web, FRENCH, "") == (
        "END Mboa est en maintenance jusqu'à 14:00. Réessayez alors: vos réponses sont gardées."
    )
    assert (await dial(web, ENGLISH, "", "s2")).startswith("END Mboa is under maintenance until 14:00.")
    assert (await dial(web, NEW, "", "s3")).startswith("END Mboa est en maintenance")
    market.clock.advance(hours=3)
    assert "14:00" not in await dial(web, FRENCH, "", "s4")


async def test_callers_are_told_while_the_database_is_away(settings: Settings, database: Database) -> None:
    shut = msgspec.structs.replace(settings, closed=True)
    away = Database("postgresql://nobody@127.0.0.1:1/none", settings=shut, keys=database.keys)
    engine = build_ussd(away)
    turn = Turn(dialect="toy", session_id="s1", phone=NEW, transcript="", language="en")
    reply = await engine.turn(turn)
    assert (reply.step, reply.text.split(".")[0]) == ("ussd.maintenance", "Mboa is under maintenance")
    await engine.close()
    await away.close()


async def test_a_talk_that_was_under_way_goes_on_afterwards(web: httpx.AsyncClient, market: Market) -> None:
    dishes = await dial(web, FRENCH, "45")
    assert dishes.startswith("CON") and (await dial(web, FRENCH, "45*1")).startswith("CON")
    await throw(market.database, on=True)
    assert (await dial(web, FRENCH, "45*1*2")).startswith("END Mboa est en maintenance")
    assert await dial(web, FRENCH, "45") == dishes, "a repeated request has its answer"
    await throw(market.database, on=False)
    assert "1 Continuer" in await dial(web, FRENCH, "", "s2")
    assert "Quartier" in await dial(web, FRENCH, "1", "s2")


async def test_a_text_is_answered_once_in_ten_minutes_and_has_no_effect(web: httpx.AsyncClient, market: Market) -> None:
    await throw(market.database, on=True)
    await write(web, FRENCH, "SOLDE", "m1")
    assert await market.texts(FRENCH) == ["Mboa est en maintenance. Réessayez dans un moment."]
    await write(web, FRENCH, "SOLDE", "m1")
    await write(web, FRENCH, "STOP", "m2")
    assert len(await market.texts(FRENCH)) == 1
    market.clock.advance(minutes=11)
    await write(web, FRENCH, "SOLDE", "m3")
    assert len(await market.texts(FRENCH)) == 2
    await throw(market.database, on=False)
    await write(web, FRENCH, "SOLDE", "m4")
    assert "maintenance" not in (await market.texts(FRENCH))[-1] and len(await market.texts(FRENCH)) == 3


async def test_programs_are_told_when_to_ask_again_and_staff_work_on(web: httpx.AsyncClient, market: Market) -> None:
    assert (await web.get("/api/v1/restaurants")).status_code == 200
    await throw(market.database, on=True, until=market.clock.now() + timedelta(minutes=30))
    answer = await web.get("/api/v1/restaurants")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1800"
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == "under_maintenance" and answer.json()["retryable"] is True
    wrong = {"username": "finance", "password": "wrong", "totp": "000000"}
    assert (await web.post("/api/v1/staff/login", json=wrong)).status_code == 401
    assert (await web.get("/health/live")).status_code == 200
    assert (await web.post("/payments/campay/demo", content=b"?")).status_code == 200
    await throw(market.database, on=False)
    assert (await web.get("/api/v1/restaurants")).status_code == 200


async def test_every_throw_of_the_switch_stays_with_its_reason(database: Database, clock: ManualClock) -> None:
    await throw(database, on=True, until=clock.now() + timedelta(hours=1))
    clock.advance(minutes=5)
    await throw(database, on=False)
    async with database.reading() as tx:
        newest, first = await maintenance.history(tx)
    assert (newest.is_on, first.is_on, first.reason, first.thrown_by) == (False, True, "a new server", "test")
    for wrong in ({"until": clock.now()}, {"until": clock.now() - timedelta(1)}):
        with pytest.raises(InvalidInput):
            await throw(database, on=True, **wrong)
    async with database.transaction() as tx:
        with pytest.raises(InvalidInput):
            await maintenance.throw(tx, on=True, reason=" ", by="test")


async def test_the_setting_shuts_whatever_the_switch_says(
    market: Market, settings: Settings, clock: ManualClock
) -> None:
    shut = msgspec.structs.replace(settings, closed=True)
    database = Database(market.database.url, settings=shut, keys=market.database.keys, clock=clock)
    assert (await maintenance.current(database)).is_on
    assert not (await maintenance.current(market.database)).is_on
    await database.close()


async def test_a_database_that_does_not_answer_changes_nothing(settings: Settings, database: Database) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none", settings=settings, keys=database.keys)
    assert not (await maintenance.current(away)).is_on
    await away.close()
