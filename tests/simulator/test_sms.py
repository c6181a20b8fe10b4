"""Messages through the simulated Africa's Talking, both ways."""

import httpx
import pytest
from litestar import Response

from tests.simulator.product import PHONE, SMS, Product
from tests.support.servers import wait_for

FORM = {"username": "sandbox", "to": PHONE, "message": "Bonjour", "from": "8237"}


def send(networks: httpx.Client, **changes: str) -> httpx.Response:
    path = "/africastalking/version1/messaging"
    return networks.post(path, data={**FORM, **changes}, headers={"apiKey": "demo", "Accept": "application/json"})


def test_a_message_reaches_the_inbox_newest_first_and_is_reported(networks: httpx.Client, product: Product) -> None:
    send(networks)
    answer = send(networks, message="Deux")
    (recipient,) = answer.json()["SMSMessageData"]["Recipients"]
    assert (answer.status_code, recipient["statusCode"], recipient["number"]) == (201, 101, PHONE)

    inbox = networks.get("/simulator/sms", params={"to": "237670000001"}).json()
    assert [(message["from"], message["text"]) for message in inbox] == [("8237", "Deux"), ("8237", "Bonjour")]
    reports = wait_for(lambda: len(product.at(f"{SMS}/reports")) == 2 and product.at(f"{SMS}/reports"))
    assert {"id": recipient["messageId"], "status": "Success", "phoneNumber": PHONE, "networkCode": "62401"} in reports


def test_a_phone_shows_its_subscriber_and_what_arrived(networks: httpx.Client) -> None:
    for number in range(31):
        send(networks, message=f"Message {number}")
    shown = networks.get("/simulator/phones/237670000001").json()
    assert (shown["carrier"], shown["balance_xaf"], shown["prompts"]) == ("mtn", 500_000, [])
    assert [message["text"] for message in shown["sms"]] == [f"Message {number}" for number in range(30, 0, -1)]


@pytest.mark.parametrize(("code", "status"), [(406, "UserInBlacklist"), (500, "InternalServerError")])
def test_a_recipients_own_code(networks: httpx.Client, code: int, status: str) -> None:
    networks.put("/simulator/subscribers/237670000001", json={"sms_code": code})
    data = send(networks).json()["SMSMessageData"]
    assert data["Message"].startswith("Sent to 0/1")
    assert (data["Recipients"][0]["statusCode"], data["Recipients"][0]["status"]) == (code, status)
    assert networks.get("/simulator/sms", params={"to": "237670000001"}).json() == []


def test_a_subscribers_message_is_sent_until_it_is_heard(networks: httpx.Client, product: Product) -> None:
    product.answers = [Response("", status_code=500), Response("", status_code=503)]
    sent = networks.post("/simulator/sms", json={"from": "237670000001", "to": "8237", "text": "SUIVI 4821"}).json()
    calls = wait_for(lambda: len(product.at(SMS)) == 3 and product.at(SMS))
    assert calls[0] == calls[1] == calls[2]
    assert calls[0]["id"] == sent["id"]
    assert (calls[0]["from"], calls[0]["to"], calls[0]["text"]) == (PHONE, "8237", "SUIVI 4821")


def test_the_same_message_can_be_sent_again(networks: httpx.Client, product: Product) -> None:
    message = {"from": PHONE, "to": "8237", "text": "1"}
    message["id"] = networks.post("/simulator/sms", json=message).json()["id"]
    networks.post("/simulator/sms", json=message)
    first, second = wait_for(lambda: len(product.at(SMS)) == 2 and product.at(SMS))
    assert first == second


@pytest.mark.parametrize(
    "message",
    [{"from": "12", "to": "8237", "text": "1"}, {"from": PHONE, "to": "8237"}, {"from": PHONE, "to": "99", "text": ""}],
)
def test_bad_messages_are_refused(networks: httpx.Client, message: dict[str, str]) -> None:
    assert 400 <= networks.post("/simulator/sms", json=message).status_code < 500


def test_an_operator_tells_of_a_new_sim_card(networks: httpx.Client, product: Product) -> None:
    event = networks.post("/simulator/subscribers/237670000001/sim").json()
    assert event["data"]["phoneNumber"] == PHONE and event["type"].endswith(".swapped")
    wait_for(lambda: product.at("/sim/camara/demo") == [event])
