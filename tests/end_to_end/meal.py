"""One meal from the dial to the payouts, as the people of the town see it."""

import re

from tests.end_to_end.town import Town, eventually

RESTAURANT_NUMBER = 11
RESTAURANT = "+237671000011"
DRIVER = "+237672000001"
LANGUAGE_KEYS = {"fr": "1", "en": "2"}


def number_in(text: str) -> str:
    """The order's 4-digit number."""
    found = re.search(r"\b(\d{4})\b", text)
    assert found, text
    return found[1]


def order_by_ussd(town: Town, phone: str, language: str, *, pay: str = "1") -> str:
    """A first order at the restaurant that is dialled directly, up to the end of the session; its number."""
    handset = town.handset(phone)
    handset.dial(str(RESTAURANT_NUMBER))
    page = handset.say(LANGUAGE_KEYS[language], "22", "1", "1")
    assert "Total" in page, page
    end = handset.say(pay)
    assert end.startswith("END "), end
    handset.hang_up()
    return number_in(end)


def accept(town: Town, number: str) -> None:
    """The restaurant reads the order and takes it, ready at once."""
    town.await_text(RESTAURANT, f"CMD {number}:")
    town.text(RESTAURANT, f"{number} 1")
    town.await_text(RESTAURANT, f"CMD {number} OK")
    town.text(RESTAURANT, f"PRET {number}")


def fetch(town: Town, number: str) -> None:
    """The driver takes the offer and says the counter's code."""
    town.await_text(DRIVER, "COURSE", number)
    town.text(DRIVER, f"OUI {number}")
    told = town.await_text(RESTAURANT, f"CMD {number}:", "Code du comptoir")
    pickup = re.search(r"comptoir (\d{2})", told)
    assert pickup, told
    town.text(DRIVER, f"P {number} {pickup[1]}")


def code_of(town: Town, phone: str, number: str) -> str:
    """The delivery code as the customer's SMS tells it."""

    def look() -> str | None:
        for text in town.inbox(phone):
            digits = re.findall(r"(?<!\d)\d{4}(?!\d)", text.replace(number, "", 1)) if number in text else []
            if digits and "code" in text.lower():
                return str(digits[0])
        return None

    return str(eventually(look, what=f"a delivery code for {number}; {town.inbox(phone)[:3]}"))


def deliver(town: Town, phone: str, number: str) -> str:
    """The driver texts the customer's code at the door; the code."""
    code = code_of(town, phone, number)
    town.text(DRIVER, f"{number} {code}")
    town.await_text(DRIVER, f"OK {number}", "+")
    return code


def eat(town: Town, phone: str, language: str) -> str:
    """The whole line for one order; its number."""
    number = order_by_ussd(town, phone, language)
    town.approve(phone)
    accept(town, number)
    fetch(town, number)
    deliver(town, phone, number)
    return number


def pay_out(town: Town, phone: str) -> None:
    """A restaurant or driver asks for everything it is owed, and gets it."""
    already = len(town.inbox(phone))
    town.text(phone, "PAYE")
    town.await_text(phone, "mobile money", after=already)
