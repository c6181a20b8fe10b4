"""The conversation engine at its edges; the numbers are those of the conformance vectors (ussd-dialects)."""

import asyncio

import pytest

from core import gsm
from core.database import Database
from menus_ussd.engine import Engine
from menus_ussd.session import encode
from menus_ussd.stores import SessionStore
from tests.menus_ussd.toy import Handset, ToyShop, sales

pytestmark = pytest.mark.anyio


async def test_the_same_digit_twice_is_two_answers(handset: Handset) -> None:  # vector 1
    first = await handset.dial()
    assert first.expects_input and first.step == "home"
    assert (await handset.say("1")).step == "order.restaurant"
    assert (await handset.say("1")).step == "pin.enter"


async def test_a_repeated_request_gets_the_same_bytes_and_one_effect(  # vector 2
    handset: Handset, database: Database
) -> None:
    await handset.dial()
    bought = await handset.say("1", "1", "4821", "1")
    assert not bought.expects_input
    assert await handset.send(handset.transcript) == bought
    assert await sales(database) == 1


async def test_two_requests_at_the_same_moment_are_one(handset: Handset, database: Database) -> None:  # vector 3
    await handset.dial()
    await handset.say("1", "1", "4821")
    last = handset.transcript + "*1"
    replies = await asyncio.gather(*(handset.send(last) for _ in range(10)))
    assert len({reply.text for reply in replies}) == 1
    assert await sales(database) == 1


async def test_a_deep_dial_stops_before_the_secret(handset: Handset, database: Database) -> None:  # vector 4
    assert (await handset.dial("1*2*4821*1")).step == "pin.enter"
    assert await sales(database) == 0
    assert not (await handset.say("4821", "1")).expects_input
    assert await sales(database) == 1


async def test_a_deep_dial_stops_before_an_effect(handset: Handset, database: Database) -> None:  # vector 4
    assert (await handset.dial("4*2")).step == "home"
    assert await sales(database) == 0
    assert (await handset.say("4")).step == "home"
    assert await sales(database) == 1


async def test_a_printed_code_is_values_not_page_numbers(handset: Handset) -> None:
    assert (await handset.dial("12")).step == "pin.enter"


async def test_a_star_in_free_text_is_one_input(handset: Handset) -> None:  # vector 5
    await handset.dial()
    await handset.say("2")
    assert (await handset.send("2*5*6")).step == "wallet.amount"
    end = await handset.say("500")
    assert "5*6" in end.text


async def test_an_empty_reply_asks_again(handset: Handset) -> None:  # vector 6
    await handset.dial()
    await handset.say("1")
    again = await handset.send("1*")
    assert again.expects_input and again.step == "order.restaurant" and again.text.startswith("Choix inconnu.")
    assert (await handset.send("1**1")).step == "pin.enter"


async def test_a_known_position_replays_and_a_stranger_is_told_to_dial_again(handset: Handset) -> None:  # vector 8
    await handset.dial()
    menu = await handset.say("1")
    await handset.say("1")
    assert await handset.send("1") == menu
    lost = await handset.send("7*7*7")
    assert not lost.expects_input and "*237*1#" in lost.text
    assert (await handset.send("1*1")).step == "pin.enter"


async def test_another_phone_cannot_join_a_session(engine: Engine, handset: Handset) -> None:
    await handset.dial()
    thief = Handset(engine, session_id=handset.session_id, phone="+237690000009")
    assert not (await thief.send("1")).expects_input


async def test_no_digit_of_a_secret_is_kept(handset: Handset, store: SessionStore) -> None:  # vector 10
    await handset.dial()
    await handset.say("1", "1", "4821")
    async with store.claim("toy:s1") as claim:
        assert claim.session is not None
        packed = encode(claim.session)
    assert b"4821" not in packed and b"670000001" not in packed


@pytest.mark.parametrize("kind", ["memory"])  # what is typed is read before any store sees it
@pytest.mark.parametrize("typed", ["1abc", "99", "", "é", "-1", "1.0", "x" * 200, "\x00\x01", "1 1", "😀"])
async def test_whatever_is_typed_at_a_menu_asks_again(handset: Handset, typed: str) -> None:  # vector 15
    await handset.dial()
    again = await handset.say(typed)
    assert again.expects_input and again.step == "home"
    assert gsm.septets(again.text) <= 160


async def test_what_other_code_looked_up_is_looked_up_again(handset: Handset, store: SessionStore) -> None:
    await handset.dial()
    await handset.say("1", "2")
    await _rewrite(store, "price", {"of": "other code"})
    assert "200 " in (await handset.say("4821")).text


async def test_what_other_code_took_for_an_answer_is_asked_again(handset: Handset, store: SessionStore) -> None:
    await handset.dial()
    await handset.say("1", "2")
    await _rewrite(store, "order.restaurant", {"of": "other code"})
    assert (await handset.say("4821")).step == "order.restaurant"
    assert (await handset.say("2")).step == "pin.enter"


async def _rewrite(store: SessionStore, id: str, value: object) -> None:
    """Have the journal's line as code would have left it that was replaced since."""
    async with store.claim("toy:s1") as claim:
        assert claim.session is not None
        next(entry for entry in claim.session.journal if entry.id == id).value = value
        await claim.commit(claim.session)


async def test_a_wrong_secret_asks_again_and_a_repeat_counts_once(handset: Handset, shop: ToyShop) -> None:
    await handset.dial()
    await handset.say("1", "1")
    wrong = await handset.say("1111")
    assert wrong.expects_input and wrong.step == "pin.enter"
    assert await handset.send(handset.transcript) == wrong
    assert len(shop.pins) == 1
    assert (await handset.say("4821")).step == "wallet.confirm"


