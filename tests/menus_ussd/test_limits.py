"""Where things end: a session without end, a list beyond the key of the next page, a read that takes too long."""

import asyncio

import msgspec
import pytest

from core.clock import ManualClock
from core.database import Database
from menus_ussd.engine import Engine
from menus_ussd.pages import MORE, compose
from menus_ussd.questions import Choice, Option
from menus_ussd.session import MOST_RECEIPTS, encode
from menus_ussd.stores import SessionStore
from menus_ussd.turns import Turn
from tests.menus_ussd.test_positions import Wire
from tests.menus_ussd.toy import Handset, ToyShop

pytestmark = pytest.mark.anyio


async def kept(store: SessionStore) -> int:
    """Bytes of the session."""
    async with store.claim("toy:s1") as claim:
        assert claim.session is not None
        return len(encode(claim.session))


async def test_a_session_without_end_stays_small_and_goes_on(handset: Handset, store: SessionStore) -> None:
    first = await handset.dial()
    for _ in range(MOST_RECEIPTS):
        await handset.say("1", "0")
    size = await kept(store)
    for _ in range(MOST_RECEIPTS):
        await handset.say("1", "0")
    assert await kept(store) <= size + 100
    newest = handset.transcript
    assert await handset.send("") == first, "the dial itself is always known"
    latest = await handset.send(newest)
    assert latest.expects_input and latest.step == "home"
    forgotten = await handset.send("1*0*1")
    assert not forgotten.expects_input and "*237*1#" in forgotten.text
    handset.transcript = newest
    assert (await handset.say("1", "1")).step == "pin.enter"


async def test_guesses_in_a_session_without_end_are_each_counted(
    engine: Engine, clock: ManualClock, shop: ToyShop
) -> None:
    """On a dialect that counts nothing, where only our own numbers tell one wrong PIN from the same one later."""
    wire = Wire(engine)
    await wire.begin()
    await wire.say("1", "2")
    for _ in range(MOST_RECEIPTS + 10):
        clock.advance(seconds=3)
        await wire.say("1111")
    assert len(shop.pins) == MOST_RECEIPTS + 10


def test_no_line_of_a_long_list_has_the_key_of_the_next_page() -> None:
    options = [Option(f"Line {n}", n) for n in range(120)]
    shown = compose("fr", Choice("order.restaurant", options), options, can_go_back=True, budget=160)
    keys = [key for page in shown.pages for key, _ in page.options]
    assert len(keys) == len(set(keys)) == 120 and MORE not in keys and "97" in keys and "99" in keys


async def test_a_read_that_takes_too_long_ends_politely_and_is_asked_for_again(
    database: Database, store: SessionStore, handset: Handset, shop: ToyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await handset.dial()
    await handset.say("1")
    hurried = msgspec.structs.replace(database.settings, ussd_soft_deadline_seconds=0.2)
    slow = Database(database.url, settings=hurried, keys=database.keys, clock=database.clock)

    async def never(*_: object, **__: object) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(shop, "price", never)
        engine = Engine(slow, store, handset.engine.conversation)
        turn = Turn(dialect="toy", session_id="s1", phone=handset.phone, transcript="1*5")
        end = await engine.turn(turn)
    assert not end.expects_input and end.step == "ussd.slow" and "réponses" in end.text
    await slow.close()
    again = Handset(handset.engine, "s2")
    assert (await again.dial()).step == "resume"
    assert (await again.say("1")).step == "order.restaurant"
    assert (await again.say("5")).step == "pin.enter"
