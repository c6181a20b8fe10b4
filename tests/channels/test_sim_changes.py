"""A number moves to another SIM card: for a day nothing goes out to it, and no PIN is made out of it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from core.clock import ManualClock
from core.database import Database
from core.errors import NotFound
from core.four_eyes import AlreadyProposed, SelfApproval
from core.ids import new_id
from core.limits import Limits
from core.settings import Secret, Settings
from gateway.app import create_app
from gateway.approvals import make_approvals
from gateway.parts import Parts
from ledger import chart
from ledger.service import Leg, post
from marketplace.payouts import service as payouts
from marketplace.payouts.tables import payout
from marketplace.people import login, pin_resets, sim_changes
from marketplace.people import service as people
from marketplace.people.sim_freeze import SimChanged
from marketplace.people.tables import sim_change
from marketplace.people.tokens import SessionEnded, open_customer_session
from menus_ussd.assembly import build_ussd
from tests.menus_ussd.toy import Handset
from tests.support.market import DRIVERS, Market, open_market

pytestmark = pytest.mark.anyio

DRIVER = DRIVERS[0]
SWAPPED = "org.camaraproject.sim-swap-subscriptions.v0.swapped"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, sim_secret=Secret("the operator's"))


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    return await open_market(database, clock)


@pytest.fixture
async def web(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    settings = market.database.settings
    app = create_app(Parts(settings=settings, database=market.database, limits=Limits(settings)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        yield client


def event(phone: str = DRIVER, **changes: Any) -> dict[str, Any]:
    """As the CAMARA project's SIM Swap Subscriptions send it."""
    return {
        "id": "83a0d986-0866-4f38-b8c0-fc65bfcda452",
        "source": "https://notificationSendServer12.supertelco.com",
        "specversion": "1.0",
        "type": SWAPPED,
        "datacontenttype": "application/json",
        "time": "2026-11-21T10:59:30Z",
        "data": {"phoneNumber": phone, "subscriptionId": "987654321"},
        **changes,
    }


async def tell(web: httpx.AsyncClient, said: object, *, path: str = "/sim/camara/the operator's") -> int:
    return (await web.post(path, content=msgspec.json.encode(said))).status_code


async def changes(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(select(func.count()).select_from(sim_change)))


async def earn(market: Market, amount_xaf: int) -> None:
    driver_id = await market.driver_id(DRIVER)
    async with market.database.transaction() as tx:
        leg = Leg(chart.GOODWILL, chart.driver_payable(driver_id), amount_xaf)
        await post(tx, key=f"earned:{new_id()}", kind="test", legs=[leg])


async def ask_for_payout(market: Market, amount_xaf: int = 1_000, key: str = "k") -> payouts.Payout:
    driver_id = await market.driver_id(DRIVER)
    async with market.database.transaction() as tx:
        return await payouts.request(
            tx, owner="driver", owner_id=driver_id, phone=DRIVER, amount_xaf=amount_xaf, key=key
        )


# ---- the door --------------------------------------------------------------------------------------------


async def test_a_change_is_heard_once_and_told_to_whoever_holds_the_number(
    web: httpx.AsyncClient, market: Market
) -> None:
    for _ in range(2):
        assert await tell(web, event()) == 204
    assert await changes(market.database) == 1
    (told,) = await market.texts(DRIVER)
    assert "nouvelle carte SIM" in told and "24 h" in told
    assert await tell(web, event(id="another")) == 204
    assert await changes(market.database) == 2


NOTHING_OF_OURS: list[object] = [
    event("+237670999999"),  # nobody of ours
    event("+33612345678"),
    event("670000001x"),
    event(type="org.camaraproject.sim-swap-subscriptions.v0.subscription-ends"),
    event(time="2026-11-21T10:59:30"),
    event(time="yesterday"),
    event(id=""),
    event(data={}),
    event(data=None),
    [],
    "x" * 5_000,
]


async def test_what_is_no_change_of_ours_is_answered_and_changes_nothing(
    web: httpx.AsyncClient, market: Market
) -> None:
    for said in NOTHING_OF_OURS:
        assert await tell(web, said) == 204, said
    assert await changes(market.database) == 0


