"""One event a turn: written beside the turn, never in its way, and added up to where callers are lost."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import func, select, text

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import load_settings
from core.texts import catalogue
from ledger.reporting import Report, snapshot
from ledger.reports.asking import read
from menus_ussd.engine import Engine
from menus_ussd.evidence import experiments, log, reports
from menus_ussd.evidence.log import Event, EventLog, forget, version
from menus_ussd.evidence.tables import ussd_event
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.turns import Ended, Turn
from tests.menus_ussd.toy import Handset, open_shop

pytestmark = pytest.mark.anyio


def event(clock: ManualClock, shown: str = "home", **facts: Any) -> Event:
    ends = shown.startswith("ussd.")
    told: dict[str, Any] = {"session_ref": "s1", "dialect": "toy", "outcome": "answered", "asks": not ends, **facts}
    return Event(at=clock.now(), shown=shown, **told)


async def kept(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(select(func.count()).select_from(ussd_event)))


async def told(database: Database, report: Report) -> list[dict[str, Any]]:
    """The report's rows, by its columns."""
    async with snapshot(database) as tx:
        asked = read(report, now=database.clock.now() + timedelta(minutes=1))
        rows = [row async for row in report.rows(tx, asked)]
    return [dict(zip((column.key for column in report.columns), row, strict=True)) for row in rows]


async def have(database: Database, events: Sequence[Event]) -> None:
    evidence = EventLog(database)
    for one in events:
        evidence.note(one)
    await evidence.flush()
    await evidence.close()


# ---- writing them ---------------------------------------------------------------------------------------------


async def test_events_are_written_without_anybody_waiting(database: Database, clock: ManualClock) -> None:
    evidence = EventLog(database)
    evidence.note(event(clock, septets=42, variants=["ussd.home@short"], version=version()))
    async with asyncio.timeout(60):
        while not await kept(database):
            await asyncio.sleep(0.05)
    async with database.reading() as tx:
        row = await tx.one(select(ussd_event))
    assert (row.shown, row.septets, row.variants, row.asks) == ("home", 42, ["ussd.home@short"], True)
    await evidence.close()


async def test_the_last_events_are_written_at_the_end(database: Database, clock: ManualClock) -> None:
    evidence = EventLog(database)
    for _ in range(3):
        evidence.note(event(clock))
    await evidence.close()
    assert await kept(database) == 3


async def test_events_that_are_being_written_at_the_end_are_not_lost(
    database: Database, owner: Database, clock: ManualClock
) -> None:
    evidence = EventLog(database)
    async with asyncio.timeout(60):
        async with owner.transaction() as tx:
            await tx.execute(text("LOCK TABLE ussd_event"))
            evidence.note(event(clock))
            while not await _waits_for_the_table(owner):
                await asyncio.sleep(0.05)
            closing = asyncio.create_task(evidence.close())
            await asyncio.sleep(0)
        await closing
    assert await kept(database) == 1


async def _waits_for_the_table(owner: Database) -> bool:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'ussd_event'::regclass AND NOT granted)"
    async with owner.reading() as tx:
        return bool(await tx.value(text(waiting)))


async def test_no_word_of_an_aggregator_keeps_events_from_being_written(database: Database) -> None:
    evidence = EventLog(database)
    _, engine = await open_shop(database, MemorySessionStore(ttl_seconds=60))
    engine.evidence = evidence
    await engine.turn(Turn(dialect="toy", session_id="s1", phone="+237670000001", transcript="", network="6\x00240"))
    await evidence.close()
    async with database.reading() as tx:
        assert await tx.value(select(ussd_event.c.network)) == "6240"


async def test_events_wait_for_a_database_that_is_away_and_keep_their_order(
    database: Database, owner: Database, clock: ManualClock
) -> None:
    async with owner.transaction() as tx:
        await tx.execute(text("ALTER TABLE ussd_event RENAME TO gone"))
    evidence = EventLog(database)
    evidence.note(event(clock, "first"))
    await evidence.flush()
    evidence.note(event(clock, "second"))
    async with owner.transaction() as tx:
        await tx.execute(text("ALTER TABLE gone RENAME TO ussd_event"))
    await evidence.close()
    async with database.reading() as tx:
        assert [row.shown for row in await tx.all(select(ussd_event).order_by(ussd_event.c.id))] == ["first", "second"]


