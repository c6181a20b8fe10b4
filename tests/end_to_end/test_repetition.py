"""What networks repeat changes nothing the second time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end import meal
from tests.end_to_end.town import SECRET, SHORT_CODE, Town

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]


def test_the_same_ussd_request_twice_also_at_the_same_moment_is_one_order(town: Town) -> None:
    phone = "+237670000105"
    handset = town.handset(phone)
    handset.dial(str(meal.RESTAURANT_NUMBER))
    handset.say("1", "22", "1", "1")
    handset.transcript += "*1"
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: handset.send(), range(8)))
    pages.append(handset.send())
    assert len(set(pages)) == 1 and pages[0].startswith("END ")
    handset.hang_up()
    town.approve(phone)
    town.await_text(meal.RESTAURANT, f"CMD {meal.number_in(pages[0])}:")
    assert town.state()["campay"]["collect"]["by_phone"][phone.removeprefix("+")] == 1
    assert sum(f"CMD {meal.number_in(pages[0])}:" in text for text in town.inbox(meal.RESTAURANT)) == 1
    town.text(meal.RESTAURANT, f"{meal.number_in(pages[0])} 0")


def test_the_same_sms_twenty_times_has_one_effect(town: Town) -> None:
    phone = "+237670000106"
    number = meal.order_by_ussd(town, phone, "fr")
    town.approve(phone)
    town.await_text(meal.RESTAURANT, f"CMD {number}:")
    form = {
        "date": "2026-11-21 11:00:00",
        "from": meal.RESTAURANT,
        "id": "ATXid_twenty-times",
        "text": f"{number} 0",
        "to": SHORT_CODE,
        "networkCode": "62401",
    }
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: town.http.post(f"/sms/africastalking/{SECRET}", data=form), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    town.await_text(phone, number, "Mboa")
    assert sum("refusée" in text and number in text for text in town.inbox(meal.RESTAURANT)) == 1
    assert "5700F" in town.handset(phone).dial("4")  # refunded once