async def test_nobody_comes_in_without_the_secret(web: httpx.AsyncClient, market: Market, database: Database) -> None:
    for path in ("/sim/camara/demo", "/sim/other/the operator's", "/sim/camara/"):
        assert await tell(web, event(), path=path) in (404, 405)
    settings = msgspec.structs.replace(database.settings, sim_secret=Secret(""))
    locked = Database(database.url, settings=settings, keys=database.keys, clock=database.clock)
    app = create_app(Parts(settings=settings, database=locked, limits=Limits(settings)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        assert await tell(client, event(), path="/sim/camara/ ") == 404
    assert await changes(database) == 0


# ---- what it stops ---------------------------------------------------------------------------------------


async def test_nothing_is_paid_out_for_a_day(web: httpx.AsyncClient, market: Market, clock: ManualClock) -> None:
    await earn(market, 10_000)
    before = await ask_for_payout(market)
    assert await tell(web, event()) == 204
    with pytest.raises(SimChanged) as refused:
        await ask_for_payout(market, 2_000, "other")
    assert refused.value.params == {"hours": 24}
    assert await ask_for_payout(market) == before, "what was asked for before has its answer"
    clock.advance(hours=23, minutes=30)
    with pytest.raises(SimChanged) as refused:
        await ask_for_payout(market, 2_000, "other")
    assert refused.value.params == {"hours": 1}
    clock.advance(minutes=31)
    assert (await ask_for_payout(market, 2_000, "other")).state == "PENDING"


async def test_an_instalment_that_is_due_waits(web: httpx.AsyncClient, market: Market, clock: ManualClock) -> None:
    await earn(market, 10_000)
    made = await ask_for_payout(market)
    async with market.database.transaction() as tx:
        half = {"asked_xaf": 500, "paid_xaf": 500, "due_at": clock.now()}
        await tx.run(payout.update().where(payout.c.id == made.id).values(half))
    assert await tell(web, event()) == 204
    await payouts.sweep(market.database)
    (row,) = await market.rows(select(payout))
    assert (row.state, row.asked_xaf) == ("PENDING", 500) and row.due_at > clock.now()
    clock.advance(hours=25)
    await payouts.sweep(market.database)
    (row,) = await market.rows(select(payout))
    assert (row.state, row.asked_xaf) == ("PENDING", 1_000)


async def test_no_pin_is_made_out_of_a_number_alone(web: httpx.AsyncClient, market: Market) -> None:
    database = market.database
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=DRIVER)
        await people.choose_language(tx, person_id=person.id, language="fr")
    assert await tell(web, event()) == 204
    async with database.transaction() as tx:
        with pytest.raises(SimChanged):
            await people.set_pin(tx, person_id=person.id, pin="739164", first=True)
        await people.set_pin(tx, person_id=person.id, pin="739164")  # who knew the old one
        with pytest.raises(SimChanged):
            await pin_resets.ask(tx, person_id=person.id)


async def test_its_logins_end(web: httpx.AsyncClient, market: Market) -> None:
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=DRIVER)
        tokens = await open_customer_session(tx, person_id=person.id)
    assert await tell(web, event()) == 204
    with pytest.raises(SessionEnded):
        async with market.database.transaction() as tx:
            await login.refresh(tx, refresh_token=tokens.refresh_token)


async def test_a_driver_is_told_why_on_the_screen(web: httpx.AsyncClient, market: Market) -> None:
    await earn(market, 10_000)
    async with market.database.transaction() as tx:
        person = await people.recognise(tx, phone=DRIVER)
        await people.choose_language(tx, person_id=person.id, language="fr")
        await people.set_pin(tx, person_id=person.id, pin="739164")
    assert await tell(web, event()) == 204
    handset = Handset(build_ussd(market.database), "s1", DRIVER)
    await handset.dial("9")
    assert (await handset.say("5", "1", "1")).step == "pin.enter"
    end = await handset.say("739164")
    assert end.text == "Nouvelle carte SIM: pas de retrait ni de nouveau PIN avant 24 h, par sécurité."
    assert await market.rows(select(payout)) == []


# ---- two of finance --------------------------------------------------------------------------------------


async def test_two_of_finance_end_it_early(web: httpx.AsyncClient, market: Market) -> None:
    await earn(market, 10_000)
    one, other = new_id(), new_id()
    database, approvals = market.database, make_approvals(())
    async with database.transaction() as tx:
        with pytest.raises(NotFound):
            await sim_changes.propose_lifting(tx, phone=DRIVER, reason="seen in person", by=one)
    for reference in ("a", "b"):
        assert await tell(web, event(id=reference)) == 204
    async with database.transaction() as tx:
        proposal = await sim_changes.propose_lifting(tx, phone=DRIVER, reason="seen in person", by=one)
        with pytest.raises(AlreadyProposed):
            await sim_changes.propose_lifting(tx, phone=DRIVER, reason="again", by=other)
    with pytest.raises(SelfApproval):
        async with database.transaction() as tx:
            await approvals.approve(tx, proposal_id=proposal.id, by=one)
    with pytest.raises(SimChanged):
        await ask_for_payout(market)
    async with database.transaction() as tx:
        await approvals.approve(tx, proposal_id=proposal.id, by=other)
    assert (await ask_for_payout(market)).state == "PENDING"
    rows = await market.rows(select(sim_change.c.proposal_id))
    assert [row.proposal_id for row in rows] == [proposal.id] * 2
    assert "de nouveau possibles" in (await market.texts(DRIVER))[-1]
