"""Callers who could not wait: exactly one SMS tells what came of it, whatever dies, and nothing is done twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, text

from core import effects
from core.clock import ManualClock
from core.database import Database
from core.settings import Settings
from gateway.doctor import examine
from marketplace.notifications import promises
from marketplace.notifications.promises import Told
from marketplace.notifications.tables import promise
from marketplace.ordering.tables import cart, customer_order
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from menus_ussd.journeys import CONVERSATION
from tests.menus_ussd.callers import MortalStore
from tests.menus_ussd.toy import Handset
from tests.support.market import Market, open_market

pytestmark = pytest.mark.anyio

CUSTOMER = "+237670000333"
PATIENCE_SECONDS = 60


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nobody waits for an effect, however fast it is; all the time there is to get to it, and to promise."""
    return msgspec.structs.replace(
        settings, ussd_soft_deadline_seconds=60, ussd_hard_deadline_seconds=0, ussd_promise_seconds=60
    )


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    market = await open_market(database, clock)
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await people.choose_language(tx, person_id=person.id, language="fr")
    return market


@pytest.fixture
async def engine(market: Market) -> AsyncIterator[Engine]:
    made = build_ussd(market.database)
    yield made
    await made.close()


async def at_the_confirmation(engine: Engine, session_id: str = "s1") -> Handset:
    handset = Handset(engine, session_id, CUSTOMER)
    await handset.dial("45*1")
    assert (await handset.say("1", "1")).step == "order.confirm"
    return handset


async def orders(database: Database) -> list[int]:
    async with database.reading() as tx:
        return [row.number for row in await tx.all(select(customer_order.c.number))]


@asynccontextmanager
async def held_cart(database: Database) -> AsyncIterator[None]:
    """Somebody else has the caller's cart in hand: what wants to order it waits."""
    async with database.transaction() as tx:
        await tx.execute(select(cart).with_for_update())
        yield


async def until_settled(database: Database, *, clock: ManualClock) -> None:
    """As the worker: sweep until every promise is kept, far beyond the time at which it gives up."""
    clock.advance(minutes=10)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await promises.sweep(database):
            await asyncio.sleep(0.05)


async def test_an_order_that_came_too_late_for_its_page_is_told_by_sms(
    engine: Engine, market: Market, clock: ManualClock
) -> None:
    handset = await at_the_confirmation(engine)
    async with held_cart(market.database):
        end = await handset.say("1")
        assert not end.expects_input and end.step == "ussd.sms_follows"
        assert await orders(market.database) == []
        assert await handset.send(handset.transcript) == end
    await engine.close()
    (number,) = await orders(market.database)
    (told,) = await market.texts(CUSTOMER)
    assert told.startswith(f"Commande {number} recue")
    await until_settled(market.database, clock=clock)
    assert len(await market.texts(CUSTOMER)) == 1
    assert (await Handset(build_ussd(market.database), "s2", CUSTOMER).dial("3")).step == "track.order"


async def test_an_order_that_broke_off_is_told_by_sms_and_can_be_placed_then(
    engine: Engine, market: Market, owner: Database, clock: ManualClock
) -> None:
    handset = await at_the_confirmation(engine)
    async with held_cart(market.database):
        assert (await handset.say("1")).step == "ussd.sms_follows"
        await cut_off_who_waits(owner)
        await engine.promising.close()
    (told,) = await market.texts(CUSTOMER)
    assert "n'est pas passée" in told and "12:00" in told and "*237*1#" in told
    assert await orders(market.database) == []
    await until_settled(market.database, clock=clock)
    again = Handset(engine, "s2", CUSTOMER)
    assert (await again.dial()).step == "cart"
    assert (await again.say("1")).step == "order.confirm"
    await again.say("1")
    await engine.promising.close()
    assert len(await orders(market.database)) == 1
    assert len(await market.texts(CUSTOMER)) == 2


async def cut_off_who_waits(owner: Database) -> None:
    """The connection of whoever waits for a lock is gone."""
    waiting = text("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """)
    async with asyncio.timeout(PATIENCE_SECONDS), owner.reading() as tx:
        while not await tx.all(waiting):
            await asyncio.sleep(0.01)


async def test_where_no_promise_can_be_written_the_caller_dials_again_and_goes_on(
    market: Market, settings: Settings, clock: ManualClock
) -> None:
    hurried = msgspec.structs.replace(settings, ussd_promise_seconds=0)
    database = Database(market.database.url, settings=hurried, keys=market.database.keys, clock=clock)
    engine = build_ussd(database)
    handset = await at_the_confirmation(engine)
    async with held_cart(market.database):
        assert (await handset.say("1")).step == "ussd.slow"
        await engine.promising.close()
    assert await orders(database) == [] and await market.texts(CUSTOMER) == []
    patient = Engine(market.database, engine.store, engine.conversation)
    again = Handset(patient, "s2", CUSTOMER)
    assert (await again.dial()).step == "resume"
    await again.say("1")
    await again.say("1")
    await patient.close()
    assert len(await orders(database)) == 1
    await database.close()


