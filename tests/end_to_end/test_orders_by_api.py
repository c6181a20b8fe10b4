"""The same meal from a smartphone on a bad network: an answer is lost, the request is repeated, one order exists."""

import pytest

from tests.end_to_end import meal
from tests.end_to_end.api import CustomerApi
from tests.end_to_end.running import Demo
from tests.end_to_end.town import Town

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]

PHONE = "+237670000104"


def test_an_order_whose_answer_was_lost_is_one_order(demo: Demo, town: Town) -> None:
    app = CustomerApi(town, PHONE)
    dishes = app.send("GET", f"/api/v1/restaurants/{meal.RESTAURANT_NUMBER}/dishes").json()["items"]
    quarter = app.send("GET", "/api/v1/places/quarters").json()["items"][0]
    quote = app.send(
        "POST",
        "/api/v1/quotes",
        body={
            "restaurant": meal.RESTAURANT_NUMBER,
            "lines": [{"dish": dishes[0]["number"], "quantity": 2}],
            "place": {"quarter_id": quarter["id"], "directions": "portail vert", "contact_phone": "+237690000777"},
        },
    ).json()
    order = {name: quote[name] for name in ("cart_id", "cart_version", "total_xaf")}
    first = app.send("POST", "/api/v1/orders", key="lost-1", body=order)  # its answer never reached the phone
    again = app.send("POST", "/api/v1/orders", key="lost-1", body=order)
    other = app.send("POST", "/api/v1/orders", key="lost-1", body={**order, "total_xaf": 1})
    assert first.status_code == again.status_code == 201 and first.content == again.content
    assert other.status_code == 422 and other.json()["code"] == "key_reused"

    number, order_id = str(first.json()["number"]), first.json()["id"]
    town.approve(PHONE)
    meal.accept(town, number)
    meal.fetch(town, number)
    meal.deliver(town, PHONE, number)
    done = app.send("GET", f"/api/v1/orders/{order_id}").json()
    assert done["state"] in ("DELIVERED", "CLOSED")
    assert len(app.send("GET", "/api/v1/orders").json()["items"]) == 1
    assert town.state()["campay"]["collect"]["by_phone"][PHONE.removeprefix("+")] == 1
    assert demo.run("doctor").returncode == 0
