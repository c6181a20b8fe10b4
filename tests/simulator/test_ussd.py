"""Phones on the simulated USSD gateway."""

import httpx
import msgspec
import pytest
from litestar import Response

from core.clock import ManualClock
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import PHONE, USSD, USSD_EVENTS, Product, page
from tests.support.servers import serve, wait_for


def dial(networks: httpx.Client, dialled: str = "*237*1#") -> dict[str, object]:
    return dict(networks.post("/simulator/ussd", json={"from": PHONE, "dial": dialled}).json())


def key_in(networks: httpx.Client, screen: dict[str, object], text: str) -> dict[str, object]:
    return dict(networks.post(f"/simulator/ussd/{screen['session']}", json={"input": text}).json())


def test_a_talk_is_told_with_cumulative_text_and_ends_with_an_event(networks: httpx.Client, product: Product) -> None:
    product.answers = [page("CON Bienvenue\n1. Commander", "home"), page("CON Combien?", "amount"), page("END Merci")]
    screen = dial(networks)
    assert (screen["text"], screen["open"], screen["septets"]) == ("Bienvenue\n1. Commander", True, 22)
    assert key_in(networks, screen, "1")["text"] == "Combien?"
    last = key_in(networks, screen, "5*6")
    assert (last["text"], last["open"], last["status"]) == ("Merci", False, "Success")

    turns = product.at(USSD)
    assert [turn["text"] for turn in turns] == ["", "1", "1*5*6"]
    assert {(turn["phoneNumber"], turn["serviceCode"], turn["networkCode"]) for turn in turns} == {
        (PHONE, "*237*1#", "62401")
    }
    assert len({turn["sessionId"] for turn in turns}) == 1
    labels = [call["headers"].get("at-ussd-hop-metadata") for call in product.heard if call["path"] == USSD]
    assert labels == [None, "home", "amount"]

    (event,) = wait_for(lambda: product.at(USSD_EVENTS))
    assert (event["status"], event["hopsCount"], event["input"]) == ("Success", "3", "1*5*6")
    assert (event["hopsMetadata"], event["lastAppResponse"]) == ("home|amount|", "END Merci")
    assert "errorMessage" not in event


def test_a_deep_dial_begins_with_text(networks: httpx.Client, product: Product) -> None:
    product.answers = [page("CON Ou?"), page("CON Quartier?")]
    key_in(networks, dial(networks, "*237*1*45*12*2#"), "3")
    assert [turn["text"] for turn in product.at(USSD)] == ["45*12*2", "45*12*2*3"]


@pytest.mark.parametrize("dialled", ["*237*2#", "*237*1", "*237*11#", "237*1#", "*237*1*4#5#", ""])
def test_an_unknown_code_is_refused(networks: httpx.Client, product: Product, dialled: str) -> None:
    assert networks.post("/simulator/ussd", json={"from": PHONE, "dial": dialled}).status_code == 404
    assert product.heard == []


@pytest.mark.parametrize(
    "answer",
    [
        page("Bienvenue"),
        page(" CON Bienvenue"),
        page(""),
        page("CON Bienvenue", status=500),
        page("END Au revoir", status=404),
        page("CON Bienvenue", media_type="text/html"),
        page("CON Bienvenue", label="a" * 100),
        page("CON " + "a" * 183),
        page("CON " + "ê" + "a" * 80),
        page("CON " + "€" * 92),
    ],
)
def test_a_bad_answer_kills_the_session(networks: httpx.Client, product: Product, answer: Response[str]) -> None:
    product.answers = [answer]
    screen = dial(networks)
    assert (screen["open"], screen["status"]) == (False, "Failed")
    (event,) = wait_for(lambda: product.at(USSD_EVENTS))
    assert (event["status"], event["errorMessage"]) == ("Failed", screen["error"])


@pytest.mark.parametrize("text", ["a" * 182, "€" * 91, "ê" * 80])
def test_the_widest_pages_pass(networks: httpx.Client, product: Product, text: str) -> None:
    product.answers = [page(f"CON {text}")]
    assert dial(networks)["text"] == text


def test_hanging_up_is_told_once_as_incomplete(networks: httpx.Client, product: Product) -> None:
    product.answers = [page("CON Bienvenue")]
    screen = dial(networks)
    for _ in range(2):
        assert networks.delete(f"/simulator/ussd/{screen['session']}").json()["open"] is False
    assert networks.post(f"/simulator/ussd/{screen['session']}", json={"input": "1"}).status_code == 409
    wait_for(lambda: networks.get("/simulator/state").json()["callbacks"]["delivered"] == 1)
    assert [event["status"] for event in product.at(USSD_EVENTS)] == ["Incomplete"]


