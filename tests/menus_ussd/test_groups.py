"""A meal for several phones: the host opens it at the confirmation, others dial its number, the host orders."""

import re

import pytest

from core.clock import ManualClock
from core.database import Database
from marketplace.ordering import queries
from marketplace.people import service as people
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from tests.menus_ussd.toy import Handset
from tests.support.market import CUSTOMER, open_market

pytestmark = pytest.mark.anyio

FRIEND = "+237690000002"


@pytest.fixture
async def engine(database: Database, clock: ManualClock) -> Engine:
    await open_market(database, clock)
    async with database.transaction() as tx:
        for phone in (CUSTOMER, FRIEND):
            person = await people.recognise(tx, phone=phone)
            await people.choose_language(tx, person_id=person.id, language="fr")
    return build_ussd(database)


async def open_group(engine: Engine) -> str:
    """The number of a group at restaurant 45, with two of dish 1 in it."""
    host = Handset(engine, "host")
    await host.dial("45*1*2")
    end = await host.say("1", "1", "4", "4")
    assert end.step == "ussd.group.opened" and not end.expects_input
    found = re.search(r"Groupe (\d{4})", end.text)
    assert found
    return found[1]


async def test_a_friend_adds_by_the_dialled_number_and_the_host_orders_it_all(engine: Engine) -> None:
    number = await open_group(engine)
    friend = Handset(engine, "friend", FRIEND)
    assert (await friend.dial(f"6*{number}")).step == "group.dishes"
    assert (await friend.say("12")).step == "ussd.group.added"
    host = Handset(engine, "host again")
    page = await host.dial("6")
    assert page.step == "group.mine" and f"Groupe {number}, 2 pers." in page.text and "..02: 1" in page.text
    assert (await host.say("1")).step == "place.quarter"
    assert (await host.say("1", "1")).step == "order.confirm"
    assert (await host.say("1")).step == "ussd.order.sent"
    async with engine.database.reading() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        order = await queries.last_order(tx, person_id=person.id)
    assert order and sorted(line.quantity for line in order.lines) == [1, 3]
    late = Handset(engine, "late", FRIEND)
    assert (await late.dial(f"6*{number}")).step == "error.group_over"


async def test_who_has_no_group_is_asked_for_a_number(engine: Engine) -> None:
    number = await open_group(engine)
    friend = Handset(engine, "friend", FRIEND)
    assert (await friend.dial("6")).step == "group.number"
    assert (await friend.say("12")).step == "group.number"
    assert (await friend.say(number)).step == "group.dishes"


async def test_a_host_who_dials_the_number_sees_their_own_group(engine: Engine) -> None:
    number = await open_group(engine)
    host = Handset(engine, "host again")
    assert (await host.dial(f"6*{number}")).step == "group.mine"
    assert (await host.say("2")).step == "group.dishes"
    assert (await host.say("1")).step == "ussd.group.added"
