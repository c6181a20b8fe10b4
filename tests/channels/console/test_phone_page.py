"""The phones in a real browser, by keyboard and by mouse."""

import os
import re
import shutil
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CUSTOMER, RESTAURANT = "237670000001", "237671000010"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-dev-shm-usage",
]  # fmt: skip

# A machine may be busy; what is waited for is a condition, never a time.
expect.set_options(timeout=60_000)

if CHROMIUM is None and os.environ.get("REQUIRE_ALL") != "1":
    pytest.skip("chromium is not installed: `apt-get install chromium`", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "REQUIRE_ALL=1, and chromium is not installed"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, web_url: str) -> Iterator[Page]:
    """The desk with its three phones; fails when a script or the content policy does."""
    opened = browser.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if "Refused to" in message.text else None)
    opened.goto(f"{web_url}/phone")
    expect(opened.locator(".holder").nth(2)).to_contain_text("500 000 F")
    yield opened
    opened.close()
    assert complaints == []


def phone(page: Page, number: int) -> Locator:
    return page.locator(".phone").nth(number)


def press(handset: Locator, *keys: str) -> None:
    for key in keys:
        handset.locator(f'[data-key="{key}"]').click()


def ask_for_payment(simulator_url: str) -> None:
    with httpx.Client(base_url=f"{simulator_url}/campay/api") as campay:
        token = campay.post("/token/", json={"username": "demo", "password": "demo"}).json()["token"]
        order = {"amount": "3800", "from": CUSTOMER, "description": "Order 4821"}
        campay.post("/collect/", json=order, headers={"Authorization": f"Token {token}"})


def test_a_talk_by_keyboard(page: Page) -> None:
    customer = phone(page, 0)
    customer.focus()
    page.keyboard.type("*237*1#")
    page.keyboard.press("Enter")
    expect(customer.locator(".page")).to_have_text("Bienvenue\n1. Commander\n2. Suivre")
    page.keyboard.type("12")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    expect(customer.locator(".page")).to_have_text("Quartier? 3 lettres")
    page.keyboard.type("bon")
    page.keyboard.press("Enter")
    expect(customer.locator(".page")).to_have_text("Merci, à bientôt")
    page.keyboard.press("Enter")
    expect(customer.locator(".clock")).to_be_visible()


def test_a_talk_by_mouse_with_letters_from_digits(page: Page) -> None:
    customer = phone(page, 0)
    press(customer, "call", "call")
    expect(customer.locator(".page")).to_contain_text("Bienvenue")
    press(customer, "1", "left")
    expect(customer.locator(".page")).to_contain_text("Quartier?")
    press(customer, "#", "2", "2", "6", "6", "6")
    expect(customer.locator(".mode")).to_have_text("abc")
    expect(customer.locator(".input")).to_have_text("bo")
    press(customer, "clear")
    expect(customer.locator(".input")).to_have_text("b")


def test_hanging_up_ends_the_session(page: Page, simulator_url: str) -> None:
    customer = phone(page, 0)
    press(customer, "call", "call")
    expect(customer.locator(".page")).to_be_visible()
    with page.expect_response("**/simulator/ussd/*"):
        press(customer, "end")
    assert httpx.get(f"{simulator_url}/simulator/state").json()["ussd"] == {"total": 1, "open": 0}


@pytest.mark.parametrize(
    ("dialled", "told"),
    [("*126#", "Aucun paiement en attente"), ("*999#", "Problème de connexion ou code MMI invalide")],
)
def test_other_codes_are_answered_by_the_network(page: Page, dialled: str, told: str) -> None:
    customer = phone(page, 0)
    customer.focus()
    page.keyboard.type(dialled)
    page.keyboard.press("Enter")
    expect(customer.locator(".notice")).to_have_text(told)


def test_a_payment_is_approved_with_a_pin_that_stays_in_the_phone(page: Page, simulator_url: str) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    customer = phone(page, 0)
    ask_for_payment(simulator_url)
    expect(customer.locator(".page")).to_have_text("Payer 3800 FCFA à Mboa Gateway (CamPay)")
    press(customer, "7", "3", "9", "left")
    expect(customer.locator(".pin")).to_have_text("● ● ● ○")
    press(customer, "1", "left")
    expect(customer.locator(".notice")).to_have_text("Paiement effectué")
    expect(page.locator(".holder").nth(0)).to_contain_text("496 200 F")
    assert not any("7391" in body for body in sent)


def test_a_payment_is_rejected(page: Page, simulator_url: str) -> None:
    customer = phone(page, 0)
    ask_for_payment(simulator_url)
    expect(customer.locator(".pin")).to_be_visible()
    press(customer, "right")
    expect(customer.locator(".notice")).to_have_text("Paiement refusé")