def test_dialling_again_leaves_the_first_session(networks: httpx.Client, product: Product) -> None:
    product.answers = [page("CON Un"), page("CON Deux")]
    first, second = dial(networks), dial(networks)
    (event,) = wait_for(lambda: product.at(USSD_EVENTS))
    assert (event["sessionId"], event["status"]) == (f"ATUid_{first['session']}", "Incomplete")
    assert networks.get("/simulator/state").json()["ussd"] == {"total": 2, "open": 1}
    assert second["open"]


def test_a_repeated_request_is_the_same_request(networks: httpx.Client, product: Product) -> None:
    product.answers = [page("CON Un", "one"), page("CON Deux", "two"), page("CON Deux", "two"), page("CON Trois")]
    screen = dial(networks)
    key_in(networks, screen, "1")
    path = f"/simulator/ussd/{screen['session']}/repeat"
    assert networks.post(path).json() == {"text": "CON Deux", "same": True}
    assert networks.post(path).json() == {"text": "CON Trois", "same": False}
    second, third = [call for call in product.heard if call["path"] == USSD][1:3]
    assert second["fields"] == third["fields"]
    assert third["headers"]["at-ussd-hop-metadata"] == "one"


def test_a_slow_network_holds_a_request_back_and_the_round_trip_says_so(
    networks: httpx.Client, product: Product
) -> None:
    product.answers = [page("CON Un", "one"), page("CON Deux", "two")]
    asked = {"from": PHONE, "dial": "*237*1#", "delay_seconds": 0.2}
    screen = networks.post("/simulator/ussd", json=asked).json()
    assert (screen["text"], screen["step"]) == ("Un", "one") and screen["round_trip_ms"] >= 200
    later = networks.post(f"/simulator/ussd/{screen['session']}", json={"input": "1", "delay_seconds": 0.3}).json()
    assert (later["text"], later["step"]) == ("Deux", "two") and later["round_trip_ms"] >= 300
    assert networks.post("/simulator/ussd", json={**asked, "delay_seconds": 31}).status_code == 400


def test_silence_and_length_end_a_session(simulator_settings: SimulatorSettings, product: Product) -> None:
    clock = ManualClock()
    product.answers = [page("CON Un") for _ in range(5)]
    with serve(create_simulator(simulator_settings, clock)) as url, httpx.Client(base_url=url) as client:
        dial(client)
        clock.advance(seconds=60)
        assert wait_for(lambda: product.at(USSD_EVENTS))[0]["errorMessage"] == "The session timed out"

        screen = dial(client)
        for _ in range(3):
            clock.advance(seconds=59)
            assert key_in(client, screen, "1")["open"]
        clock.advance(seconds=3)
        wait_for(lambda: len(product.at(USSD_EVENTS)) == 2)


def test_a_dead_product_leaves_the_caller_with_the_networks_words(simulator_settings: SimulatorSettings) -> None:
    settings = msgspec.structs.replace(simulator_settings, product_url="http://127.0.0.1:9")
    with serve(create_simulator(settings)) as url, httpx.Client(base_url=url) as client:
        screen = dial(client)
        assert (screen["status"], "MMI" in str(screen["text"])) == ("Failed", True)


@pytest.mark.parametrize(("fails", "waiting"), [(True, 0), (False, 1)])
def test_one_handset_one_dialogue(
    networks: httpx.Client, campay: httpx.Client, product: Product, fails: bool, waiting: int
) -> None:
    networks.put("/simulator/faults", json={"busy_handset_fails": fails})
    product.answers = [page("CON Bienvenue")]
    dial(networks)
    order = {"amount": "500", "currency": "XAF", "from": PHONE[1:], "description": "x"}
    reference = campay.post("/collect/", json=order).json()["reference"]
    assert len(networks.get("/simulator/prompts/237670000001").json()) == waiting
    shown = campay.get(f"/transaction/{reference}/").json()
    assert (shown["status"] == "FAILED", "busy" in shown["reason"]) == (fails, fails)


def test_a_prompt_after_the_end_reaches_the_phone(
    networks: httpx.Client, campay: httpx.Client, product: Product
) -> None:
    product.answers = [page("END Un SMS suit")]
    dial(networks)
    campay.post("/collect/", json={"amount": "500", "from": PHONE[1:], "description": "x"})
    assert len(networks.get("/simulator/prompts/237670000001").json()) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
def test_unknown_input_is_a_clear_4xx(networks: httpx.Client, method: str) -> None:
    assert networks.request(method, "/simulator/ussd").status_code == 405
    assert networks.post("/simulator/ussd/nobody", json={"input": "1"}).status_code == 404
    assert networks.post("/simulator/ussd", json={"from": "12", "dial": "*237*1#"}).status_code == 422
    assert networks.post("/simulator/ussd", json={"dial": "*237*1#"}).status_code == 400
    assert networks.get("/simulator/nothing").status_code == 404
