"""What becomes of a talk that was cut short: by its journey's policy, by a reminder's number, and never lost twice."""

import msgspec
import pytest
from sqlalchemy import insert, select

from core import sealed
from core.clock import ManualClock
from core.database import Database
from core.ids import new_id
from core.settings import Settings
from gateway.menus.pasts import EXPIRED, PIN, RICH, may_pay_again
from ledger import chart
from ledger.service import Leg, post
from marketplace.notifications.service import opt_out
from marketplace.ordering import reminders
from marketplace.ordering.tables import cart, cart_reminder, customer_order
from marketplace.people import service as people
from marketplace.wallets.tables import top_up
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from menus_ussd.journeys.policies import POLICIES, policy_of
from tests.menus_ussd.toy import Handset
from tests.support.market import Market, open_market

pytestmark = pytest.mark.anyio

CUSTOMER = "+237670000333"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, wallet_withdrawals=True)


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    market = await open_market(database, clock)
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await people.choose_language(tx, person_id=person.id, language="fr")
    return market


@pytest.fixture
def engine(market: Market) -> Engine:
    return build_ussd(market.database)


async def dropped(engine: Engine, dialled: str, *inputs: str, phone: str = CUSTOMER) -> str:
    """A talk that is cut off; the question it stood at."""
    handset = Handset(engine, f"dropped {dialled}", phone)
    reply = await handset.dial(dialled)
    return (await handset.say(*inputs)).step if inputs else reply.step


async def redialled(engine: Engine, dialled: str = "", *inputs: str, phone: str = CUSTOMER, session: str = "s2") -> str:
    handset = Handset(engine, session, phone)
    reply = await handset.dial(dialled)
    return (await handset.say(*inputs)).step if inputs else reply.step


async def key_of(engine: Engine, dialled: str, label: str, *, phone: str = CUSTOMER) -> str:
    """The key of a line, on whatever page of the menu it stands."""
    handset = Handset(engine, f"looking for {label}", phone)
    page = await handset.dial(dialled)
    while label not in page.text:
        page = await handset.say("98")
    return next(line.split()[0] for line in page.text.split("\n") if label in line)


# ---- policies --------------------------------------------------------------------------------------------


async def test_an_order_goes_on_at_the_very_question(engine: Engine) -> None:
    assert await dropped(engine, "45", "1", "2") == "place.landmark"
    assert await redialled(engine) == "resume"
    assert await redialled(engine, "", "1", session="s3") == "place.landmark"


async def test_what_is_only_looked_at_is_asked_for_anew(engine: Engine) -> None:
    for dialled in ("3", "4", "8"):
        assert await dropped(engine, dialled) != "home"
        assert await redialled(engine, session=f"after {dialled}") == "home"


async def test_a_new_pin_is_chosen_from_the_beginning(engine: Engine) -> None:
    pin = await key_of(engine, "8", "PIN")
    assert (await dropped(engine, "8", pin)).startswith("pin.")
    assert await redialled(engine) == "home"


async def test_a_top_up_is_confirmed_again_and_forgotten_sooner(engine: Engine, clock: ManualClock) -> None:
    assert await dropped(engine, "4", "1", "500") == "wallet.confirm"
    assert await redialled(engine) == "resume"
    assert await redialled(engine, "", "1", session="s3") == "wallet.confirm"
    clock.advance(minutes=POLICIES["wallet.top_up"].minutes, seconds=1)
    assert await redialled(engine, session="s4") == "home"


async def test_a_withdrawal_shows_its_amount_again_before_the_pin(engine: Engine, market: Market) -> None:
    await is_rich(market.database)
    withdraw = await key_of(engine, "4", "Retirer", phone=RICH)
    assert await dropped(engine, "4", withdraw, "500", "1", phone=RICH) == "pin.enter"
    assert await redialled(engine, "", "1", phone=RICH) == "wallet.withdraw_confirm"
    assert await redialled(engine, "", "1", "1", phone=RICH, session="s3") == "pin.enter"
    assert await redialled(engine, "", "1", "1", PIN, phone=RICH, session="s4") == "ussd.wallet.withdrawn"


async def is_rich(database: Database) -> None:
    """Money from their own number, so that it may go back there, and a PIN."""
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=RICH)
        await people.choose_language(tx, person_id=person.id, language="fr")
        await people.set_pin(tx, person_id=person.id, pin=PIN)
        made = {"id": new_id(), "key": "earlier", "state": "PAID", "created_at": tx.now}
        await tx.run(insert(top_up).values(person_id=person.id, payer_id=person.id, amount_xaf=50_000, **made))
        await post(tx, key="rich", kind="test", legs=[Leg(chart.GOODWILL, chart.wallet(person.id), 50_000)])


async def test_an_order_goes_on_at_the_pin(engine: Engine, market: Market) -> None:
    await is_rich(market.database)
    assert await dropped(engine, "45*1", "1", "1", "2", phone=RICH) == "pin.enter"
    assert await redialled(engine, "", "1", phone=RICH) == "pin.enter"


async def test_paying_again_is_agreed_to_again(engine: Engine, market: Market) -> None:
    await may_pay_again(engine, EXPIRED)
    assert await dropped(engine, "3", "1", phone=EXPIRED) == "track.pay_again"
    assert await redialled(engine, "", "1", phone=EXPIRED) == "track.pay_again"


def test_every_policy_is_within_the_store_and_the_carts_life() -> None:
    assert all(1 <= policy_of(name).minutes <= Settings().ussd_resume_minutes for name in (*POLICIES, "other"))
    assert POLICIES["order"].minutes == Settings().cart_minutes


