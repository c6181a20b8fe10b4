"""The product's journeys: every page fits, nobody is stuck, and what happened is not lost when a process dies."""

import re
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, text, update

from core.clock import ManualClock
from core.database import Database
from core.sealed import reveal
from gateway.menus.pasts import (
    BUSY,
    EXPIRED,
    NEW,
    NO_RAIL,
    ON_THE_WAY,
    PIN,
    REGULAR,
    RICH,
    an_order,
    may_pay_again,
    with_pasts,
)
from ledger import chart
from ledger.service import Leg, post
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from menus_ussd.journeys import CONVERSATION
from menus_ussd.pages import width
from menus_ussd.session import Session
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.stores.redis import RedisSessionStore
from payments.tables import attempt
from tests.menus_ussd.toy import Handset
from tests.support.market import open_market

pytestmark = pytest.mark.anyio

# ---- nothing is lost -------------------------------------------------------------------------------------


class MortalStore(MemorySessionStore):
    """A store whose process dies just before it would keep what a turn came to."""

    dies = False

    def write(self, session: Session) -> None:
        if self.dies:
            raise ConnectionError("killed")
        super().write(session)


async def at_the_confirmation(engine: Engine, session_id: str = "s1") -> Handset:
    handset = Handset(engine, session_id)
    await handset.dial("45")
    page = await handset.say("1", "2", "1", "1")
    assert page.step == "order.confirm"
    return handset


async def orders(database: Database) -> list[UUID]:
    async with database.reading() as tx:
        return [row.id for row in await tx.all(select(customer_order.c.id))]


@pytest.mark.parametrize("survives", [True, False], ids=["store survives", "store is lost"])
async def test_death_between_the_orders_commit_and_the_sessions(
    database: Database, clock: ManualClock, survives: bool
) -> None:
    await open_market(database, clock)
    store = MortalStore(ttl_seconds=3600)
    engine = Engine(database, store, CONVERSATION)
    handset = await at_the_confirmation(engine)
    store.dies = True
    assert (await handset.say("1")).step == "ussd.trouble"
    placed = await orders(database)
    assert len(placed) == 1

    store.dies = False
    reborn = engine if survives else build_ussd(database)
    again = Handset(reborn, "s2")
    page = await again.dial()
    assert page.step in ("resume", "cart")
    assert (await again.say("1")).step == "order.confirm"
    end = await again.say("1")
    assert not end.expects_input and end.step == "ussd.order.sent"
    assert await orders(database) == placed
    assert (await Handset(reborn, "s3").dial()).step == "home"


