"""Faults happen when they were asked for, as often as they were asked for."""

from contextlib import suppress
from uuid import uuid4

import httpx
import pytest

from core.clock import ManualClock
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import PAYMENTS, Product
from tests.support.servers import serve, wait_for

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


def test_a_proxys_page_hides_what_happened(campay: httpx.Client, networks: httpx.Client) -> None:
    for kind, prompts in (("html_before", 0), ("html_after", 1)):
        ask(networks, "campay.collect", kind)
        answer = collect(campay)
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
        assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == prompts


def test_a_conflict_after_the_effect(campay: httpx.Client, networks: httpx.Client) -> None:
    ask(networks, "campay.collect", "conflict")
    answer = collect(campay)
    assert (answer.status_code, "reference" in answer.json()) == (409, False)
    assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == 1


def test_a_conflict_where_repeats_are_ignored_is_the_answer_to_the_repeat(networks: httpx.Client) -> None:
    ask(networks, "pawapay.deposit", "conflict")
    account = {"phoneNumber": PAYER, "provider": "MTN_MOMO_CMR"}
    deposit = {"depositId": str(uuid4()), "amount": "500", "currency": "XAF"}
    deposit["payer"] = {"type": "MMO", "accountDetails": account}
    answer = networks.post("/pawapay/v2/deposits", json=deposit, headers={"Authorization": "Bearer demo"})
    assert answer.json()["status"] == "DUPLICATE_IGNORED"
    assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == 1


@pytest.mark.parametrize(
    ("kind", "field", "spelt"),
    [
        ("unknown_word", "status", "AWAITING_OPERATOR"),
        ("amount_none", "amount", "None"),
        ("amount_fraction", "amount", "500.0000000000000001"),
    ],
)
def test_a_read_that_is_misspelt_once(
    campay: httpx.Client, networks: httpx.Client, kind: str, field: str, spelt: str
) -> None:
    path = f"/transaction/{collect(campay).json()['reference']}/"
    right = campay.get(path).json()
    ask(networks, "campay.transaction", kind)
    wrong = campay.get(path).json()
    assert wrong[field] == spelt
    ignored = {field: None, "signature": None}
    assert {**wrong, **ignored} == {**right, **ignored}
    assert campay.get(path).json()[field] == right[field]


def test_a_float_may_be_too_low_at_one_carrier(campay: httpx.Client, networks: httpx.Client) -> None:
    collect(campay)
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    payout = {"amount": "100", "to": PAYER, "description": "x", "external_reference": str(uuid4())}
    ask(networks, "campay.float.orange", "low_float")
    assert campay.post("/withdraw/", json=payout).status_code == 200
    ask(networks, "campay.float.mtn", "low_float")
    assert campay.post("/withdraw/", json=payout).json()["error_code"] == "ER301"
    assert networks.get("/simulator/faults").json()["met"] == {"campay.float.mtn": {"low_float": 1}}


@pytest.mark.parametrize(("kind", "states"), [("fails", ["FAILED"]), ("reversed", ["SUCCESSFUL", "FAILED"])])
def test_a_payout_that_comes_back(
    campay: httpx.Client, networks: httpx.Client, product: Product, kind: str, states: list[str]
) -> None:
    collect(campay)
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    ask(networks, "campay.settlement", kind, seconds=0.1)
    payout = {"amount": "100", "to": PAYER, "description": "x", "external_reference": str(uuid4())}
    ref = campay.post("/withdraw/", json=payout).json()["reference"]

    def told() -> list[str]:
        return [call["status"] for call in product.at(PAYMENTS) if call["reference"] == ref]

    wait_for(lambda: told() == states)
    assert campay.get(f"/transaction/{ref}/").json()["status"] == "FAILED"
    assert campay.get("/balance/").json()["mtn_balance"] == 487  # 500 less 2.5 %, rounded up
    assert networks.get(f"/simulator/subscribers/{PAYER}").json()["balance_xaf"] == 499_500


