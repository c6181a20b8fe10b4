"""Random callers on the real journeys: drops, repeats, races, deep dials, deaths, deployments, lost sessions."""

import asyncio
import os
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as effort
from hypothesis import strategies as st

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from gateway.seed import seed
from tests.menus_ussd.callers import STEPS, World, everything_stored, no_secret_in, sessions

EXAMPLES = 30 + 600 * int(os.environ.get("LONG", "0"))
CALLERS = 2

# Who goes straight for a meal meets more than who picks at random.
USUAL = ("pick",) * 6 + ("hunger", "pay", "pay", "dial", "stutter", "die", "take up", "take up")
STEP = st.tuples(st.integers(0, CALLERS - 1), st.sampled_from((*USUAL, *STEPS)), st.integers(0, 59))
STORIES = st.lists(STEP, min_size=20, max_size=60)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nothing is refused for coming too often or too slowly: those have tests of their own."""
    often = dict.fromkeys(("rate_general", "rate_orders", "rate_payments", "rate_address"), "1000000/day")
    return msgspec.structs.replace(
        settings, ussd_soft_deadline_seconds=60, ussd_hard_deadline_seconds=90, wallet_withdrawals=True, **often
    )


@pytest.fixture
def world(
    anyio_backend: str, database_url: str, settings: Settings, keys: Keyring, clock: ManualClock
) -> Iterator[tuple[asyncio.Runner, World]]:
    with asyncio.Runner() as runner:
        database = Database(database_url, settings=settings, keys=keys, clock=clock, connections=10)
        runner.run(seed(database))
        yield runner, World(database, clock)
        runner.run(database.close())


@pytest.mark.timeout(120 + 3 * EXAMPLES)
def test_whatever_callers_do(world: tuple[asyncio.Runner, World], capfd: pytest.CaptureFixture[str]) -> None:
    runner, town = world
    morning = town.clock.now()

    async def live(story: list[tuple[int, str, int]]) -> None:
        town.clock.instant = morning
        town.deploy(0)
        callers = [await town.caller(rich=bool(who)) for who in range(CALLERS)]
        for who, word, number in story:
            note(f"{who} {word} {number}: {callers[who].last and callers[who].last.step}")
            await callers[who].step(word, number)
        for caller in callers:
            await caller.check()
        no_secret_in(sessions(town))

    @effort(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(STORIES)
    def stories(story: list[tuple[int, str, int]]) -> None:
        runner.run(live(story))

    stories()
    no_secret_in(runner.run(everything_stored(town.database)))
    said = capfd.readouterr()
    no_secret_in(said.out + said.err)
    print(f"{town.turns} turns of {town.phones} callers")