async def test_memory_has_an_end(database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_EVENTS", 3)
    await have(database, [event(clock) for _ in range(5)])
    assert await kept(database) == 3


async def test_what_is_old_is_forgotten(database: Database, clock: ManualClock) -> None:
    await have(database, [event(clock)])
    clock.advance(days=89)
    await have(database, [event(clock)])
    assert await forget(database) == 0
    clock.advance(days=2)
    assert await forget(database) == 1
    assert await kept(database) == 1


# ---- what a turn tells ----------------------------------------------------------------------------------------


class Kept:
    """Evidence at hand."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        self.events.append(event)

    async def close(self) -> None:
        pass


async def shop_with(database: Database, store: MemorySessionStore) -> tuple[Engine, Kept]:
    _, engine = await open_shop(database, store)
    evidence = Kept()
    return Engine(database, store, engine.conversation, evidence), evidence


async def test_every_turn_leaves_one_event(database: Database) -> None:
    engine, evidence = await shop_with(database, MemorySessionStore(ttl_seconds=60))
    handset = Handset(engine)
    await handset.dial()
    await handset.say("1", "98", "x", "2")
    await handset.send(handset.transcript)
    await handset.say("7777", "0", "00")
    await handset.send("1*2")
    await engine.ended(Ended(dialect="toy", session_id="s1", kind="timeout"))
    told = [(event.answered, event.shown, event.outcome, event.page) for event in evidence.events]
    assert told == [
        (None, "home", "begun", 1),
        ("home", "order.restaurant", "answered", 1),
        ("order.restaurant", "order.restaurant", "turned", 2),
        ("order.restaurant", "order.restaurant", "refused", 2),
        ("order.restaurant", "pin.enter", "answered", 1),
        ("pin.enter", "pin.enter", "repeated", 1),
        ("pin.enter", "pin.enter", "refused", 1),
        ("pin.enter", "order.restaurant", "turned", 1),
        ("order.restaurant", "home", "turned", 1),
        (None, "ussd.dial_again", "closed", 1),
        (None, "home", "timeout", 1),
    ]
    assert all(0 < event.septets <= 160 and event.ms > 0 for event in evidence.events[:-1])
    assert len({event.session_ref for event in evidence.events[:-2]}) == 1
    assert evidence.events[-1].asks, "the page still waited"


async def test_no_event_holds_what_was_typed_or_who_typed_it(database: Database) -> None:
    engine, evidence = await shop_with(database, MemorySessionStore(ttl_seconds=60))
    handset = Handset(engine)
    await handset.dial()
    await handset.say("1", "2", "4821")
    whole = msgspec.json.encode(evidence.events)
    assert b"pin.enter" in whole
    assert not any(secret in whole for secret in (b"4821", b"670000001", b"Toy number"))


async def test_a_variant_of_a_text_is_shown_and_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {**catalogue("fr"), "ussd.home@short": "Bonjour", "ussd.wallet.sent@kind": "Merci"}
    monkeypatch.setattr("core.texts.catalogue", lambda language: texts)
    trial = {"ussd.home": {"short": 100}, "ussd.wallet.sent": {"kind": 100}, "order.list": {"near": 0}}
    database.settings = msgspec.structs.replace(database.settings, ussd_experiments=trial)
    engine, evidence = await shop_with(database, MemorySessionStore(ttl_seconds=60))
    handset = Handset(engine)
    assert (await handset.dial()).text.startswith("Bonjour\n1 ")
    assert (await handset.say("1", "2", "4821", "1")).text == "Merci"
    assert evidence.events[-1].shown == "ussd.wallet.sent"
    assert evidence.events[-1].variants == ["ussd.home@short", "ussd.wallet.sent@kind", "order.list@-"]


# ---- adding them up -------------------------------------------------------------------------------------------


def talk(clock: ManualClock, *screens: str, **facts: Any) -> list[Event]:
    """A session that sees these pages, ten seconds for each."""
    session_ref, events = uuid4().hex, []
    for number, shown in enumerate(screens):
        clock.advance(seconds=10)
        answered = screens[number - 1] if number else None
        outcome = "begun" if number == 0 else "refused" if shown == answered else "answered"
        own = {"session_ref": session_ref, "answered": answered, "outcome": outcome, **facts}
        events.append(event(clock, shown, **own))
    return events


async def test_where_callers_are_lost(database: Database, clock: ManualClock) -> None:
    lost = talk(clock, "home", "order.dishes", "order.dishes", septets=150)
    paid = talk(clock, "home", "order.dishes", "order.dishes#2", "order.confirm", "ussd.order.sent", septets=90)
    await have(database, [*lost, *paid, event(clock, "order.dishes", session_ref="x", outcome="timeout")])
    found = {row["screen"]: row for row in await told(database, reports.SCREENS)}
    assert list(found) == ["order.dishes", "home", "order.confirm"]
    dishes = found["order.dishes"]
    assert (dishes["shown"], dishes["lost"], dishes["lost_percent"], dishes["septets"]) == (4, 1, 25, 150)
    assert (dishes["refused"], dishes["refused_percent"]) == (1, 25)
    assert found["home"]["lost"] == 0


async def test_a_talk_that_was_taken_up_again_is_one_and_not_lost(database: Database, clock: ManualClock) -> None:
    run = {"run_ref": "r1", "network": "MTN", "language": "fr"}
    events = [
        *talk(clock, "home", "order.dishes", **run),
        *talk(clock, "resume", "order.dishes", "order.confirm", "ussd.order.paid", **run),
        *talk(clock, "home", "order.dishes", network="MTN", language="fr"),
        *talk(clock, "home", "wallet", network="Orange", language="en"),
    ]
    await have(database, events)
    mtn, orange = await told(database, reports.TALKS)
    assert (mtn["network"], mtn["language"]) == ("MTN", "fr")
    assert (mtn["talks"], mtn["orders"], mtn["ordered_percent"]) == (2, 1, 50)
    assert (mtn["lost"], mtn["resumed"], mtn["resumed_percent"]) == (1, 1, 50)
    assert (mtn["screens_to_order"], mtn["seconds_to_order"]) == (5, 50)
    assert (orange["talks"], orange["orders"], orange["seconds_to_order"]) == (1, 0, None)


async def test_a_talk_that_begins_anew_in_its_session_is_still_one(database: Database, clock: ManualClock) -> None:
    first, *rest = talk(clock, "language", "home", "order.dishes", "home", "ussd.order.sent")
    runs = ["asked", "chosen", "chosen", "home again", "home again"]
    told_by = zip(runs, [first, *rest], strict=True)
    await have(database, [msgspec.structs.replace(one, run_ref=run) for run, one in told_by])
    assert [row["lost"] for row in await told(database, reports.SCREENS)] == [0, 0, 0]
    (row,) = await told(database, reports.TALKS)
    assert (row["talks"], row["orders"], row["screens_to_order"], row["resumed"]) == (1, 1, 4, 0)


async def test_an_experiment_is_told_by_its_variants(database: Database, clock: ManualClock) -> None:
    events = []
    for number in range(4):
        short, plain = ["ussd.home@short"], ["ussd.home@-"]
        events += talk(clock, "home", "ussd.order.sent" if number < 3 else "wallet", variants=short)
        events += talk(clock, "home", "order.dishes", "ussd.order.sent" if number < 1 else "wallet", variants=plain)
    await have(database, events)
    plain_row, short_row = await told(database, reports.EXPERIMENTS)
    assert (plain_row["variant"], plain_row["talks"]) == ("-", 4)
    assert (plain_row["orders"], plain_row["ordered_percent"]) == (1, 25)
    assert (short_row["variant"], short_row["orders"], short_row["ordered_percent"]) == ("short", 3, 75)
    assert short_row["give_or_take"] == 42 and short_row["screens_to_order"] == 1


async def test_reports_of_nothing_are_empty(database: Database) -> None:
    assert [await told(database, report) for report in reports.REPORTS] == [[], [], []]


# ---- experiments ----------------------------------------------------------------------------------------------


def test_a_caller_keeps_a_variant_and_each_gets_its_share(keys: Keyring) -> None:
    trial = {"order.list": {"near": 30, "far": 20}}
    people = [str(uuid4()) for _ in range(2000)]
    given = [experiments.variant_of(trial, keys, "order.list", person) for person in people]
    assert given == [experiments.variant_of(trial, keys, "order.list", person) for person in people]
    assert [round(given.count(variant) / 2000, 1) for variant in ("near", "far", "")] == [0.3, 0.2, 0.5]
    assert experiments.variant_of(trial, keys, "another", people[0]) == ""
    assert experiments.told(trial, keys, people[0]) == [f"order.list@{given[0] or '-'}"]


def test_two_experiments_divide_people_otherwise(keys: Keyring) -> None:
    trial = {"a": {"x": 50}, "b": {"x": 50}}
    people = [str(uuid4()) for _ in range(400)]
    both = sum(all(experiments.variant_of(trial, keys, name, one) for name in trial) for one in people)
    assert 60 < both < 140


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        ({"order.list": {"a": 60, "b": 50}}, "more than everybody"),
        ({"order.list": {"a": -1}}, "more than everybody"),
        ({"ussd.home": {"unwritten": 50}}, "ussd.home@unwritten is not written in fr, en, pcm"),
    ],
)
def test_what_cannot_be_tried_is_told_at_the_start(trial: dict[str, dict[str, int]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        experiments.check(trial)
    experiments.check({"order.list": {"a": 60, "b": 40}})


def test_experiments_are_read_from_the_environment() -> None:
    found = load_settings({"USSD_EXPERIMENTS": '{"ussd.home": {"short": 50}}'})
    assert found.ussd_experiments == {"ussd.home": {"short": 50}}