@pytest.mark.parametrize(("kind", "signed"), [("lying_callback", True), ("forged_callback", False)])
def test_a_contradiction_comes_before_the_truth(
    campay: httpx.Client, networks: httpx.Client, product: Product, kind: str, signed: bool
) -> None:
    ask(networks, "campay.callback", kind)
    collect(campay)
    networks.post(f"/simulator/prompts/{PAYER}/reject")
    wait_for(lambda: len(product.at(PAYMENTS)) == 2)
    by_status = {call["status"]: call["signature"] for call in product.at(PAYMENTS)}
    assert set(by_status) == {"SUCCESSFUL", "FAILED"}
    assert by_status["SUCCESSFUL"].startswith("ey") is signed


def test_a_late_callback_is_overtaken(campay: httpx.Client, networks: httpx.Client, product: Product) -> None:
    ask(networks, "campay.callback", "late_callback", seconds=3)
    late = collect(campay).json()["reference"]
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    early = collect(campay).json()["reference"]
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    wait_for(lambda: len(product.at(PAYMENTS)) == 2)
    assert [call["reference"] for call in product.at(PAYMENTS)] == [early, late]


@pytest.mark.parametrize(
    ("kind", "reason"), [("approves", "None"), ("rejects", "Rejected by the payer"), ("poor", "Insufficient balance")]
)
def test_payers_who_answer_by_themselves(campay: httpx.Client, networks: httpx.Client, kind: str, reason: str) -> None:
    ask(networks, "payer", kind, seconds=0)
    path = f"/transaction/{collect(campay).json()['reference']}/"
    wait_for(lambda: campay.get(path).json()["status"] != "PENDING")
    assert campay.get(path).json()["reason"] == reason


def test_a_payer_may_approve_after_the_provider_gave_up(
    simulator_settings: SimulatorSettings, product: Product
) -> None:
    """First it fails, without a callback; then it succeeds, and the product is called."""
    clock = ManualClock()
    with serve(create_simulator(simulator_settings, clock)) as url, httpx.Client(base_url=url) as client:
        token = client.post("/campay/api/token/", json={"username": "demo", "password": "demo"}).json()["token"]
        headers = {"Authorization": f"Token {token}"}
        ask(client, "payer", "approves", seconds=310)
        order = {"amount": "500", "from": PAYER, "description": "x"}
        ref = client.post("/campay/api/collect/", json=order, headers=headers).json()["reference"]

        def status() -> str:
            return str(client.get(f"/campay/api/transaction/{ref}/", headers=headers).json()["status"])

        clock.advance(seconds=300)
        wait_for(lambda: status() == "FAILED")
        clock.advance(seconds=10)
        wait_for(lambda: status() == "SUCCESSFUL")
        wait_for(lambda: [call["status"] for call in product.at(PAYMENTS)] == ["SUCCESSFUL"])


def test_a_seed_draws_the_same_faults_again(campay: httpx.Client, networks: httpx.Client) -> None:
    def drawn(seed: int) -> dict[str, dict[str, int]]:
        wanted = {"level": "heavy", "seed": seed}
        assert networks.put("/simulator/faults", json=wanted).json()["met"] == {}
        for _ in range(40):
            with suppress(httpx.HTTPError):
                campay.get("/balance/")
        return dict(networks.get("/simulator/faults").json()["met"])

    first, other, again = drawn(7), drawn(8), drawn(7)
    assert first == again != other
    assert set(first) == {"campay.balance"}


def test_without_a_level_nothing_goes_wrong_by_itself(campay: httpx.Client, networks: httpx.Client) -> None:
    networks.put("/simulator/faults", json={"level": "none", "seed": 7})
    assert {campay.get("/balance/").status_code for _ in range(40)} == {200}
    assert networks.get("/simulator/faults").json()["met"] == {}


def test_what_happened_and_what_is_held_is_told_to_whoever_checks(campay: httpx.Client, networks: httpx.Client) -> None:
    reference = collect(campay).json()["reference"]
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    (moved,) = networks.get("/simulator/movements").json()
    assert (moved["ref"], moved["provider"], moved["status"], moved["fee_xaf"]) == (
        reference,
        "campay",
        "SUCCESSFUL",
        13,
    )
    assert networks.get("/simulator/movements", params={"after": moved["number"]}).json() == []
    assert networks.get("/simulator/floats").json()["campay"] == {"mtn": 487, "orange": 0}
