"""From the dial to the books, over HTTP only, in both languages."""

import pytest

from tests.end_to_end import meal
from tests.end_to_end.api import FinanceApi
from tests.end_to_end.running import Demo
from tests.end_to_end.town import Town

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]


@pytest.mark.parametrize(("language", "phone"), [("fr", "+237670000101"), ("en", "+237690000102")])
def test_a_meal_is_ordered_paid_cooked_delivered_and_paid_out(
    demo: Demo, town: Town, language: str, phone: str
) -> None:
    number = meal.order_by_ussd(town, phone, language)
    town.approve(phone)
    meal.accept(town, number)
    town.await_text(phone, number, {"fr": "Paiement reçu"[:10], "en": "Payment"}[language])
    meal.fetch(town, number)

    code = meal.code_of(town, phone, number)
    tracked = town.handset(phone).dial("3")
    assert number in tracked and code in tracked
    assert code not in "".join(town.inbox(meal.DRIVER))
    meal.deliver(town, phone, number)
    receipt = town.await_text(phone, number, "points")
    assert "5700F" in receipt

    meal.pay_out(town, meal.RESTAURANT)
    meal.pay_out(town, meal.DRIVER)
    assert "Points 50" in town.handset(phone).dial("4")
    checked = demo.run("doctor")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_wallet_is_filled_and_pays_for_a_meal_with_a_pin(demo: Demo, town: Town) -> None:
    phone, pin = "+237670000103", "8264"
    handset = town.handset(phone)
    handset.dial()
    handset.say("1", "4", "1")
    assert handset.say("2,5").startswith("CON ")  # a fraction is refused, and asked again
    assert handset.say("10000", "1").startswith("END ")
    handset.hang_up()
    town.approve(phone)
    town.await_text(phone, "10000F")

    handset.dial(str(meal.RESTAURANT_NUMBER))
    page = handset.say("22", "1", "1")
    assert "(10000F)" in page
    assert "PIN" in handset.say("2")
    end = handset.say(pin)
    assert end.startswith("END "), end
    number = meal.number_in(end)
    meal.accept(town, number)
    meal.fetch(town, number)
    meal.deliver(town, phone, number)
    assert "4300F" in handset.dial("4")
    assert demo.run("doctor").returncode == 0

    again = handset.dial(
        "1"
    )  # the same order once more: what is left in the wallet is not enough, so it is not offered
    assert "5700F" in again and "4300F" not in again


def test_the_books_are_read_by_finance_and_balance(demo: Demo, town: Town) -> None:
    printed = demo.run("report", "trial-balance", "--format", "text")
    assert printed.returncode == 0 and "escrow" in printed.stdout, printed.stdout + printed.stderr
    api = FinanceApi(demo)
    balance = api.get("/api/v1/reports/trial-balance")
    assert {total["currency"]: total["debit"] - total["credit"] for total in balance["totals"]} == {"XAF": 0, "PTS": 0}
    statement = api.get("/api/v1/reports/accounts/income:commission/statement")
    assert statement["lines"]