def test_messages_arrive_are_read_and_answered(page: Page, simulator_url: str) -> None:
    restaurant = phone(page, 1)
    form = {"username": "sandbox", "to": f"+{RESTAURANT}", "message": "CMD 4821: 2 Ndole", "from": "8237"}
    httpx.post(f"{simulator_url}/africastalking/version1/messaging", data=form, headers={"apiKey": "demo"})
    expect(restaurant.locator(".new")).to_have_text("1 nouveau(x) message(s)")
    press(restaurant, "left")
    restaurant.locator(".row").click()
    expect(restaurant.locator(".page")).to_have_text("CMD 4821: 2 Ndole")
    press(restaurant, "left", "#", "1", "left")
    expect(restaurant.locator(".notice")).to_have_text("Message envoyé")
    assert httpx.get(f"{simulator_url}/simulator/state").json()["sms"] == {"in": 1, "out": 1}


def test_the_desk_speaks_english_and_takes_another_phone(page: Page) -> None:
    page.locator("#language").click()
    expect(page.locator("h1")).to_have_text("Mboa Phones")
    page.locator("#number").fill("690 00 00 02")
    page.keyboard.press("Enter")
    expect(page.locator("figcaption").nth(3)).to_contain_text("Customer +237 6 90 00 00 02")
    page.locator(".remove").first.click()
    page.reload()
    expect(page.locator(".role")).to_have_text(["Restaurant", "Driver", "Customer"])


def test_every_key_has_a_name_and_every_screen_is_announced(page: Page) -> None:
    for button in page.locator("button").all():
        assert button.get_attribute("aria-label") or button.inner_text().strip()
    assert page.locator('.lcd[role="log"][aria-live="polite"]').count() == 3
    assert phone(page, 0).get_attribute("aria-label") == "Client +237 6 70 00 00 01"


def figure(page: Page, number: int) -> Locator:
    return page.locator("figure").nth(number)


def test_under_a_phone_stand_the_step_the_septets_and_the_time(page: Page) -> None:
    customer = phone(page, 0)
    press(customer, "call", "call")
    expect(figure(page, 0).locator(".meter")).to_have_text(re.compile(r"^step-0 · 32 septets · \d+ ms$"))
    press(customer, "1", "left")
    expect(figure(page, 0).locator(".meter")).to_have_text(re.compile(r"^step-1 · 19 septets · \d+ ms$"))


def test_two_phones_side_by_side_on_two_aggregators(page: Page, simulator_url: str) -> None:
    customer, restaurant = phone(page, 0), phone(page, 1)
    figure(page, 1).locator(".dialect").select_option("safaricom")
    press(customer, "call", "call")
    press(restaurant, "call", "call")
    expect(customer.locator(".page")).to_contain_text("Bienvenue")
    expect(restaurant.locator(".page")).to_contain_text("Bienvenue")
    press(restaurant, "1", "left")
    expect(restaurant.locator(".page")).to_have_text("Quartier? 3 lettres")
    expect(customer.locator(".page")).to_contain_text("Bienvenue")
    assert httpx.get(f"{simulator_url}/simulator/state").json()["ussd"] == {"total": 2, "open": 2}
    page.reload()
    expect(figure(page, 1).locator(".dialect")).to_have_value("safaricom")
    expect(figure(page, 0).locator(".dialect")).to_have_value("africastalking")


def test_a_request_is_sent_again_and_the_phone_sees_nothing_of_it(page: Page) -> None:
    customer = phone(page, 0)
    press(customer, "call", "call")
    expect(customer.locator(".page")).to_contain_text("Bienvenue")
    with page.expect_response("**/repeat") as answer:
        figure(page, 0).locator(".repeat").click()
    assert answer.value.json()["same"] is True
    expect(figure(page, 0).locator(".meter")).to_have_text("Requête renvoyée : la même réponse est revenue")
    expect(customer.locator(".page")).to_contain_text("Bienvenue")


def test_a_dropped_session_is_gone_and_said_so(page: Page, simulator_url: str) -> None:
    customer = phone(page, 0)
    press(customer, "call", "call")
    expect(customer.locator(".page")).to_be_visible()
    with page.expect_response("**/simulator/ussd/*"):
        figure(page, 0).locator(".drop").click()
    expect(customer.locator(".notice")).to_have_text("Connexion perdue")
    assert httpx.get(f"{simulator_url}/simulator/state").json()["ussd"] == {"total": 1, "open": 0}


def test_a_slow_network_makes_the_caller_wait_who_may_leave(page: Page) -> None:
    customer = phone(page, 0)
    figure(page, 0).locator(".delay").select_option("10")
    with page.expect_request("**/simulator/ussd") as asked:
        press(customer, "call", "call")
    assert asked.value.post_data_json["delay_seconds"] == 10
    expect(customer.locator(".waiting")).to_be_visible()
    press(customer, "end")
    expect(customer.locator(".clock")).to_be_visible()
