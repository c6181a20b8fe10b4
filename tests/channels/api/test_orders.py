"""From the quote to the order, and the same order however often it is asked for."""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import func, select, text, update

from core import sealed
from core.clock import ManualClock
from core.database import Database
from ledger import chart
from ledger.service import Leg, post
from marketplace.delivery import handover
from marketplace.delivery import service as delivery
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from payments.tables import attempt, payment
from tests.channels.api.conftest import CUSTOMER, OTHER_CUSTOMER, Client
from tests.support.coupons import make_coupon
from tests.support.market import DRIVERS, Market

pytestmark = pytest.mark.anyio

PIN = "7391"


async def orders_made(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(select(func.count()).select_from(customer_order)))


async def give(database: Database, phone: str, amount_xaf: int) -> UUID:
    """A customer with a PIN and money in the wallet."""
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=phone)
        await people.set_pin(tx, person_id=person.id, pin=PIN)
        leg = Leg(debit=chart.GOODWILL, credit=chart.wallet(person.id), amount=amount_xaf)
        await post(tx, key=f"gift:{person.id}", kind="gift", legs=[leg])
        return person.id


async def test_a_repeated_order_is_the_same_order_to_the_byte(customer: Client, database: Database) -> None:
    quote = await customer.quote()
    lost = await customer.order(quote, "key-of-this-order")
    again = await customer.order(quote, "key-of-this-order")
    assert (lost.status_code, again.status_code) == (201, 201)
    assert lost.content == again.content
    assert await orders_made(database) == 1
    order = lost.json()
    assert order["state"] == "AWAITING_PAYMENT"
    assert order["total_xaf"] == quote["total_xaf"] == order["items_xaf"] + order["delivery_xaf"] + order["tax_xaf"]
    assert [line["quantity"] for line in order["lines"]] == [2, 1]


async def test_the_order_of_fields_and_the_format_do_not_make_another_request(customer: Client) -> None:
    quote = await customer.quote()
    first = await customer.order(quote, "key-of-this-order", pay_with="mobile_money")
    body = {"pay_with": "mobile_money", **{name: quote[name] for name in ("total_xaf", "cart_version", "cart_id")}}
    headers = {"Idempotency-Key": "key-of-this-order", "Content-Type": "application/x-msgpack"}
    again = await customer.post("/api/v1/orders", content=msgspec.msgpack.encode(body), headers=headers)
    assert again.content == first.content


async def test_the_same_order_at_the_same_moment_is_one_order(customer: Client, database: Database) -> None:
    quote = await customer.quote()
    answers = await asyncio.gather(*(customer.order(quote, "key-of-this-order") for _ in range(10)))
    made = {answer.content for answer in answers if answer.status_code == 201}
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert len(made) == 1
    assert refused <= {"still_running"}
    assert await orders_made(database) == 1


async def test_a_key_serves_one_request_of_one_person(
    customer: Client, other_customer: Client, database: Database
) -> None:
    quote, others_quote = await customer.quote(), await other_customer.quote()
    assert (await customer.order(quote, "everyones-key")).status_code == 201
    changed = await customer.order(quote, "everyones-key", payer_phone=OTHER_CUSTOMER)
    assert (changed.status_code, changed.json()["code"]) == (422, "key_reused")
    assert (await other_customer.order(others_quote, "everyones-key")).status_code == 201
    assert await orders_made(database) == 2


