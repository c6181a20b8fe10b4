"""A driver's talks: from coming on to the customer's code, with codes that are kept nowhere."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from ledger import chart
from marketplace.delivery import handover
from marketplace.delivery import service as delivery
from marketplace.delivery.queries import code_ref
from marketplace.delivery.tables import code_miss
from marketplace.delivery.tables import delivery as deliveries
from marketplace.ordering.tables import customer_order
from marketplace.payouts.tables import payout
from marketplace.people.tables import driver
from marketplace.support.tables import support_case
from menus_ussd import session as codec
from menus_ussd.engine import Engine
from menus_ussd.journeys import CONVERSATION
from menus_ussd.stores.memory import MemorySessionStore
from tests.menus_ussd.test_staff_restaurant import PIN, ends, speak_french, with_pin
from tests.menus_ussd.toy import Handset
from tests.support.market import CUSTOMER, DRIVERS, RESTAURANT, Market, open_market

pytestmark = pytest.mark.anyio


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    opened = await open_market(database, clock)
    await speak_french(opened, *DRIVERS, CUSTOMER, RESTAURANT)
    return opened


@pytest.fixture
def store() -> MemorySessionStore:
    return MemorySessionStore(ttl_seconds=3600)


class Riders:
    """Drivers' phones, each dial a new session of the same engine."""

    def __init__(self, market: Market, store: MemorySessionStore) -> None:
        self.engine = Engine(market.database, store, CONVERSATION)
        self.sessions = 0

    async def dial(self, phone: str = DRIVERS[0]) -> Handset:
        """At the driver's menu."""
        self.sessions += 1
        handset = Handset(self.engine, f"s{self.sessions}", phone)
        page = await handset.dial("9")
        if page.step == "resume":
            page = await handset.say("2", "9")
        assert page.step.startswith("staff.driver"), page.text
        return handset


@pytest.fixture
def riders(market: Market, store: MemorySessionStore) -> Riders:
    return Riders(market, store)


async def offered(market: Market, *phones: str, number: int = 4821) -> UUID:
    """An order that these drivers were offered, by one."""
    order_id = await market.order(number=number)
    delivery_id = await market.begin(order_id)
    for phone in phones:
        await market.come_on(phone)
    await market.tick()
    if len(phones) > 1:
        await market.tick(seconds=80)  # the second wave asks three
    return delivery_id


async def claimed(market: Market) -> UUID:
    """The order's delivery, held by the first driver."""
    delivery_id = await offered(market, DRIVERS[0])
    async with market.database.transaction() as tx:
        await delivery.claim(tx, driver_id=await market.driver_id(DRIVERS[0]), number=4821)
    return delivery_id


async def carried(market: Market) -> UUID:
    """The same with the food in hand."""
    delivery_id = await claimed(market)
    async with market.database.transaction() as tx:
        here = {"driver_id": await market.driver_id(DRIVERS[0]), "number": 4821}
        await handover.pick_up(tx, pickup_number=counter(market, delivery_id), **here)
    return delivery_id


def counter(market: Market, delivery_id: UUID) -> str:
    return market.database.keys.digits("pickup_number", str(delivery_id), 2)


async def trip(market: Market) -> Any:
    (row,) = await market.rows(select(deliveries))
    return row


async def customers_code(market: Market) -> str:
    return market.database.keys.digits("delivery_code", code_ref(await trip(market)), 4)


# ---- presence --------------------------------------------------------------------------------------------


async def test_three_letters_and_a_key_bring_a_driver_on_and_the_last_quarter_comes_first(
    market: Market, riders: Riders
) -> None:
    phone = await riders.dial()
    found = await phone.say("1", "bon")
    assert found.step == "staff.found" and "Bonamoussadi" in found.text
    key = next(line.split()[0] for line in found.text.splitlines() if "Bonamoussadi" in line)
    ends(await phone.say(key), "ussd.staff.on_now", "Bonamoussadi")

    again = await riders.dial()
    assert (await again.send(again.transcript)).text.startswith("En service (ON): Bonamoussadi\n1 Changer de quartier")
    assert (await again.say("1")).text.splitlines()[1] == "1 Bonamoussadi"
    ends(await (await riders.dial()).say("2"), "ussd.staff.off_now")
    (row,) = await market.rows(select(driver).where(driver.c.id == await market.driver_id(DRIVERS[0])))
    assert row.state == "off"


async def test_a_look_at_the_menu_counts_as_being_heard_of(market: Market, riders: Riders) -> None:
    driver_id = await market.come_on(DRIVERS[0])
    market.clock.advance(minutes=100)
    await riders.dial()
    (row,) = await market.rows(select(driver.c.last_seen_at).where(driver.c.id == driver_id))
    assert row.last_seen_at == market.clock.now()


# ---- offers ----------------------------------------------------------------------------------------------


async def test_of_two_drivers_who_take_an_offer_one_has_it_and_the_other_reads_so(
    market: Market, riders: Riders
) -> None:
    await offered(market, *DRIVERS[:3])
    looking = []
    for phone in DRIVERS[:3]:
        handset = await riders.dial(phone)
        if "Offres (1)" in (await handset.send(handset.transcript)).text:
            page = await handset.say("3")
            assert page.step == "staff.offer" and "800F" in page.text and "Makepe" in page.text
            looking.append(handset)
    first, second, *_ = looking
    taken = await first.say("1")
    ends(taken, "ussd.staff.taken_now", "4821", "Marmite", "Bonamoussadi")
    ends(await second.say("1"), "error.offer_taken", "déjà prise")
    assert await first.send(first.transcript) == taken


