"""The doors: which are open, what a page may hold, what the end of a session sets free, and what is never logged."""

from collections.abc import Iterator

import httpx
import msgspec
import pytest
import structlog
from sqlalchemy import select

from channels.ussd.dialect import Dialect
from channels.ussd.dialects import DIALECTS
from channels.ussd.routes import ussd_routes
from core.clock import ManualClock
from core.database import Database
from core.gsm import septets
from core.ids import new_id
from core.sealed import code
from core.settings import Secret, Settings
from ledger.chart import escrow
from menus_ussd.stores.memory import MemorySessionStore
from payments import service
from payments.tables import attempt, payment
from tests.channels.ussd.aggregator import PHONE, Aggregator
from tests.channels.ussd.conftest import serving
from tests.menus_ussd.toy import TOYS, ToyShop

pytestmark = pytest.mark.anyio

ALL = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
TELL_ENDS = [dialect for dialect in DIALECTS if dialect.can.tells_end]


def test_the_settings_say_who_is_served(settings: Settings) -> None:
    one = serving(settings, DIALECTS[0], DIALECTS[5])
    paths = [path for route in ussd_routes(one) for path in route.paths]
    assert paths == ["/ussd/africastalking/secret-of-africastalking", "/ussd/mtn_madapi/secret-of-mtn_madapi"]


def test_africas_talking_alone_needs_one_secret() -> None:
    settings = Settings(ussd_secret=Secret("only"))
    assert [path for route in ussd_routes(settings) for path in route.paths] == ["/ussd/africastalking/only"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ussd_dialects": ("africastalking", "esperanto")}, "we do not speak esperanto"),
        ({"ussd_dialects": ("nalo", "hubtel"), "ussd_secrets": "nalo=x"}, "hubtel is served and has none"),
    ],
)
def test_a_door_without_a_key_is_not_opened(settings: Settings, changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ussd_routes(msgspec.structs.replace(settings, **changes))


@ALL
async def test_a_wrong_secret_is_an_unknown_path(web: httpx.AsyncClient, dialect: Dialect) -> None:
    other = next(other for other in DIALECTS if other is not dialect)
    assert (await web.get(f"/ussd/{dialect.name}/secret-of-{other.name}")).status_code == 404


class TestPages:
    """Planned for the network, within what the dialect carries."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        networks = {"62401": 90, "MTN": 90, "mtn-cm": 90, "airtel": 90, "safaricom": 90, "orange": 90}
        return msgspec.structs.replace(settings, ussd_network_septets=networks, ussd_page_septets=400)

    @ALL
    async def test_a_page_fits_its_network(self, aggregator: Aggregator, dialect: Dialect) -> None:
        phone = aggregator.handset()
        await phone.dial()
        shown = await phone.say("1")
        most = dialect.can.page if dialect.name == "comviva_xml" else 90  # which names no network
        assert most // 2 < septets(shown.text) <= most
        assert len(shown.text) <= dialect.can.page

    @ALL
    async def test_a_notice_and_a_last_page_fit_too(self, aggregator: Aggregator, dialect: Dialect) -> None:
        phone = aggregator.handset()
        await phone.dial()
        await phone.say("1")
        assert septets((await phone.say("x")).text) <= dialect.can.page
        await phone.say("00", "2", TOYS[0] * 3)
        assert septets((await phone.say("500")).text) <= (160 if dialect.name == "comviva_xml" else 90)


@ALL
async def test_a_code_is_revealed_before_it_is_packed_up(
    aggregator: Aggregator, database: Database, dialect: Dialect
) -> None:
    phone = aggregator.handset()
    await phone.dial()
    shown = await phone.say("3")
    assert code(database.keys, "delivery_code", "d.1") in shown.text


@pytest.mark.parametrize("dialect", TELL_ENDS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("kind", ["over", "timeout"])
async def test_the_end_lets_the_prompt_go_out_and_proves_no_payment(
    aggregator: Aggregator, database: Database, clock: ManualClock, store: MemorySessionStore, kind: str
) -> None:
    if kind not in aggregator.table.asks:
        pytest.skip("one kind of end is all it tells")
    phone = aggregator.handset()
    await phone.dial()
    session = store.newest(database.keys.blind_index(PHONE))
    assert session is not None
    ref, order = database.keys.fingerprint("session", session.ref), new_id()
    wanted = {"purpose": "order", "reference": order, "amount_xaf": 3800, "phone": PHONE, "key": "order:1"}
    async with database.transaction() as tx:
        await service.request_collection(tx, credit=escrow(order), session_id=ref, **wanted)
    for _ in range(2):
        await phone.over(kind)
    async with database.reading() as tx:
        assert await tx.value(select(attempt.c.next_check_at)) == clock.now()
        assert await tx.value(select(payment.c.state)) == "OPEN"


@pytest.mark.parametrize("dialect", TELL_ENDS, ids=lambda dialect: dialect.name)
async def test_the_end_of_a_session_that_nobody_knows(aggregator: Aggregator, dialect: Dialect) -> None:
    assert (await aggregator.handset().over()).status_code == 200


@pytest.fixture
def plain_log() -> Iterator[None]:
    """Log lines with their traces, before anything is masked."""
    processors = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(processors=processors)
    yield
    structlog.reset_defaults()


@ALL
@pytest.mark.usefixtures("plain_log")
async def test_no_number_is_logged(
    aggregator: Aggregator,
    shop: ToyShop,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    dialect: Dialect,
) -> None:
    phone = aggregator.handset()
    await phone.dial()
    shop.broken_after_commit = True
    await phone.say("1", "1", "4821", "1")  # ends in trouble, with its trace
    if dialect.can.tells_end:
        await phone.over()
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    printed = "".join(capfd.readouterr()) + ours  # where it goes depends on who configured logging before us
    assert "ussd_turn_failed" in printed and "670000001" not in printed and "4821" not in printed