async def test_who_confirms_an_order_once_more_is_not_counted_again(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    handset = await at_the_confirmation(build_ussd(database))
    ends = [await handset.say("1")]
    for number in range(4):  # each time the session is lost with its store
        again = Handset(build_ussd(database), f"again {number}")
        assert (await again.dial()).step == "cart"
        assert (await again.say("1")).step == "order.confirm"
        ends.append(await again.say("1"))
    assert {end.step for end in ends} == {"ussd.order.sent"}
    assert len(await orders(database)) == 1


async def test_a_cart_outlives_the_process_for_thirty_minutes(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await at_the_confirmation(build_ussd(database))
    clock.advance(minutes=29)
    again = Handset(build_ussd(database), "s2")
    assert (await again.dial()).step == "cart"
    assert (await again.say("1")).step == "order.confirm"
    deep = Handset(build_ussd(database), "s3")
    assert (await deep.dial("45")).step == "order.dishes"
    clock.advance(minutes=31)
    late = Handset(build_ussd(database), "s4")
    assert (await late.dial()).step == "home"


async def test_a_price_that_changed_asks_again(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    handset = await at_the_confirmation(build_ussd(database))
    async with database.transaction() as tx:
        await tx.run(text("UPDATE dish SET price_xaf = price_xaf + 100"))
    asked = await handset.say("1")
    assert asked.step == "order.repriced" and asked.text.startswith("Prix modifié.") and await orders(database) == []
    assert not (await handset.say("1")).expects_input
    assert len(await orders(database)) == 1


async def test_dialled_dishes_stop_at_the_place_and_a_repeat_at_the_confirmation(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    engine = build_ussd(database)
    handset = Handset(engine, "s1")
    await handset.dial("45*1*2")
    assert (await handset.say("1")).step == "place.quarter"
    assert (await handset.say("1", "1")).step == "order.confirm"
    await handset.say("1")
    async with database.transaction() as tx:
        await tx.run(update(customer_order).values(state="CLOSED"))
    reorder = Handset(engine, "s2")
    assert (await reorder.dial("1")).step == "order.confirm"


async def test_a_dialled_number_shows_that_order_and_stays_with_it(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    for _ in range(3):
        await an_order(database, BUSY, "OFFERED")
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=BUSY)
        await people.choose_language(tx, person_id=person.id, language="fr")
    async with database.reading() as tx:
        number = str(await tx.value(select(customer_order.c.number).limit(1)))
    handset = Handset(build_ussd(database), "s1", BUSY)
    assert number in (await handset.dial(f"3*{number}")).text
    asked = await handset.say("1")
    assert asked.step == "track.cancel" and number in asked.text
    assert (await Handset(build_ussd(database), "s2", BUSY).dial("3*999")).step == "track.which"


async def test_an_expired_payment_is_asked_for_again_once_the_caller_knows(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    store = MortalStore(ttl_seconds=3600)
    engine = Engine(database, store, CONVERSATION)
    order_id = await may_pay_again(engine, EXPIRED)
    handset = Handset(engine, "s1", EXPIRED)
    assert "1 Payer encore" in (await handset.dial("3")).text
    told = await handset.say("1")
    assert told.step == "track.pay_again" and width(told.text) <= 160
    assert "Si vous validez aussi la première demande, nous la remboursons aussitot." in told.text
    async with database.reading() as tx:
        assert await tx.value(select(func.count()).where(attempt.c.released_at.is_not(None))) == 0
    store.dies = True
    assert (await handset.say("1")).step == "ussd.trouble"
    store.dies = False
    again = Handset(handset.engine, "s2", EXPIRED)
    assert (await again.dial()).step == "resume"
    assert (await again.say("1")).step == "track.pay_again"
    assert (await again.say("1")).step == "ussd.order.sent"
    async with database.reading() as tx:
        asked = await tx.all(select(attempt.c.released_at, attempt.c.session_ref).order_by(attempt.c.created_at))
        state = await tx.value(select(customer_order.c.state).where(customer_order.c.id == order_id))
    assert [row.released_at is not None for row in asked] == [True, False]
    assert state == "AWAITING_PAYMENT" and asked[1].session_ref not in (None, asked[0].session_ref)


async def test_no_session_record_holds_a_pin_a_code_or_a_number(
    database: Database, clock: ManualClock, redis_url: str
) -> None:
    await open_market(database, clock)
    await with_pasts(database)
    store = RedisSessionStore(redis_url, ttl_seconds=60)
    engine = Engine(database, store, CONVERSATION)
    rich = Handset(engine, "pin", RICH)
    await rich.dial("45*1")
    assert (await rich.say("1", "1", "2")).step == "pin.enter"
    assert (await rich.say("111111")).step == "pin.enter"
    assert (await rich.say(PIN)).step == "ussd.order.paid"
    waiting = Handset(engine, "code", ON_THE_WAY)
    await waiting.dial("3")
    shown = reveal(database.keys, (await waiting.say("1")).text)
    digits = re.search(r": (\d{4})$", shown, re.MULTILINE)
    assert digits
    no_rail = Handset(engine, "payer", NO_RAIL)
    await no_rail.dial("45*1")
    assert (await no_rail.say("1", "1", "1", "670 00 00 01")).step == "order.confirm"

    async with Redis.from_url(redis_url) as redis:
        kept = b"\n".join([(await redis.get(key)) or b"" for key in await redis.keys("ussd:*")])
    await store.close()
    assert len(kept) > 1000
    phones = [phone[-9:].encode() for phone in (RICH, ON_THE_WAY, NO_RAIL, "670000001")]
    for secret in (PIN.encode(), b"111111", digits[1].encode(), *phones):
        # Not inside of an id or a hash, where any digits may stand.
        assert not re.search(rb"(?<![\w-])" + secret + rb"(?![\w-])", kept)


async def language_of(database: Database, phone: str) -> str | None:
    async with database.reading() as tx:
        return (await people.recognise(tx, phone=phone)).language


async def test_a_language_can_be_changed_as_often_as_one_likes(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    handset = Handset(build_ussd(database), "s1", NEW)
    await handset.dial()
    await handset.say("1")
    assert await language_of(database, NEW) == "fr"
    assert "enjoy" in (await handset.say("8", "1", "2")).text
    assert await language_of(database, NEW) == "en"
    assert "appétit" in (await handset.say("8", "1", "1")).text
    assert await language_of(database, NEW) == "fr"


async def test_a_wallet_that_was_emptied_meanwhile_is_told_and_nothing_is_ordered(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    await with_pasts(database)
    before = await orders(database)
    handset = Handset(build_ussd(database), "s1", RICH)
    await handset.dial("45*1")
    assert (await handset.say("1", "1", "2")).step == "pin.enter"
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=RICH)
        await post(tx, key="spent", kind="test", legs=[Leg(chart.wallet(person.id), chart.GOODWILL, 9_999_999)])
    end = await handset.say(PIN)
    assert end.step == "error.insufficient_funds" and not end.expects_input
    assert await orders(database) == before


async def test_a_talk_whose_session_was_lost_in_the_middle_finds_its_cart(
    database: Database, clock: ManualClock
) -> None:
    await open_market(database, clock)
    handset = Handset(build_ussd(database), "s1", NEW)
    await handset.dial()
    await handset.say("1", "2", "1", "2", "1")
    handset.engine = build_ussd(database)  # the web process was restarted; the aggregator goes on with its session
    page = await handset.say("1")
    assert page.step == "cart"
    assert (await handset.say("1")).step == "place.quarter"


async def test_a_first_pin_replaces_none(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await with_pasts(database)
    handset = Handset(build_ussd(database), "s1", REGULAR)
    await handset.dial("8")
    assert (await handset.say("1", "2")).step == "pin.choose"
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=REGULAR)
        await people.set_pin(tx, person_id=person.id, pin=PIN)
    refused = await handset.say("482159")
    assert refused.step == "pin.choose" and "déjà" in refused.text
    assert (await handset.say("0", "2")).step == "pin"
    assert (await handset.say("1")).step == "pin.enter"


async def test_a_fourth_order_in_a_minute_is_refused_politely(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    engine = build_ussd(database)
    for number in range(4):
        handset = Handset(engine, f"s{number}", NEW)
        await handset.dial("45*1")
        page = await handset.say("1", "1", "1") if number == 0 else await handset.say("1")
        assert page.step == "order.confirm"
        end = await handset.say("1")
    assert end.step == "error.too_many" and not end.expects_input
    assert len(await orders(database)) == 3
