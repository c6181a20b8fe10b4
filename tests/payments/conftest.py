"""The payments of one test: a database, a clock, a CamPay."""

import pytest

from core.clock import ManualClock
from core.database import Database
from tests.payments.house import House
from tests.payments.network import FakeCampay


@pytest.fixture
def campay(clock: ManualClock) -> FakeCampay:
    return FakeCampay(clock)


@pytest.fixture
def house(database: Database, clock: ManualClock, campay: FakeCampay) -> House:
    return House(database, clock, campay)
