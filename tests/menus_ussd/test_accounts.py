"""What is the caller's own, over USSD: stars, points, the wallet, friends."""

import re
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select, update

from core.clock import ManualClock
from core.database import Database
from gateway.menus.pasts import PIN, an_order
from ledger import chart
from ledger.service import Leg, balance, post
from marketplace.payouts.tables import payout
from marketplace.people import pins
from marketplace.people import service as people
from marketplace.ratings.tables import order_rating
from marketplace.referrals import service as referrals
from marketplace.referrals.tables import referral
from marketplace.wallets import alerts
from marketplace.wallets.tables import top_up
from menus_ussd import session as codec
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from menus_ussd.journeys import CONVERSATION
from menus_ussd.stores.memory import MemorySessionStore
from tests.menus_ussd.toy import Handset
from tests.support.market import CUSTOMER, DRIVERS, RESTAURANT, open_market

pytestmark = pytest.mark.anyio

FRIEND = "+237690000002"


async def person(database: Database, phone: str = CUSTOMER, language: str = "fr") -> UUID:
    """Somebody who has chosen a language."""
    async with database.transaction() as tx:
        found = await people.recognise(tx, phone=phone)
        await people.choose_language(tx, person_id=found.id, language=language)
        return found.id


async def give(database: Database, account: chart.Account, amount: int) -> None:
    source = chart.POINTS_ISSUED if account.currency == "PTS" else chart.GOODWILL
    async with database.transaction() as tx:
        await post(tx, key=f"given:{account.code}", kind="gift", legs=[Leg(source, account, amount)])


async def held(database: Database, account: chart.Account) -> int:
    async with database.reading() as tx:
        return await balance(tx, account)


def phone(database: Database, session_id: str, number: str = CUSTOMER) -> Handset:
    return Handset(build_ussd(database), session_id, number)


# ---- home ------------------------------------------------------------------------------------------------


