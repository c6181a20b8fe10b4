"""Guessing a PIN on the screen: five tries, then longer and longer waits, however requests are repeated (D5)."""

import asyncio

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from gateway.menus.pasts import PIN, RICH
from ledger import chart
from ledger.service import Leg, post
from marketplace.people import service as people
from marketplace.people.tables import person
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from menus_ussd.turns import Reply
from tests.menus_ussd.toy import Handset
from tests.support.market import open_market

pytestmark = pytest.mark.anyio

WRONG = "582047"


@pytest.fixture
async def engine(database: Database, clock: ManualClock) -> Engine:
    await open_market(database, clock)
    async with database.transaction() as tx:
        known = await people.recognise(tx, phone=RICH)
        await people.choose_language(tx, person_id=known.id, language="fr")
        await people.set_pin(tx, person_id=known.id, pin=PIN)
        await post(tx, key="rich", kind="test", legs=[Leg(chart.GOODWILL, chart.wallet(known.id), 100_000)])
    return build_ussd(database)


async def at_the_pin(engine: Engine, session_id: str) -> Handset:
    """A wallet order, but for the PIN."""
    handset = Handset(engine, session_id, RICH)
    page = await handset.dial("45*1")
    while page.step != "pin.enter":
        page = await handset.say("2" if page.step == "order.confirm" else "1")
    return handset


async def guess(handset: Handset, pin: str) -> Reply:
    """One guess, delivered three times at once and once more later."""
    transcript = f"{handset.transcript}*{pin}"
    first, *others = await asyncio.gather(*(handset.send(transcript) for _ in range(3)))
    assert [*others, await handset.send(transcript)] == [first] * 3
    return first


async def misses(database: Database) -> int:
    async with database.reading() as tx:
        known = await people.recognise(tx, phone=RICH)
        return int(await tx.value(select(person.c.pin_misses).where(person.c.id == known.id)))


async def test_each_repeated_guess_counts_once_and_the_fifth_locks(engine: Engine, database: Database) -> None:
    handset = await at_the_pin(engine, "s1")
    for left in (4, 3, 2, 1):
        page = await guess(handset, WRONG)
        assert page.step == "pin.enter" and page.expects_input and str(left) in page.text.split("\n")[0]
    assert "15" in (await guess(handset, WRONG)).text.split("\n")[0]
    assert await misses(database) == 5
    assert "15" in (await guess(handset, PIN)).text.split("\n")[0], "the right one is no better while it is locked"
    assert await misses(database) == 5


async def test_another_session_is_no_way_around_it_and_each_wait_is_longer(
    engine: Engine, database: Database, clock: ManualClock
) -> None:
    for number in range(5):
        await guess(await at_the_pin(engine, f"s{number}"), WRONG)
    for minutes, after in ((15, 60), (60, 240), (240, 1440)):
        locked = await at_the_pin(engine, f"locked for {minutes}")
        assert f"{minutes} min" in (await guess(locked, PIN)).text
        clock.advance(minutes=minutes)
        opened = await at_the_pin(engine, f"after {minutes}")
        assert f"{after} min" in (await guess(opened, WRONG)).text
    clock.advance(days=1)
    last = await at_the_pin(engine, "after a day")
    assert (await guess(last, PIN)).step == "ussd.order.paid"
    assert await misses(database) == 0


async def test_a_guess_under_a_lock_is_no_guess(engine: Engine, database: Database, clock: ManualClock) -> None:
    handset = await at_the_pin(engine, "s1")
    for _ in range(9):
        await guess(handset, WRONG)
    assert await misses(database) == 5
    clock.advance(minutes=15)
    assert (await guess(handset, PIN)).step == "ussd.order.paid"
