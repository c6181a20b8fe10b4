"""The payments of one test: a database, a clock, a CamPay, and a pawaPay for those that need a second provider."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.di import Provide

from channels.payments import payment_callback
from core.clock import ManualClock
from core.database import Database
from core.settings import Secret, Settings
from payments.providers.pawapay import Pawapay
from tests.payments.house import House
from tests.payments.listing import Listing
from tests.payments.network import FakeCampay
from tests.payments.pawapay_network import FakePawapay


@pytest.fixture
def campay(clock: ManualClock) -> FakeCampay:
    return FakeCampay(clock)


@pytest.fixture
def house(database: Database, clock: ManualClock, campay: FakeCampay) -> House:
    return House(database, clock, campay)


@pytest.fixture
def pawapay() -> FakePawapay:
    return FakePawapay()


@pytest.fixture
def two_providers(house: House, pawapay: FakePawapay, settings: Settings) -> House:
    """The house with CamPay, which can look nothing up, and pawaPay, which can."""
    account = {"pawapay_token": Secret("token")}
    adapter = Pawapay(msgspec.structs.replace(settings, **account), http_client=pawapay.client())
    house.join(adapter, **account)
    return house


@pytest.fixture
def listing(house: House) -> Listing:
    made = Listing(house.database.settings, http_client=house.campay.client())
    made.lines = []
    return made


@pytest.fixture
async def web(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever rings at our door."""
    app = Litestar([payment_callback], dependencies={"database": Provide(lambda: database, sync_to_thread=False)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.fixture
def key(settings: Settings) -> str:
    """What CamPay signs its callbacks with."""
    return settings.campay_webhook_key
