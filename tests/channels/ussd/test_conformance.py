"""The conformance vectors (contracts/ussd-dialects.md), one table, over every dialect they apply to.

Vector 14 is about SMS, which has its own tests (`tests/channels/sms/test_carrier.py` and `test_routes.py`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from sqlalchemy import text

from channels.ussd.dialect import Capabilities, Dialect
from channels.ussd.dialects import DIALECTS
from core.database import Database
from core.gsm import BASIC, EXTENDED, septets
from menus_ussd import session as codec
from menus_ussd.stores.memory import MemorySessionStore
from tests.channels.ussd.aggregator import Aggregator, Handset
from tests.menus_ussd.toy import ToyShop, sales

pytestmark = pytest.mark.anyio

CODE = "*237*1#"
DIAL_AGAIN = f"Session perdue. Recomposez {CODE} pour continuer."


class World(NamedTuple):
    """What a vector is played in."""

    aggregator: Aggregator
    phone: Handset
    shop: ToyShop
    database: Database
    store: MemorySessionStore
    can: Capabilities
    log: Callable[[], str]


async def the_same_digit_twice_is_two_answers(world: World) -> None:
    assert (await world.phone.dial()).text.startswith("Mboa")
    assert (await world.phone.say("1")).text.startswith("Restaurant?")
    assert "PIN" in (await world.phone.say("1")).text


async def a_repeat_gets_the_same_bytes_and_one_effect(world: World) -> None:
    first = await world.phone.dial()
    assert (await world.phone.repeat()).wire.content == first.wire.content
    for typed in ("1", "1", "4821", "1"):
        shown = await world.phone.say(typed)
        assert (await world.phone.repeat()).wire.content == shown.wire.content
    assert not shown.goes_on
    assert await sales(world.database) == 1


async def two_at_the_same_moment_are_one(world: World) -> None:
    await world.phone.dial()
    await world.phone.say("1", "1", "4821")
    world.shop.slow_seconds = 0.1
    shown, *twins = await asyncio.gather(world.phone.say("1"), *(_soon(world.phone) for _ in range(3)))
    assert {twin.wire.content for twin in twins} == {shown.wire.content}
    assert await sales(world.database) == 1


async def _soon(phone: Handset) -> "object":
    await asyncio.sleep(0.02)
    return await phone.repeat()


async def a_deep_dial_stops_before_the_secret(world: World) -> None:
    assert "PIN" in (await world.phone.dial("1*2*4821*1")).text
    assert await sales(world.database) == 0
    assert not (await world.phone.say("4821", "1")).goes_on
    assert await sales(world.database) == 1


async def a_star_in_free_text_is_one_input(world: World) -> None:
    await world.phone.dial()
    await world.phone.say("2", "5*6")
    assert "5*6" in (await world.phone.say("500")).text


async def an_empty_reply_asks_again(world: World) -> None:
    await world.phone.dial()
    menu = await world.phone.say("1")
    again = await world.phone.say("")
    assert again.goes_on and again.text.startswith("Choix inconnu.") and menu.text.split("\n")[-1] in again.text
    assert "PIN" in (await world.phone.say("1")).text


async def a_plus_that_became_a_space_is_refused(world: World) -> None:
    world.phone.phone = " 237670000001"
    refused = await world.phone.dial()
    assert not refused.goes_on and CODE in refused.text
    assert "ussd_refused" in world.log() and "670000001" not in world.log()


async def a_known_position_replays_and_a_fork_dials_again(world: World) -> None:
    await world.phone.dial()
    menu = await world.phone.say("1")
    known = world.phone.last
    await world.phone.say("1")
    if world.can.full_transcript or world.can.counts_turns:
        assert (await world.aggregator.send(known)).wire.content == menu.wire.content
    world.phone.inputs, world.phone.turn = ["7", "7"], 1
    if not (world.can.full_transcript or world.can.counts_turns):
        world.phone.session = "a session that nobody knows"
        world.phone.phone = "+237670000009"
    fork = await world.phone.say("7")
    assert (fork.goes_on, fork.text) == (False, DIAL_AGAIN)


async def the_end_is_told_before_after_twice_or_never(world: World) -> None:
    await world.phone.dial()
    await world.phone.over()
    menu = await world.phone.say("1")
    assert menu.goes_on
    for _ in range(2):
        acknowledged = await world.phone.over()
        expected = world.aggregator.table.acknowledged
        assert expected is not None, "who tells the end is acknowledged"
        body = expected.body.replace("$session", world.phone.session)
        assert (acknowledged.status_code, acknowledged.text) == (200, body)
    assert (await world.phone.repeat()).wire.content == menu.wire.content
    assert await sales(world.database) == 0


async def no_digit_of_a_secret_is_kept(world: World) -> None:
    await world.phone.dial()
    await world.phone.say("1", "1", "4821")
    await world.phone.say("98", "0")
    for key in list(world.store._sessions):
        session = world.store.read(key)
        assert session is not None
        packed = codec.encode(session)
        assert b"4821" not in packed and b"670000001" not in packed
    assert "4821" not in world.log() and "4821" not in await everything(world.database)


async def everything(database: Database) -> str:
    """Every row of every table, as text."""
    async with database.reading() as tx:
        query = "SELECT quote_ident(relname) AS name FROM pg_stat_user_tables WHERE schemaname = 'public'"
        tables = [row.name for row in await tx.all(text(query))]
        rows = [await tx.all(text(f"SELECT t::text AS row FROM {name} t")) for name in tables]
    return "\n".join(row.row for table in rows for row in table)


async def an_ended_session_shows_nothing_and_is_resumed(world: World) -> None:
    for kind in ("over", "timeout"):
        if kind in world.aggregator.table.asks:
            await world.phone.dial()
            await world.phone.say(*(["2"] if kind == "timeout" else []), "1", "5")
            assert (await world.phone.over(kind)).status_code == 200
    assert "1 go on" in (await world.phone.dial()).text
    assert "PIN" in (await world.phone.say("1")).text


async def a_new_dial_leaves_the_open_session_and_offers_its_talk(world: World) -> None:
    await world.phone.dial()
    await world.phone.say("1", "5")
    assert "1 go on" in (await world.phone.dial()).text
    assert "PIN" in (await world.phone.say("1")).text
    assert not (await world.phone.say("4821", "1")).goes_on
    assert await sales(world.database) == 1


async def what_gsm_lacks_is_folded(world: World) -> None:
    world.shop.names = ["Crêpe à l’œuf 😀, 2\u202f500\u00a0FCFA"]
    await world.phone.dial()
    shown = await world.phone.say("1")
    assert "1 Crepe à l'oeuf ?, 2 500 FCFA" in shown.text
    assert set(shown.text) <= BASIC | EXTENDED and septets(shown.text) <= 160


async def letters_behind_a_number_are_no_number(world: World) -> None:
    await world.phone.dial()
    shown = await world.phone.say("1abc")
    assert shown.goes_on and shown.text.startswith("Choix inconnu.")


Play = Callable[[World], Awaitable[None]]


class Vector(NamedTuple):
    """A row of the table: `applies` says to whom."""

    number: int
    play: Play
    applies: Callable[[Capabilities], bool] = lambda _: True


def has_end(can: Capabilities) -> bool:
    return can.tells_end


def can_dial_deep(can: Capabilities) -> bool:
    return can.closes_by != "absence"


VECTORS = (
    Vector(1, the_same_digit_twice_is_two_answers),
    Vector(2, a_repeat_gets_the_same_bytes_and_one_effect),
    Vector(3, two_at_the_same_moment_are_one),
    Vector(4, a_deep_dial_stops_before_the_secret, can_dial_deep),
    Vector(5, a_star_in_free_text_is_one_input),
    Vector(6, an_empty_reply_asks_again),
    Vector(7, a_plus_that_became_a_space_is_refused),
    Vector(8, a_known_position_replays_and_a_fork_dials_again),
    Vector(9, the_end_is_told_before_after_twice_or_never, has_end),
    Vector(10, no_digit_of_a_secret_is_kept),
    Vector(11, an_ended_session_shows_nothing_and_is_resumed, has_end),
    Vector(12, a_new_dial_leaves_the_open_session_and_offers_its_talk),
    Vector(13, what_gsm_lacks_is_folded),
    Vector(15, letters_behind_a_number_are_no_number),
)


@pytest.fixture
def world(
    aggregator: Aggregator,
    dialect: Dialect,
    shop: ToyShop,
    database: Database,
    store: MemorySessionStore,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> World:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx")  # the phone's own side knows what it typed
    printed: list[str] = []

    def log() -> str:
        printed.extend(capfd.readouterr())
        return "".join(printed) + caplog.text

    return World(aggregator, aggregator.handset(), shop, database, store, dialect.can, log)


APPLYING = [(dialect, vector) for dialect in DIALECTS for vector in VECTORS if vector.applies(dialect.can)]


@pytest.mark.parametrize(
    ("dialect", "vector"),
    APPLYING,
    ids=[f"{one.name}-{vector.number} {vector.play.__name__}" for one, vector in APPLYING],
)
async def test_vector(world: World, vector: Vector, dialect: Dialect) -> None:
    await vector.play(world)
