"""Dialects that send one input at a time: repeats, drops and requests out of order, over each store."""

from typing import Any

import pytest

from core.clock import ManualClock
from core.database import Database
from menus_ussd.engine import Engine
from menus_ussd.turns import Ended, Reply, Turn
from tests.menus_ussd.toy import ToyShop, sales

pytestmark = pytest.mark.anyio

PHONE, OTHER = "+237670000001", "+237670000002"


class Wire:
    """Sends inputs; `counts` gives each its number, and without a `session` a phone has one."""

    def __init__(self, engine: Engine, session: str | None = "s1", *, counts: bool = False, phone: str = PHONE) -> None:
        self.engine, self.session, self.counts, self.phone, self.turns = engine, session, counts, phone, 0

    async def begin(self, dialled: str = "", **changes: Any) -> Reply:
        self.turns = 0
        return await self._send(kind="begin", dialled=dialled, **changes)

    async def say(self, *inputs: str, **changes: Any) -> Reply:
        for typed in inputs:
            reply = await self._send(typed=typed, **changes)
        return reply

    async def _send(self, **fields: Any) -> Reply:
        self.turns += 1
        sequence = self.turns if self.counts else None
        named = {"dialect": "toy", "session_id": self.session, "phone": self.phone, "sequence": sequence}
        return await self.engine.turn(Turn(**{**named, **fields}))


async def test_an_equal_input_is_a_repeat_for_two_seconds(engine: Engine, clock: ManualClock) -> None:
    wire = Wire(engine)
    await wire.begin()
    menu = await wire.say("1")
    clock.advance(seconds=2)
    assert await wire.say("1") == menu
    clock.advance(seconds=0.001)
    assert (await wire.say("1")).step == "pin.enter"


async def test_another_input_is_never_a_repeat(engine: Engine) -> None:
    wire = Wire(engine)
    await wire.begin()
    await wire.say("1", "2")
    assert (await wire.say("1111")).step == "pin.enter"


async def test_a_number_tells_a_repeat_at_any_time(engine: Engine, clock: ManualClock, database: Database) -> None:
    wire = Wire(engine, counts=True)
    await wire.begin()
    menu = await wire.say("1")
    end = await wire.say("1", "4821", "1")
    clock.advance(minutes=5)
    assert await wire.say("1", sequence=2) == menu
    assert await wire.say("1", sequence=5) == end
    assert await sales(database) == 1


async def test_a_late_request_of_another_branch_is_told_to_dial_again(engine: Engine) -> None:
    wire = Wire(engine, counts=True)
    await wire.begin()
    await wire.say("1", "1")
    late = await wire.say("7", sequence=2)
    assert (late.expects_input, late.step) == (False, "ussd.dial_again")
    wire.turns = 3
    assert (await wire.say("4821")).step == "wallet.confirm"


async def test_a_repeated_dial_is_one_session(engine: Engine, clock: ManualClock) -> None:
    wire = Wire(engine)
    home = await wire.begin()
    await wire.say("1")
    clock.advance(seconds=30)
    assert await wire.begin() == home
    assert (await wire.say("1")).step == "pin.enter"


async def test_a_phones_new_dial_is_a_new_session(engine: Engine, clock: ManualClock, database: Database) -> None:
    wire = Wire(engine, session=None)
    home = await wire.begin()
    assert await wire.begin() == home  # a repeat: nothing was typed, and no time has passed
    for bought in (1, 2):
        clock.advance(seconds=10)
        await wire.begin()
        assert not (await wire.say("1", "2", "4821", "1")).expects_input
        assert await sales(database) == bought


async def test_misses_of_two_sessions_on_one_phone_are_two(engine: Engine, clock: ManualClock, shop: ToyShop) -> None:
    wire = Wire(engine, session=None)
    for _ in range(2):
        clock.advance(seconds=10)
        await wire.begin("1*1")
        await wire.say("1111")
    assert list(shop.pins.values()) == ["1111", "1111"]


async def test_an_id_that_is_given_out_again_is_another_session(
    engine: Engine, clock: ManualClock, database: Database
) -> None:
    wire = Wire(engine)
    for bought in (1, 2):
        clock.advance(seconds=10)
        await wire.begin()
        await wire.say("1", "2", "4821", "1")
        assert await sales(database) == bought


async def test_an_input_of_a_session_we_lost_ends_politely(engine: Engine) -> None:
    lost = await Wire(engine, "never seen").say("1", language="en")
    assert lost.text == "Session perdue. Recomposez *237*1# pour continuer.", "the caller's own language goes first"
    assert not lost.expects_input
    assert (await Wire(engine, None, phone=OTHER).say("1", service_code="*138#")).text.count("*138#") == 1


async def test_an_opening_begins_only_what_is_not_known(engine: Engine, clock: ManualClock) -> None:
    """Aggregators that mark no beginning send the code first; an amount may look like it later on."""
    wire = Wire(engine)
    assert (await wire.say("384", kind="opening")).step == "home"
    await wire.say("2", "somewhere")
    assert "somewhere" in (await wire.say("384", kind="opening")).text
    clock.advance(seconds=10)
    assert (await wire.say("384", kind="opening")).step == "home"


async def test_another_phone_cannot_begin_in_a_session(engine: Engine) -> None:
    await Wire(engine).begin()
    assert (await Wire(engine, phone=OTHER).begin()).step == "ussd.dial_again"


async def test_an_end_changes_nothing_and_names_the_session(engine: Engine, database: Database) -> None:
    wire = Wire(engine)
    await wire.begin()
    menu = await wire.say("1")
    told = [await engine.ended(Ended(dialect="toy", session_id="s1")) for _ in range(2)]
    by_phone = await engine.ended(Ended(dialect="toy", session_id=None, phone=PHONE))
    assert {*told} == {by_phone} and len(by_phone) == 32
    assert await wire.say("1") == menu
    assert await engine.ended(Ended(dialect="toy", session_id="never seen")) != by_phone
    assert await engine.ended(Ended(dialect="toy", session_id=None, phone=OTHER)) != by_phone