async def test_an_offer_whose_time_is_over_cannot_be_taken(market: Market, riders: Riders) -> None:
    await offered(market, DRIVERS[0])
    phone = await riders.dial()
    await phone.say("3")
    market.clock.advance(seconds=80)
    ends(await phone.say("1"), "error.offer_over", "4821")
    assert (await trip(market)).driver_id is None


# ---- the job ---------------------------------------------------------------------------------------------


async def test_a_whole_job_by_digits_alone(market: Market, riders: Riders, store: MemorySessionStore) -> None:
    delivery_id = await claimed(market)
    phone = await riders.dial()
    fetch = await phone.say("4")
    assert fetch.text.splitlines()[-4:-1] == ["1 Je suis au restaurant", "2 J'ai le repas", "4 Problème"]
    assert (await phone.say("1")).step == "staff.fetch#2" and (await trip(market)).state == "AT_RESTAURANT"
    assert (await phone.say("2")).step == "staff.counter"
    picked = await phone.say(counter(market, delivery_id))
    ends(picked, "ussd.staff.picked_now", "Makepe, Carrefour", "Tel ")
    assert (await trip(market)).state == "PICKED_UP"

    phone = await riders.dial()
    deliver = await phone.say("4")
    assert deliver.step == "staff.deliver" and "3 Renvoyer le code au client" in deliver.text
    assert (await phone.say("1")).expects_input and (await trip(market)).state == "AT_DOOR"
    assert (await phone.say("2")).step == "staff.code"
    code = await customers_code(market)
    end = await phone.say(code)
    ends(end, "ussd.staff.handed_now", "4821", "+800F")
    assert await phone.send(phone.transcript) == end
    (row,) = await market.rows(select(customer_order.c.state))
    assert row.state == "DELIVERED"
    kept = b"".join(codec.encode(one) for key in ("s1", "s2") if (one := store.read(f"toy:{key}")))
    assert len(kept) > 500
    for secret in (code, CUSTOMER[-9:]):
        assert not re.search(rb"(?<![\w-])" + secret.encode() + rb"(?![\w-])", kept)


async def test_a_wrong_code_counts_once_however_often_it_is_sent(market: Market, riders: Riders) -> None:
    await carried(market)
    wrong = f"{(int(await customers_code(market)) + 1) % 10_000:04d}"
    phone = await riders.dial()
    await phone.say("4", "2")
    told = await phone.say(wrong)
    assert told.step == "staff.code" and "Essais restants: 4" in told.text
    assert await phone.send(phone.transcript) == told
    for typed in ("730", "73055", "abcd", "²³²³", "", "😀"):
        assert (await phone.say(typed)).step == "staff.code", typed
    assert len(await market.rows(select(code_miss))) == 1
    for left in (3, 2, 1, 0):
        assert f"restants: {left}" in (await phone.say(wrong)).text
    locked = await phone.say(await customers_code(market))
    assert "bloqué" in locked.text and locked.expects_input
    (row,) = await market.rows(select(customer_order.c.state))
    assert row.state == "PICKED_UP"


async def test_a_problem_on_the_way_gives_the_job_back_and_at_the_door_calls_support(
    market: Market, riders: Riders
) -> None:
    await claimed(market)
    phone = await riders.dial()
    asked = await phone.say("4", "4")
    assert asked.step == "staff.problem" and "1 Panne" in asked.text
    ends(await phone.say("1"), "ussd.staff.problem_fetching", "4821")
    assert (await trip(market)).driver_id is None
    (case,) = await market.rows(select(support_case))
    assert (case.kind, case.details["what"]) == ("problem", "vehicle")


async def test_with_the_food_in_hand_a_problem_keeps_the_job(market: Market, riders: Riders) -> None:
    await carried(market)
    ends(await (await riders.dial()).say("4", "4", "2"), "ussd.staff.problem_carrying", "4821")
    assert (await trip(market)).state == "PICKED_UP"


async def test_the_customer_gets_the_code_again_but_not_for_ever(market: Market, riders: Riders) -> None:
    await carried(market)
    code = await customers_code(market)
    for _ in range(3):
        ends(await (await riders.dial()).say("4", "3"), "ussd.staff.resent_now", "4821")
    ends(await (await riders.dial()).say("4", "3"), "error.resends_used", "4821")
    assert sum(code in text for text in await market.texts(CUSTOMER)) == 4
    assert not any(code in text for text in await market.texts(DRIVERS[0]))


async def test_sos_asks_once_and_is_a_case(market: Market, riders: Riders) -> None:
    phone = await riders.dial()
    assert (await phone.say("9")).step == "staff.sos" and await market.rows(select(support_case)) == []
    ends(await phone.say("1"), "ussd.staff.sos_now")
    assert [row.kind for row in await market.rows(select(support_case))] == ["sos"]


# ---- earnings --------------------------------------------------------------------------------------------


async def test_a_driver_reads_what_was_earned_and_has_it_sent(market: Market, riders: Riders) -> None:
    await with_pin(market, DRIVERS[0])
    await carried(market)
    code = await customers_code(market)
    await (await riders.dial()).say("4", "2", code)
    phone = await riders.dial()
    page = await phone.say("5")
    assert page.text.splitlines()[:3] == ["Aujourd'hui 800F (1)", "Semaine 800F", "A vous payer: 800F"]
    ends(await phone.say("1", "1", PIN), "ussd.staff.payout_now", "800F")
    (row,) = await market.rows(select(payout))
    assert (row.owner, row.amount_xaf) == ("driver", 800)
    assert await market.balance(chart.driver_payable(await market.driver_id(DRIVERS[0]))) == 0