async def test_home_has_its_digits_for_life_and_work_for_who_works(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    for number, digits in ((CUSTOMER, "23458"), (DRIVERS[0], "234589"), (RESTAURANT, "234589")):
        await person(database, number)
        page = await phone(database, number, number).dial()
        assert "".join(re.findall(r"^(\d) ", page.text, re.MULTILINE)) == digits


async def test_a_digit_after_the_code_is_the_digit_at_home(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    steps = {"2": "order.restaurant", "3": "track.none", "4": "wallet", "5": "promotions", "8": "more"}
    for digit, step in steps.items():
        dialled, typed = await phone(database, f"dial {digit}").dial(digit), phone(database, f"type {digit}")
        await typed.dial()
        assert (dialled.step, (await typed.say(digit)).step) == (step, step)
    assert (await phone(database, "s9").dial("9")).step == "ussd.staff.none", "who does not work here is told so"


# ---- stars -----------------------------------------------------------------------------------------------


async def ratings(database: Database) -> list[tuple[int | None, int | None]]:
    async with database.reading() as tx:
        rows = await tx.all(select(order_rating.c.restaurant_stars, order_rating.c.driver_stars))
    return [(row.restaurant_stars, row.driver_stars) for row in rows]


async def test_the_next_dial_after_a_delivery_asks_for_stars_once(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    handset = phone(database, "s1")
    assert (await handset.dial()).step == "rating.meal"
    second = await handset.say("4")
    assert second.step == "rating.ride" and "4/5" in second.text
    assert (await handset.say("5")).step == "register"
    assert await ratings(database) == [(4, 5)]
    assert (await phone(database, "s2").dial()).step == "home"


async def test_a_mistyped_star_can_be_taken_back(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    handset = phone(database, "s1")
    await handset.dial()
    assert (await handset.say("2", "0")).step == "rating.meal"
    await handset.say("5", "5")
    assert await ratings(database) == [(5, 5)]


async def test_stars_can_be_put_off_and_given_from_the_menu(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    handset = phone(database, "s1")
    await handset.dial()
    assert (await handset.say("6", "2")).step == "home"
    assert (await phone(database, "s2").dial()).step == "home", "asked once"
    later = phone(database, "s3")
    await later.dial("8")
    assert (await later.say("5")).step == "rating.meal"
    assert (await later.say("3", "6")).step == "ussd.rating.done"
    assert await ratings(database) == [(3, None)]


async def test_stars_are_in_nobodys_way(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    for dialled, step in (("45", "order.dishes"), ("2*1", "order.dishes"), ("8", "more"), ("4", "wallet")):
        handset = phone(database, f"dial {dialled}")
        assert (await handset.dial(dialled)).step == step
    assert await ratings(database) == []
    assert (await handset.say("00")).step == "rating.meal", "at home there is time"


async def test_a_meal_is_rated_where_it_was_tracked(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    await an_order(database, CUSTOMER, "DELIVERED")
    handset = phone(database, "s1")
    assert "3 Noter" in (await handset.dial("3")).text
    assert (await handset.say("3")).step == "rating.meal"
    assert (await handset.say("5", "6")).step == "ussd.rating.done"
    assert await ratings(database) == [(5, None)]
    again = phone(database, "s2")
    await again.dial("3")
    assert (await again.say("3")).step == "error.already_rated"


# ---- points ----------------------------------------------------------------------------------------------


async def test_points_become_francs(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    mine = await person(database)
    await give(database, chart.points(mine), 120)
    handset = phone(database, "s1")
    await handset.dial("4")
    page = await handset.say("3")
    assert page.step == "points" and "120 points" in page.text and "500 pour Argent" in page.text
    assert "120" in (await handset.say("1", "121")).text
    assert (await handset.say("100")).step == "points.confirm"
    assert (await handset.say("1")).step == "pin.choose", "a guest's points are kept, and spent by registered customers"
    assert (await handset.say(PIN)).step == "ussd.points.done"
    assert (await held(database, chart.points(mine)), await held(database, chart.wallet(mine))) == (20, 100)


async def test_with_nothing_in_it_a_wallet_offers_little(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    handset = phone(database, "s1")
    assert "Retirer" not in (await handset.dial("4")).text, "nor to withdraw, where that is not allowed"
    assert "1 " not in (await handset.say("3")).text.split("\n", 2)[2]
    assert (await handset.say("0", "2")).step == "ussd.wallet.no_movements"


# ---- the wallet ------------------------------------------------------------------------------------------


async def test_a_statement_shows_the_newest_first_over_pages(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    mine = await person(database)
    for amount in range(1, 15):
        async with database.transaction() as tx:
            leg = Leg(chart.GOODWILL, chart.wallet(mine), 500_000 + amount)
            await post(tx, key=f"gift:{amount}", kind="gift", legs=[leg])
    handset = phone(database, "s1")
    await handset.dial("4")
    page, seen = await handset.say("2"), []
    while True:
        assert page.step == "wallet.statement"
        seen += re.findall(r"\+(\d+)F", page.text)
        if "98 " not in page.text:
            break
        page = await handset.say("98")
    assert seen == [str(500_000 + amount) for amount in range(14, 2, -1)]
    assert (await handset.say("00")).step == "home"


async def test_limits_tell_what_is_used_of_them(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    mine = await person(database)
    first = phone(database, "s1")
    await first.dial("4")
    assert (await first.say("1", "120000", "1")).step == "ussd.wallet.sent"
    handset = phone(database, "s2")
    await handset.dial("4")
    page = await handset.say("4")
    assert "120000 sur 300000F" in page.text and "120000 sur 1000000F" in page.text
    async with database.reading() as tx:
        assert await tx.value(select(func.count()).where(top_up.c.person_id == mine)) == 1


async def test_a_top_up_whose_page_was_lost_is_told_as_it_was_asked_for(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    mine = await person(database)
    engine = build_ussd(database)
    first = Handset(engine, "s1", CUSTOMER)
    await first.dial("4")
    await first.say("1", "1000")
    async with engine.store.claim("toy:s1") as claim:
        before = claim.session
    assert before is not None
    await first.say("1")
    async with engine.store.claim("toy:s1") as claim:  # the process died before it could keep what it answered
        await claim.commit(before)
    again = Handset(engine, "s2", CUSTOMER)
    await again.dial()
    assert (await again.say("1")).step == "wallet.confirm"
    end = await again.say("0", "5000", "1")
    assert end.step == "ussd.wallet.sent" and "1000F" in end.text and "5000F" not in end.text
    async with database.reading() as tx:
        assert [row.amount_xaf for row in await tx.all(select(top_up).where(top_up.c.person_id == mine))] == [1000]


async def test_money_goes_back_to_the_number_it_came_from_after_the_pin(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    database.settings = msgspec.structs.replace(database.settings, wallet_withdrawals=True)
    mine = await person(database)
    first = phone(database, "s1")
    await first.dial("4")
    await first.say("1", "5000", "1")
    async with database.transaction() as tx:
        await tx.run(update(top_up).values(state="PAID"))
        await people.set_pin(tx, person_id=mine, pin=PIN)
    await give(database, chart.wallet(mine), 7000)
    handset = phone(database, "s2")
    await handset.dial("4")
    assert "5000F" in (await handset.say("7")).text
    assert (await handset.say("3000", "1")).step == "pin.enter"
    assert (await handset.say(PIN)).step == "ussd.wallet.withdrawn"
    async with database.reading() as tx:
        sent = await tx.one(select(payout.c.amount_xaf, payout.c.purpose))
    assert tuple(sent) == (3000, "withdrawal")


async def test_a_low_balance_is_told_to_who_asked_and_one_key_tops_up(database: Database, clock: ManualClock) -> None:
    market = await open_market(database, clock)
    mine = await person(database)
    handset = phone(database, "s1")
    await handset.dial("4")
    assert (await handset.say("5", "2500")).step == "ussd.wallet.alert_set"
    async with database.transaction() as tx:
        await alerts.spending(tx, person_id=mine, amount_xaf=0)
    assert "RECHARGE 2500" in (await market.texts(CUSTOMER))[-1]
    told = phone(database, "s2")
    page = await told.dial("4")
    assert "6 Recharger 2500F" in page.text
    assert (await told.say("6")).step == "wallet.confirm"
    assert (await told.say("1")).step == "ussd.wallet.sent"
    off = phone(database, "s3")
    await off.dial("4")
    assert (await off.say("5", "1")).step == "ussd.wallet.alert_gone"
    assert "6 " not in (await phone(database, "s4").dial("4")).text


# ---- friends ---------------------------------------------------------------------------------------------


async def test_a_friends_code_is_entered_by_its_digits(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    mine, friend = await person(database), await person(database, FRIEND)
    shown = (await phone(database, "s1", FRIEND).dial("5")).text
    async with database.reading() as tx:
        code = (await referrals.standing(tx, person_id=friend)).code
    assert f"code: {code}" in shown
    handset = phone(database, "s2")
    await handset.dial("5")
    wrong = await handset.say("1", str(code + 1))
    assert wrong.step == "referral.code" and "n'existe pas" in wrong.text
    assert (await handset.say(f"{str(code)[:2]} {str(code)[2:]}")).step == "ussd.referral.entered"
    async with database.reading() as tx:
        row = await tx.one(select(referral.c.referee_id, referral.c.referrer_id, referral.c.state))
    assert tuple(row) == (mine, friend, "pending")
    assert "Entrer un code" not in (await phone(database, "s3").dial("5")).text


# ---- a forgotten PIN -------------------------------------------------------------------------------------


async def test_a_forgotten_pin_is_chosen_anew_by_a_code_that_no_session_keeps(
    database: Database, clock: ManualClock
) -> None:
    market = await open_market(database, clock)
    mine = await person(database)
    async with database.transaction() as tx:
        await people.set_pin(tx, person_id=mine, pin="482057")
    first = phone(database, "s1")
    await first.dial("8")
    await first.say("2")
    assert (await first.say("2")).step == "ussd.pin.code_sent"
    code = re.search(r"\d{6}", (await market.texts(CUSTOMER))[-1])
    assert code
    store = MemorySessionStore(ttl_seconds=3600)
    handset = Handset(Engine(database, store, CONVERSATION), "s2", CUSTOMER)
    await handset.dial("8")
    assert (await handset.say("2", "1")).step == "pin.code"
    wrong = "000000" if code[0] != "000000" else "111111"
    assert (await handset.say(wrong)).step == "pin.code"
    assert (await handset.say(code[0])).step == "pin.choose"
    session = store.read("toy:s2")
    assert session is not None and code[0].encode() not in codec.encode(session)
    end = await handset.say(PIN)
    assert end.step == "ussd.pin.reset" and "24 h" in end.text
    await pins.check_pin(database, person_id=mine, pin=PIN, attempt="a1")


# ---- help ------------------------------------------------------------------------------------------------


async def test_a_call_is_asked_for_and_its_case_is_seen_again(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    handset = phone(database, "s1")
    await handset.dial("8")
    asked = await handset.say("3", "2")
    number = re.search(r"\d+", asked.text)
    assert asked.step == "ussd.help.called_back" and number
    later = phone(database, "s2")
    await later.dial("8")
    page = await later.say("3", "4")
    assert f"{number[0]} Rappel, 21/11: en cours" in page.text


async def test_an_order_is_complained_about(database: Database, clock: ManualClock) -> None:
    await open_market(database, clock)
    await person(database)
    handset = phone(database, "s1")
    await handset.dial("8")
    assert (await handset.say("3", "3")).step == "ussd.help.no_orders"
    await an_order(database, CUSTOMER, "DELIVERED")
    again = phone(database, "s2")
    await again.dial("8")
    assert (await again.say("3", "3", "1")).step == "help.reason"
    assert (await again.say("3")).step == "ussd.help.complained"