async def test_a_long_list_pages_forth_and_back(handset: Handset) -> None:
    await handset.dial()
    first = await handset.say("1")
    assert "98 Suite" in first.text and "\n1 Toy" in first.text
    second = await handset.say("98")
    assert second.text != first.text and "98" in second.text
    assert all(gsm.septets(page.text) <= 160 for page in (first, second))
    assert (await handset.say("0")).text == first.text
    assert (await handset.say("12")).step == "pin.enter"


async def test_back_drops_the_last_answer_and_home_all(handset: Handset) -> None:
    home = await handset.dial()
    menu = await handset.say("1")
    await handset.say("2")
    assert (await handset.say("0")).text == menu.text
    assert (await handset.say("0")).text == home.text
    await handset.say("1", "1")
    assert (await handset.say("00")).text == home.text


async def test_what_a_number_meant_is_what_was_shown(handset: Handset, shop: ToyShop) -> None:
    await handset.dial()
    await handset.say("1")
    assert shop.listed == 1
    await handset.say("3")
    assert shop.listed == 1


async def test_a_dropped_session_is_taken_up_again_but_asks_the_secret_again(
    engine: Engine, handset: Handset, database: Database
) -> None:
    await handset.dial()
    await handset.say("1", "5", "4821")
    again = Handset(engine, session_id="s2")
    assert (await again.dial()).step == "resume"
    assert (await again.say("1")).step == "pin.enter"
    end = await again.say("4821", "1")
    assert "500" in end.text
    assert await sales(database) == 1


async def test_a_new_start_after_a_drop(engine: Engine, handset: Handset) -> None:
    await handset.dial()
    await handset.say("1", "5")
    again = Handset(engine, session_id="s2")
    await again.dial()
    assert (await again.say("2")).step == "home"
    third = Handset(engine, session_id="s3")
    assert (await third.dial()).step == "home"


async def test_death_between_the_effects_commit_and_the_sessions(
    engine: Engine, handset: Handset, shop: ToyShop, database: Database
) -> None:
    await handset.dial()
    await handset.say("1", "1", "4821")
    shop.broken_after_commit = True
    broken = await handset.say("1")
    assert not broken.expects_input and "*237*1#" in broken.text
    assert await sales(database) == 1
    shop.broken_after_commit = False
    again = Handset(engine, session_id="s2")
    await again.dial()
    end = await again.say("1", "4821", "1")
    assert not end.expects_input and "100" in end.text
    assert await sales(database) == 1


async def test_a_refused_effect_ends_with_what_is_wrong(handset: Handset, shop: ToyShop, database: Database) -> None:
    shop.sold_out = True
    await handset.dial()
    end = await handset.say("1", "1", "4821", "1")
    assert end.text == "Ce n'est plus possible." and await sales(database) == 0


async def test_a_code_is_sealed_in_the_receipt_and_the_same_when_repeated(
    handset: Handset, store: SessionStore, database: Database
) -> None:
    from core.sealed import code, reveal

    await handset.dial()
    shown = await handset.say("3")
    digits = code(database.keys, "delivery_code", "d.1")
    assert digits in reveal(database.keys, shown.text) and digits not in shown.text
    async with store.claim("toy:s1") as claim:
        assert claim.session is not None and digits.encode() not in encode(claim.session)
    assert await handset.send("3") == shown


async def test_code_that_changed_in_mid_session_asks_the_first_question_that_no_longer_fits(
    handset: Handset, shop: ToyShop, engine: Engine
) -> None:
    from menus_ussd.call import Call, End
    from menus_ussd.questions import Option

    await handset.dial()
    await handset.say("1", "1")

    async def renamed(call: Call) -> End:
        await call.choose("more", [Option("a", 1), Option("b", 2)], of=int)
        return End("ussd.pin.done")

    engine.conversation = engine.conversation._replace(root=renamed)
    assert (await handset.say("4821")).step == "more"
    assert (await handset.say("2")).step == "ussd.pin.done"


async def test_a_repeat_waits_for_a_slow_first_and_gets_its_answer(
    handset: Handset, shop: ToyShop, engine: Engine, database: Database
) -> None:
    await handset.dial()
    await handset.say("1", "1", "4821")
    shop.slow_seconds = engine.database.settings.ussd_soft_deadline_seconds * 1.2
    last = handset.transcript + "*1"
    first, twin = await asyncio.gather(handset.send(last), handset.send(last))
    assert first == twin and first.step == "ussd.wallet.sent"
    assert await sales(database) == 1


async def test_what_is_done_again_after_a_new_start_is_done(handset: Handset, database: Database) -> None:
    """A journey that starts anew has a new run, or its second effect would be taken for the first."""
    await handset.dial()
    assert (await handset.say("4")).step == "home"
    assert (await handset.say("4")).step == "home"
    assert await sales(database) == 2


@pytest.mark.parametrize("kind", ["memory"])  # what is typed is read before any store sees it
@pytest.mark.parametrize("dialled", ["\x02phone:zz\x03", "1*\x02zz:zz\x03", "abc\x00", "9" * 400, "²³", "*" * 50, "😀"])
async def test_whatever_is_dialled_gets_a_page(handset: Handset, database: Database, dialled: str) -> None:
    from core.sealed import reveal

    shown = await handset.dial(dialled)
    assert shown.expects_input and "\x02" not in shown.text
    assert reveal(database.keys, shown.text) == shown.text