@pytest.mark.parametrize("key", [None, "", "k" * 129, "with space in it"])
async def test_an_order_needs_a_usable_key(customer: Client, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    wish = {"cart_id": str(uuid4()), "cart_version": 1, "total_xaf": 1000}
    assert (await customer.post("/api/v1/orders", json=wish, headers=headers)).status_code == 422


async def test_another_total_than_todays_is_refused_with_todays(customer: Client, database: Database) -> None:
    quote = await customer.quote()
    refused = await customer.order({**quote, "total_xaf": quote["total_xaf"] - 1}, "key-of-this-order")
    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    assert refused.json()["params"] == {"total_xaf": quote["total_xaf"]}
    assert (await customer.order(quote, "key-of-this-order")).status_code == 201  # a refusal leaves the key free


@pytest.mark.parametrize("literal", ["3000.5", "3000.0", "3000.0000000000000001", '"3000"', "3e3", "-1", "0", "true"])
async def test_an_amount_is_a_whole_number_of_francs(customer: Client, literal: str) -> None:
    body = f'{{"cart_id": "{uuid4()}", "cart_version": 1, "total_xaf": {literal}}}'
    headers = {"Idempotency-Key": uuid4().hex, "Content-Type": "application/json", "Accept-Language": "en"}
    refused = await customer.post("/api/v1/orders", content=body, headers=headers)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["params"]) == (422, "invalid_amount", {"field": "total_xaf"})
    assert "whole number" in problem["detail"]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{"dish": 9999}]}, "lines"),
        ({"lines": [{"dish": 1, "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"dish": 1, "quantiti": 2}]}, "lines[0]"),
        ({"place": {"quarter_id": 1, "directions": "x" * 61}}, "place.directions"),
        (
            {"place": {"quarter_id": 1, "directions": "\x02login_code:1\x03"}},
            "place.directions",
        ),  # a sealed code's marks
    ],
)
async def test_a_quote_names_the_field_that_is_wrong(customer: Client, wish: dict[str, Any], field: str) -> None:
    body = {"restaurant": 45, "lines": [{"dish": 1}], "place": {"quarter_id": 1}, **wish}
    refused = await customer.post("/api/v1/quotes", json=body)
    assert (refused.status_code, refused.json()["params"]["field"]) == (422, field)


async def test_the_wallet_pays_with_the_pin_and_keeps_no_trace_of_it(customer: Client, database: Database) -> None:
    person_id = await give(database, CUSTOMER, 50_000)
    quote = await customer.quote()
    pins = (PIN, PIN, "1593")  # a repetition does not tell whether its PIN is the right one
    paid = [await customer.order(quote, "key-of-this-order", pay_with="wallet", pin=pin) for pin in pins]
    assert paid[0].json()["state"] == "OFFERED"
    assert len({answer.content for answer in paid}) == 1
    wallet = (await customer.get("/api/v1/wallet")).json()
    assert wallet["balance_xaf"] == 50_000 - quote["total_xaf"]
    async with database.reading() as tx:
        kept = await tx.value(text("SELECT string_agg(e::text, '') FROM effect e WHERE key LIKE 'api:%'"))
    assert str(person_id) in kept
    assert PIN not in kept
    assert PIN not in paid[0].text


async def test_a_wrong_pin_counts_once_per_request_and_pays_nothing(customer: Client, database: Database) -> None:
    await give(database, CUSTOMER, 50_000)
    quote = await customer.quote()
    for key, pin, left in (("first-request", "1593", 4), ("first-request", "1593", 4), ("first-request", "2604", 3)):
        refused = await customer.order(quote, key, pay_with="wallet", pin=pin)
        assert (refused.status_code, refused.json()["params"]) == (403, {"left": left})
        assert pin not in refused.text
    without = await customer.order(quote, pay_with="wallet")
    assert (without.status_code, without.json()["params"]) == (422, {"field": "pin"})
    assert await orders_made(database) == 0


async def test_an_order_is_its_customers_alone(customer: Client, other_customer: Client) -> None:
    order = (await customer.order(await customer.quote())).json()
    path = f"/api/v1/orders/{order['id']}"
    assert (await customer.get(path)).json() == order
    assert (await other_customer.get(path)).status_code == 404
    assert (await other_customer.post(f"{path}/cancel")).status_code == 404
    assert [(await client.get("/api/v1/orders")).json()["items"] for client in (customer, other_customer)] == [
        [order],
        [],
    ]


async def test_orders_come_newest_first_in_pages(customer: Client) -> None:
    made = [(await customer.order(await customer.quote())).json()["id"] for _ in range(3)]
    first = (await customer.get("/api/v1/orders", params={"size": 2})).json()
    last = (await customer.get("/api/v1/orders", params={"size": 2, "page": first["next"]})).json()
    assert [order["id"] for order in first["items"] + last["items"]] == made[::-1]
    assert (first["next"], last["next"]) == (2, None)


async def test_an_unpaid_order_can_be_cancelled_twice(customer: Client) -> None:
    order = (await customer.order(await customer.quote())).json()
    states = [(await customer.post(f"/api/v1/orders/{order['id']}/cancel")).json()["state"] for _ in range(2)]
    assert states == ["CANCELLED", "CANCELLED"]


async def unpaid(customer: Client, database: Database) -> dict[str, Any]:
    """An order whose prompt nobody has answered in time."""
    order: dict[str, Any] = (await customer.order(await customer.quote())).json()
    async with database.transaction() as tx:
        await tx.run(update(attempt).values(state="QUARANTINED"))
        await tx.run(update(payment).values(state="EXPIRED"))
        await tx.run(update(customer_order).values(state="PAYMENT_EXPIRED"))
    return order


async def test_an_unpaid_order_is_paid_again_once_and_only_with_consent(
    customer: Client, other_customer: Client, database: Database
) -> None:
    order = await unpaid(customer, database)
    path, headers = f"/api/v1/orders/{order['id']}/pay-again", {"Idempotency-Key": "key-of-this-consent"}
    for body in ({}, {"consent": False}):
        refused = await customer.post(path, json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert (await other_customer.post(path, json={"consent": True}, headers=headers)).status_code == 404
    assert (await customer.post(path, json={"consent": True})).status_code == 422  # without a key
    answers = [await customer.post(path, json={"consent": True}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[0].json() == order
    async with database.reading() as tx:
        assert await tx.value(select(func.count()).select_from(attempt)) == 2
    again = await customer.post(path, json={"consent": True}, headers={"Idempotency-Key": "another"})
    assert (again.status_code, again.json()["code"]) == (409, "payment_pending")


async def test_the_code_for_the_door_shows_once_the_meal_is_on_its_way_and_only_to_its_customer(
    customer: Client, other_customer: Client, database: Database, clock: ManualClock
) -> None:
    market = Market(database, clock)
    driver_id = await market.come_on(DRIVERS[0])
    order_id = await market.order()
    delivery_id = await market.begin(order_id)
    await market.tick()
    path = f"/api/v1/orders/{order_id}"
    assert (await customer.get(path)).json()["delivery_code"] is None

    pickup_number = sealed.code(database.keys, "pickup_number", delivery_id)
    async with database.transaction() as tx:
        await delivery.claim(tx, driver_id=driver_id, number=4821)
        await handover.pick_up(tx, driver_id=driver_id, number=4821, pickup_number=pickup_number)
    order = (await customer.get(path)).json()
    assert re.fullmatch("[0-9]{4}", order["delivery_code"])
    assert order["driver_phone"] == DRIVERS[0].removeprefix("+237")
    assert (await customer.get("/api/v1/orders")).json()["items"] == [order]
    assert (await other_customer.get(path)).status_code == 404

    async with database.transaction() as tx:
        await handover.hand_over(tx, driver_id=driver_id, code=order["delivery_code"])
    delivered = (await customer.get(path)).json()
    assert (delivered["state"], delivered["delivery_code"], delivered["driver_phone"]) == ("DELIVERED", None, None)
    assert (await customer.get("/api/v1/wallet")).json()["points"] == 30


async def test_a_quote_takes_a_coupon_and_a_tip_and_the_order_keeps_them(customer: Client, database: Database) -> None:
    await make_coupon(database, amount_xaf=300)
    plain = await customer.quote()
    quote = await customer.quote(coupon="MBOA50", tip_xaf=500)
    assert (quote["discount_xaf"], quote["tip_xaf"]) == (300, 500)
    assert quote["total_xaf"] == plain["total_xaf"] + 200
    order = (await customer.order(quote, "with-extras")).json()
    assert (order["discount_xaf"], order["tip_xaf"], order["total_xaf"]) == (300, 500, quote["total_xaf"])


async def test_a_wrong_coupon_is_told(customer: Client) -> None:
    wish = {"restaurant": 10, "lines": [{"dish": 3}], "place": {"quarter_id": 1}, "coupon": "9999"}
    refused = await customer.post("/api/v1/quotes", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_coupon")
