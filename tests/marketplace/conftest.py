"""The town that orders, wallets and payouts are tested in."""

import pytest

from core.clock import ManualClock
from core.database import Database
from tests.support.town import Town


@pytest.fixture
async def town(database: Database, clock: ManualClock) -> Town:
    made = Town(database, clock)
    await made.found()
    return made
