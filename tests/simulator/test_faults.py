"""Faults happen when they were asked for, as often as they were asked for."""

from uuid import uuid4

import httpx
import pytest

from tests.simulator.product import PAYMENTS, Product
from tests.support.servers import wait_for

PAYER = "237670000001"


def ask(networks: httpx.Client, call: str, kind: str, **more: object) -> None:
    assert networks.put("/simulator/faults", json={"faults": [{"call": call, "kind": kind, **more}]}).status_code == 200


def collect(campay: httpx.Client) -> httpx.Response:
    order = {"amount": "500", "currency": "XAF", "from": PAYER, "description": "x", "external_reference": str(uuid4())}
    return campay.post("/collect/", json=order)


@pytest.mark.parametrize(("kind", "prompts"), [("lose_before", 0), ("lose_after", 1)])
def test_a_lost_answer_with_and_without_effect(
    campay: httpx.Client, networks: httpx.Client, kind: str, prompts: int
) -> None:
    ask(networks, "campay.collect", kind)
    with pytest.raises(httpx.HTTPError):
        collect(campay)
    assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == prompts
    assert collect(campay).status_code == 200
    assert networks.get("/simulator/faults").json()["faults"] == []


def test_a_held_answer_comes_late_with_the_effect_done(campay: httpx.Client, networks: httpx.Client) -> None:
    ask(networks, "campay.collect", "hold", seconds=0.2)
    with pytest.raises(httpx.ReadTimeout):
        campay.post("/collect/", json={"amount": "500", "from": PAYER, "description": "x"}, timeout=0.1)
    assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == 1


def test_a_lost_sms_answer(networks: httpx.Client) -> None:
    ask(networks, "africastalking.messaging", "lose_after")
    form = {"username": "sandbox", "to": f"+{PAYER}", "message": "Bonjour", "from": "8237"}
    with pytest.raises(httpx.HTTPError):
        networks.post("/africastalking/version1/messaging", data=form, headers={"apiKey": "demo"})
    assert len(networks.get("/simulator/sms", params={"to": PAYER}).json()) == 1


@pytest.mark.parametrize(("kind", "times"), [("no_callback", 0), ("duplicate_callback", 2)])
def test_callbacks_that_never_come_or_come_twice(
    campay: httpx.Client, networks: httpx.Client, product: Product, kind: str, times: int
) -> None:
    ask(networks, "campay.callback", kind)
    first = collect(campay).json()["reference"]
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    second = collect(campay).json()["reference"]
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    wait_for(lambda: second in [told["reference"] for told in product.at(PAYMENTS)])
    wait_for(lambda: networks.get("/simulator/state").json()["callbacks"]["waiting"] == 0)
    assert [told["reference"] for told in product.at(PAYMENTS)].count(first) == times


@pytest.mark.parametrize(
    "faults",
    [
        [{"call": "campay.collect", "kind": "explode"}],
        [{"call": "campay.collect", "kind": "no_callback"}],
        [{"call": "campay.callback", "kind": "hold"}],
        [{"call": "campay.collect", "kind": "hold", "count": 0}],
        "all",
    ],
)
def test_unknown_faults_are_refused(networks: httpx.Client, faults: object) -> None:
    assert networks.put("/simulator/faults", json={"faults": faults}).status_code == 400