# ---- never lost twice ------------------------------------------------------------------------------------


async def test_an_offer_that_was_cut_short_itself_is_made_again(engine: Engine, clock: ManualClock) -> None:
    assert await dropped(engine, "45", "1", "2") == "place.landmark"
    for n in range(4):
        assert await redialled(engine, session=f"drop {n}") == "resume"
        clock.advance(minutes=5)
    assert await redialled(engine, "", "1", session="last") == "place.landmark"


async def test_a_number_from_a_wall_puts_the_unfinished_aside(engine: Engine) -> None:
    assert await dropped(engine, "45", "1", "2") == "place.landmark"
    assert await redialled(engine, "3") == "track.none"
    assert await redialled(engine, session="s3") == "resume"
    assert await redialled(engine, "", "1", session="s4") == "place.landmark"


async def test_what_was_offered_lives_no_longer_for_being_offered(engine: Engine, clock: ManualClock) -> None:
    assert await dropped(engine, "45", "1", "2") == "place.landmark"
    clock.advance(minutes=20)
    assert await redialled(engine) == "resume"
    clock.advance(minutes=11)
    assert await redialled(engine, session="s3") == "home"


async def test_starting_anew_forgets_it(engine: Engine) -> None:
    assert await dropped(engine, "45", "1", "2") == "place.landmark"
    assert await redialled(engine, "", "2") == "home"
    assert await redialled(engine, session="s3") == "home"


# ---- the reminder ----------------------------------------------------------------------------------------


async def reminded(market: Market, clock: ManualClock, *, minutes: int = 4) -> list[str]:
    clock.advance(minutes=minutes)
    await reminders.sweep(market.database)
    return await market.texts(CUSTOMER)


async def code_of(database: Database) -> str:
    async with database.reading() as tx:
        return sealed.code(tx.keys, "cart_code", await tx.value(select(cart_reminder.c.cart_id)))


async def test_who_was_cut_off_gets_one_number_that_goes_on_exactly_there(
    engine: Engine, market: Market, clock: ManualClock
) -> None:
    assert await dropped(engine, "45", "1", "2") == "place.landmark"
    assert await reminded(market, clock, minutes=2) == []
    (told,) = await reminded(market, clock, minutes=2)
    code = await code_of(market.database)
    assert f"*237*1*7*{code}#" in told and len(told) <= 160
    assert await redialled(engine, f"7*{code}") == "place.landmark"
    assert len(await reminded(market, clock)) == 1


async def test_the_number_goes_on_with_the_cart_when_the_session_is_lost(
    engine: Engine, market: Market, clock: ManualClock
) -> None:
    await dropped(engine, "45", "1", "2")
    await reminded(market, clock)
    reborn = build_ussd(market.database)
    code = await code_of(market.database)
    assert await redialled(reborn, f"7*{code}") == "place.quarter"
    assert await redialled(reborn, f"7*{code}", "1", "1", session="s3") == "order.confirm"
    async with market.database.reading() as tx:
        assert len(await tx.all(select(cart.c.id))) == 1


async def test_with_another_code_it_is_a_plain_dial(engine: Engine, market: Market, clock: ManualClock) -> None:
    await dropped(engine, "45", "1", "2")
    await reminded(market, clock)
    code = await code_of(market.database)
    other = f"{(int(code) + 1) % 10_000:04d}"
    assert await redialled(engine, f"7*{other}") == "resume"
    assert await redialled(engine, "7", session="s3") == "resume"
    # Somebody else's code opens nothing of ours, and nothing of theirs.
    assert await redialled(engine, f"7*{code}", phone=RICH, session="s4") in ("language", "home")


async def test_the_number_leads_home_when_the_cart_is_over(engine: Engine, market: Market, clock: ManualClock) -> None:
    await dropped(engine, "45", "1", "2")
    await reminded(market, clock)
    clock.advance(minutes=40)
    assert await redialled(engine, f"7*{await code_of(market.database)}") == "home"


async def test_no_reminder_of_what_was_ordered_discarded_or_not_wanted(
    engine: Engine, market: Market, clock: ManualClock
) -> None:
    assert await dropped(engine, "45", "1", "2", "1", "1") == "ussd.order.sent"
    before = await market.texts(CUSTOMER)
    assert await reminded(market, clock) == before
    async with market.database.reading() as tx:
        assert await tx.all(select(customer_order.c.id))
    await dropped(engine, "10", "1")
    assert await redialled(engine, "", "2") == "home"  # start anew: the cart is discarded
    assert await reminded(market, clock) == before
    await dropped(engine, "11", "1")
    async with market.database.transaction() as tx:
        await opt_out(tx, phone=CUSTOMER)
    assert await reminded(market, clock) == before


async def test_one_reminder_a_day(engine: Engine, market: Market, clock: ManualClock) -> None:
    await dropped(engine, "45", "1")
    assert len(await reminded(market, clock)) == 1
    clock.advance(hours=1)
    await dropped(engine, "10", "1")
    assert len(await reminded(market, clock)) == 1
    clock.advance(hours=24)
    await dropped(engine, "11", "1")
    assert len(await reminded(market, clock)) == 2


async def test_no_reminder_where_none_are_wanted(market: Market, settings: Settings, clock: ManualClock) -> None:
    without = msgspec.structs.replace(settings, cart_reminders_per_day=0)
    database = Database(market.database.url, settings=without, keys=market.database.keys, clock=clock)
    await dropped(build_ussd(database), "45", "1")
    clock.advance(minutes=4)
    assert await reminders.sweep(database) == 0
    await database.close()
