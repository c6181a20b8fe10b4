"""The phones of the simulated networks on every dialect: what they show, how they repeat, how they are dropped."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar.exceptions import NotFoundException

from channels.ussd.dialect import Dialect
from channels.ussd.dialects import DIALECTS
from core.clock import ManualClock
from core.http import Answer, HttpClient
from core.settings import Secret, Settings
from payments.simulator import ussd
from payments.simulator.networks import Networks
from payments.simulator.settings import SimulatorSettings
from tests.channels.ussd.aggregator import CODE, PHONE
from tests.channels.ussd.conftest import secret_of, serving
from tests.menus_ussd.toy import ToyShop

pytestmark = pytest.mark.anyio


class Over:
    """Carries what the networks send to an application in this process."""

    def __init__(self, web: httpx.AsyncClient) -> None:
        self.web = web
        self.sent: list[tuple[str, str, bytes]] = []

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append((method, url, body))
        answer = await self.web.request(method, url, headers=dict(headers), content=body or None)
        return Answer(answer.status_code, answer.content, answer.headers)

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def settings(settings: Settings, dialects: tuple[Dialect, ...], demo: bool) -> Settings:
    """Those of a demo, unless a test asks for production's."""
    served = serving(settings, *dialects)
    where = {"environment": "demo", "simulator_url": "http://simulator.test"} if demo else {"environment": "production"}
    return msgspec.structs.replace(served, **where)


@pytest.fixture
def demo() -> bool:
    return True


@pytest.fixture
def carried(web: httpx.AsyncClient) -> Over:
    return Over(web)


@pytest.fixture
def networks(carried: Over, clock: ManualClock, tmp_path: Path) -> Networks:
    secrets = Secret(",".join(f"{dialect.name}={secret_of(dialect.name)}" for dialect in DIALECTS))
    own = SimulatorSettings(data=tmp_path, product_url="http://gateway.test", ussd_secrets=secrets)
    made = Networks(own, clock)
    made.product = HttpClient(own.product_url, connect_seconds=1, read_seconds=10, exchange=carried)
    return made


every_dialect = pytest.mark.parametrize("dialect", [dialect.name for dialect in DIALECTS])


@every_dialect
async def test_a_talk_with_its_steps_and_septets(networks: Networks, clock: ManualClock, dialect: str) -> None:
    home = await ussd.dial(networks, PHONE, CODE, dialect=dialect)
    assert (home.open, home.step, home.dialect, home.error) == (True, "home", dialect, None)
    assert "1 buy" in home.text and home.septets == len(home.text)
    clock.advance(seconds=3)
    asked = await ussd.key_in(networks, home.session, "2")
    assert (asked.open, asked.step) == (True, "place.landmark")
    clock.advance(seconds=3)
    amount = await ussd.key_in(networks, home.session, 'L\'été & <Cie> "5*6" 100%+1')
    assert (amount.open, amount.step) == (True, "wallet.amount")
    clock.advance(seconds=3)
    end = await ussd.key_in(networks, home.session, "2500")
    assert (end.open, end.status) == (False, "Success")
    assert 'L\'été & <Cie> "5*6" 100%+1' in end.text
    assert ussd.counts(networks) == {"total": 1, "open": 0}


@every_dialect
async def test_a_repeat_is_the_same_bytes_and_gets_them(
    networks: Networks, carried: Over, shop: ToyShop, clock: ManualClock, dialect: str
) -> None:
    home = await ussd.dial(networks, PHONE, CODE, dialect=dialect)
    clock.advance(seconds=3)
    await ussd.key_in(networks, home.session, "1")
    again = await ussd.repeat(networks, home.session)
    assert again.same and carried.sent[-1] == carried.sent[-2]
    assert shop.listed == 1


@every_dialect
async def test_a_dropped_talk_is_taken_up_again(networks: Networks, clock: ManualClock, dialect: str) -> None:
    home = await ussd.dial(networks, PHONE, CODE, dialect=dialect)
    clock.advance(seconds=3)
    await ussd.key_in(networks, home.session, "1")
    assert ussd.drop(networks, home.session).status == "Incomplete"
    clock.advance(seconds=3)
    assert (await ussd.dial(networks, PHONE, CODE, dialect=dialect)).step == "resume"


@pytest.mark.parametrize("demo", [False])
async def test_in_production_no_answer_names_its_step(networks: Networks, carried: Over) -> None:
    home = await ussd.dial(networks, PHONE, CODE, dialect="hubtel")
    assert (home.open, home.step) == (True, "")


async def test_two_dialects_side_by_side_are_two_talks(networks: Networks, clock: ManualClock) -> None:
    one = await ussd.dial(networks, PHONE, CODE, dialect="nalo")
    other = await ussd.dial(networks, "+237690000002", CODE, dialect="orange_xhtml")
    clock.advance(seconds=3)
    assert (await ussd.key_in(networks, other.session, "2")).step == "place.landmark"
    assert (await ussd.key_in(networks, one.session, "1")).step == "order.restaurant"


async def test_a_dialect_that_nobody_speaks_is_refused(networks: Networks) -> None:
    with pytest.raises(NotFoundException, match="no aggregator speaks esperanto"):
        await ussd.dial(networks, PHONE, CODE, dialect="esperanto")
