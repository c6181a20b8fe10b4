"""How a simulation skips time: from one thing to the next, and not at a crawl where money waits for its rail."""

from pathlib import Path

import pytest

from core.clock import ManualClock, SharedClock
from core.database import Database
from gateway.simulation.passing import Passing
from payments import maintenance
from tests.payments.house import House
from tests.payments.network import FakeCampay

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 60.0


class Idle:
    """Networks that do nothing by themselves; workers have done what is due whenever somebody asks."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.asked = 0

    async def next_at(self) -> None:
        self.asked += 1
        await self.house.engine.sweep()


async def test_a_day_of_waiting_for_a_rail_is_skipped_in_strides(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    shared = SharedClock.make(tmp_path / "clock", clock.now())
    house = House(database, clock, FakeCampay(clock))
    database.clock = shared
    async with database.transaction() as tx:
        await maintenance.set(tx, provider="campay", on=True)
    await house.pay_out()
    idle = Idle(house)
    await house.engine.sweep()
    assert await Passing(shared, database, idle).until_quiet(PATIENCE_SECONDS) == []  # type: ignore[arg-type]
    assert await house.states() == ["DEAD"]
    assert idle.asked < 100  # it looks again every 30 seconds


async def test_what_nobody_does_is_told(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    shared = SharedClock.make(tmp_path / "clock", clock.now())
    house = House(database, clock, FakeCampay(clock))
    database.clock = shared
    await house.pay_out()

    class Sweepless(Idle):
        async def next_at(self) -> None:
            """Nobody works: what is due stays due."""

    left = await Passing(shared, database, Sweepless(house)).until_quiet(0.5)  # type: ignore[arg-type]
    assert len(left) == 2 and "PREPARED" in left[1]
