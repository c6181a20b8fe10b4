"""The demo town for deliveries."""

import pytest

from core.clock import ManualClock
from core.database import Database
from tests.support.market import Market, open_market


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    return await open_market(database, clock)
