"""Support's commands: what waits, whom to call, and how a dispute ends."""

import argparse

import pytest

from core.clock import ManualClock
from core.database import Database
from core.errors import NotFound
from gateway import support, support_verbs
from gateway.errors import CannotRun
from gateway.menus.pasts import an_order
from gateway.seed import SeedSummary, seed
from ledger import chart
from marketplace.ordering.errors import WrongState
from marketplace.people import service as people
from marketplace.people.staff import add_staff
from marketplace.support import service as cases
from tests.support.market import CUSTOMER, Market

pytestmark = pytest.mark.anyio

PASSWORD = "a password of support"


@pytest.fixture
async def town(database: Database, clock: ManualClock) -> SeedSummary:
    return await seed(database)


@pytest.fixture
async def desk(database: Database, town: SeedSummary, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user of support, with the password in the environment."""
    async with database.transaction() as tx:
        await add_staff(tx, username="ada", role="support", password=PASSWORD, totp_secret=None)
    monkeypatch.setenv("STAFF_PASSWORD", PASSWORD)
    monkeypatch.setenv("STAFF_TOTP", "000000")
    return "ada"


async def run(database: Database, *words: str) -> str:
    parser = argparse.ArgumentParser()
    support_verbs.add_verbs(parser.add_subparsers(required=True), lambda _: "")
    arguments = parser.parse_args(["support", *words, "--language", "en"])
    shown: str = await getattr(support, arguments.does)(database, arguments)
    return shown


async def disputed(database: Database, clock: ManualClock) -> int:
    """A meal that never came: the number of its case."""
    order_id = await an_order(database, CUSTOMER, "PICKED_UP")
    clock.advance(minutes=31)
    async with database.transaction() as tx:
        customer = await people.recognise(tx, phone=CUSTOMER)
        made = await cases.complain(tx, person_id=customer.id, order_id=order_id, reason="not_received")
    return made.number


async def test_who_asks_for_a_call_is_called_and_told(database: Database, clock: ManualClock, desk: str) -> None:
    assert await run(database, "list") == "Nothing waits."
    async with database.transaction() as tx:
        customer = await people.recognise(tx, phone=CUSTOMER)
        made = await cases.ask_call_back(tx, person_id=customer.id)
    listed = await run(database, "list")
    assert str(made.number) in listed and CUSTOMER not in listed
    assert f"Call {CUSTOMER}" in await run(database, "show", str(made.number), "--as", desk)
    assert "closed" in await run(database, "close", str(made.number), "--as", desk)
    assert await run(database, "list") == "Nothing waits."
    assert str(made.number) in (await Market(database, clock).texts(CUSTOMER))[-1]


@pytest.mark.parametrize(("decision", "state"), [("refund", "RESOLVED_REFUND"), ("pay", "RESOLVED_PAY")])
async def test_a_dispute_ends_by_a_decision(
    database: Database, clock: ManualClock, desk: str, decision: str, state: str
) -> None:
    number = await disputed(database, clock)
    assert "decide" in await run(database, "show", str(number), "--as", desk)
    await run(database, "decide", str(number), decision, "--as", desk)
    async with database.reading() as tx:
        ended = await cases.get(tx, number=number)
    assert (ended.order_state, ended.closed_at) == (state, clock.now())
    assert ended.order_id is not None
    assert await Market(database, clock).balance(chart.escrow(ended.order_id)) == 0
    with pytest.raises(WrongState):
        await run(database, "decide", str(number), decision, "--as", desk)


async def test_only_support_ends_cases(
    database: Database, clock: ManualClock, desk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound):
        await run(database, "close", "99", "--as", desk)
    async with database.transaction() as tx:
        await add_staff(tx, username="bob", role="support", password=PASSWORD, totp_secret=None)
    monkeypatch.setattr(support, "ROLES", ("finance",))
    with pytest.raises(CannotRun, match="bob is not of finance"):
        await run(database, "close", "99", "--as", "bob")