async def test_an_effect_that_nobody_is_told_of_is_kept_for_the_next_dial(engine: Engine, market: Market) -> None:
    """A choice of language is worth no SMS."""
    handset = Handset(engine, "s1", "+237670000334")
    await handset.dial()
    assert (await handset.say("1")).step == "ussd.slow"
    async with market.database.reading() as tx:
        assert (await tx.all(select(promise.c.id))) == []


async def test_who_never_read_the_promise_is_told_on_the_screen_too(
    market: Market, owner: Database, clock: ManualClock
) -> None:
    """The promise was written, its page was lost with the process, and the effect broke off."""
    store = MortalStore(ttl_seconds=3600)
    engine = Engine(market.database, store, CONVERSATION)
    handset = await at_the_confirmation(engine)
    async with held_cart(market.database):
        store.dies = True
        assert (await handset.say("1")).step == "ussd.trouble"
        await cut_off_who_waits(owner)
        await engine.promising.close()
    (told,) = await market.texts(CUSTOMER)
    assert "n'est pas passée" in told
    again = Handset(engine, "s2", CUSTOMER)
    await again.dial()
    assert (await again.say("1")).step == "order.confirm"
    patient = msgspec.structs.replace(market.database.settings, ussd_hard_deadline_seconds=60)
    unhurried = Database(market.database.url, settings=patient, keys=market.database.keys, clock=clock)
    again.engine = Engine(unhurried, store, CONVERSATION)
    assert (await again.say("1")).step == "error.foreclosed"
    assert await orders(market.database) == []
    last = Handset(again.engine, "s3", CUSTOMER)
    assert (await last.dial()).step == "cart"
    await last.say("1")
    assert (await last.say("1")).step == "ussd.order.sent"
    assert len(await orders(market.database)) == 1 and len(await market.texts(CUSTOMER)) == 1
    await unhurried.close()


async def test_a_promise_that_nobody_keeps_is_found(market: Market, clock: ManualClock) -> None:
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await promises.make(tx, key="broken", person_id=person.id, told=TOLD)
    assert await examine(market.database) == []
    clock.advance(minutes=6)
    (finding,) = await examine(market.database)
    assert "2026-11-21 11:00 is not kept" in finding


# ---- the process dies ------------------------------------------------------------------------------------

DOOMED = """
import asyncio, os, signal, sys
from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from menus_ussd.assembly import build_ussd
from tests.conftest import TEST_KEY
from tests.menus_ussd import test_promises as here

async def main(url, settings):
    database = Database(url, settings=here.decoded(settings), keys=Keyring(TEST_KEY), clock=ManualClock())
    handset = await here.at_the_confirmation(build_ussd(database))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print((await handset.say("1")).step, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


def decoded(settings: str) -> Settings:
    return msgspec.json.decode(settings, type=Settings, strict=False, dec_hook=lambda kind, value: kind(value))


async def test_a_process_that_is_killed_right_after_its_promise(
    market: Market, settings: Settings, clock: ManualClock
) -> None:
    database = market.database
    encoded = msgspec.json.encode(settings, enc_hook=str).decode()
    doomed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DOOMED, database.url, encoded),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert doomed.stdin and doomed.stdout
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await doomed.stdout.readline() == b"ready\n"
        async with held_cart(database):
            doomed.stdin.write(b"\n")
            assert await doomed.stdout.readline() == b"ussd.sms_follows\n"
            assert await doomed.wait() == -signal.SIGKILL
            assert await promises.sweep(database) == 1
            assert await market.texts(CUSTOMER) == []
    await until_settled(database, clock=clock)
    (told,) = await market.texts(CUSTOMER)
    assert "n'est pas passée" in told
    assert await orders(database) == []
    await until_settled(database, clock=clock)
    assert len(await market.texts(CUSTOMER)) == 1


# ---- the two ends race -----------------------------------------------------------------------------------

TOLD = Told("sms.late.order_failed", "sms.late.order_sent", ("number", "total_xaf"))


async def test_of_an_effect_and_its_keeper_exactly_one_wins(market: Market) -> None:
    database = market.database
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        for n in range(20):
            await promises.make(tx, key=f"race:{n}", person_id=person.id, told=TOLD)

    async def effect(n: int) -> bool:
        async def made() -> dict[str, int]:
            return {"number": n, "total_xaf": 100}

        try:
            async with database.transaction() as tx:
                await effects.once(tx, f"race:{n}", made)
        except effects.Foreclosed:
            return False
        return True

    async def keeper(n: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await unkept(database, f"race:{n}"):
                await asyncio.gather(
                    *(promises.keep(database, key=f"race:{n}", over=True) for _ in range(2)), return_exceptions=True
                )

    for n in range(20):
        happened, *_ = await asyncio.gather(*([effect(n), keeper(n)] if n % 2 else [keeper(n), effect(n)]))
        happened = happened if n % 2 else await done(database, f"race:{n}")
        *_, told = await market.texts(CUSTOMER)
        assert len(await market.texts(CUSTOMER)) == n + 1
        assert told.startswith(f"Commande {n} recue") == happened
        assert await effect(n) == happened


async def unkept(database: Database, key: str) -> bool:
    async with database.reading() as tx:
        return await tx.value(select(promise.c.outcome).where(promise.c.key == key)) is None


async def done(database: Database, key: str) -> bool:
    async with database.reading() as tx:
        return await effects.happened(tx, key)
