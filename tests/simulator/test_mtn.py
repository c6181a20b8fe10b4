"""The simulated MTN MoMo speaks contracts/pawapay-and-mtn.md."""

import base64
from collections.abc import Iterator
from uuid import uuid4

import httpx
import msgspec
import pytest

from core.clock import ManualClock
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.simulator.product import Product
from tests.support.servers import serve, wait_for

PAYER = "237670000001"
CALLBACK = "/payments/mtn/demo"


@pytest.fixture
def simulator_settings(simulator_settings: SimulatorSettings) -> SimulatorSettings:
    return msgspec.structs.replace(simulator_settings, mtn_opening_float_xaf={"mtn": 10_000})


@pytest.fixture
def mtn(simulator_url: str) -> Iterator[httpx.Client]:
    headers = {"Ocp-Apim-Subscription-Key": "demo", "X-Target-Environment": "sandbox"}
    with httpx.Client(base_url=f"{simulator_url}/mtn", headers=headers, timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def collection(mtn: httpx.Client) -> httpx.Client:
    """A client with a token for collections; `disbursement` is the other one."""
    return log_in(mtn, "collection")


@pytest.fixture
def disbursement(mtn: httpx.Client) -> httpx.Client:
    return log_in(mtn, "disbursement")


def log_in(mtn: httpx.Client, product: str) -> httpx.Client:
    token = mtn.post(f"/{product}/token/", auth=("demo", "demo")).json()["access_token"]
    headers = {**mtn.headers, "Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{mtn.base_url}{product}/v1_0", headers=headers, timeout=5, trust_env=False)


def order(party: str = "payer", **changes: object) -> dict[str, object]:
    asked = {"amount": "3800", "currency": "XAF", "externalId": "attempt-1", "payerMessage": "Order", "payeeNote": "x"}
    return {**asked, party: {"partyIdType": "MSISDN", "partyId": PAYER}, **changes}


def ask(client: httpx.Client, path: str, body: dict[str, object], ref: str | None = None, **headers: str) -> str:
    """Send a request that must be taken; its id."""
    ref = ref or str(uuid4())
    answer = client.post(path, json=body, headers={"X-Reference-Id": ref, **headers})
    assert (answer.status_code, answer.content) == (202, b""), answer.text
    return ref


def test_a_collection_under_our_own_id_ends_with_an_unsigned_put(
    collection: httpx.Client, networks: httpx.Client, product: Product, simulator_settings: SimulatorSettings
) -> None:
    url = f"{simulator_settings.product_url}{CALLBACK}"
    ref = ask(collection, "/requesttopay", order(), **{"X-Callback-Url": url})
    assert collection.get(f"/requesttopay/{ref}").json()["status"] == "PENDING"
    networks.post(f"/simulator/prompts/{PAYER}/approve")

    shown = collection.get(f"/requesttopay/{ref}").json()
    assert shown.pop("financialTransactionId").isdigit()
    party = {"partyIdType": "MSISDN", "partyId": PAYER}
    assert shown == {**order(), "payer": party, "status": "SUCCESSFUL"}
    assert collection.get("/account/balance").json() == {"availableBalance": "13724", "currency": "XAF"}  # 2 % fee
    (call,) = wait_for(lambda: product.heard)
    assert (call["method"], call["path"], call["fields"]["externalId"]) == ("PUT", CALLBACK, "attempt-1")
    assert "signature" not in call["headers"]


def test_the_same_id_again_is_a_conflict_without_effect(collection: httpx.Client, networks: httpx.Client) -> None:
    ref = ask(collection, "/requesttopay", order())
    again = collection.post("/requesttopay", json=order(), headers={"X-Reference-Id": ref})
    assert (again.status_code, again.json()["code"]) == (409, "RESOURCE_ALREADY_EXIST")
    assert len(networks.get(f"/simulator/prompts/{PAYER}").json()) == 1


def test_an_unknown_id_is_not_there(collection: httpx.Client) -> None:
    assert collection.get(f"/requesttopay/{uuid4()}").status_code == 404


def test_a_payer_of_another_carrier_is_taken_and_not_found(collection: httpx.Client) -> None:
    orange = {"partyIdType": "MSISDN", "partyId": "237690000002"}
    ref = ask(collection, "/requesttopay", order(payer=orange))
    shown = collection.get(f"/requesttopay/{ref}").json()
    assert (shown["status"], shown["reason"]) == ("FAILED", "PAYER_NOT_FOUND")


def test_transfers_and_native_refunds_draw_on_the_float(
    collection: httpx.Client, disbursement: httpx.Client, networks: httpx.Client
) -> None:
    collected = ask(collection, "/requesttopay", order())
    early = {"amount": "3800", "currency": "XAF", "externalId": "r", "referenceIdToRefund": collected}
    assert disbursement.post("/refund", json=early, headers={"X-Reference-Id": str(uuid4())}).status_code == 404
    networks.post(f"/simulator/prompts/{PAYER}/approve")

    sent = ask(disbursement, "/transfer", order("payee", amount="2000"))
    wait_for(lambda: disbursement.get(f"/transfer/{sent}").json()["status"] == "SUCCESSFUL")
    back = ask(disbursement, "/refund", early)
    wait_for(lambda: disbursement.get(f"/refund/{back}").json()["status"] == "SUCCESSFUL")
    assert networks.get(f"/simulator/subscribers/{PAYER}").json()["balance_xaf"] == 502_000
    too_much = {**early, "amount": "1"}
    assert disbursement.post("/refund", json=too_much, headers={"X-Reference-Id": str(uuid4())}).status_code == 400


def test_a_transfer_beyond_the_float_fails_afterwards(disbursement: httpx.Client) -> None:
    ref = ask(disbursement, "/transfer", order("payee", amount="9999"))
    shown = disbursement.get(f"/transfer/{ref}").json()
    assert (shown["status"], shown["reason"]) == ("FAILED", "NOT_ENOUGH_FUNDS")
    assert disbursement.get("/account/balance").json()["availableBalance"] == "10000"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"amount": 3800}, 400),
        ({"amount": "38.5"}, 400),
        ({"currency": "EUR"}, 500),
        ({"payer": {"partyIdType": "MSISDN", "partyId": "+237670000001"}}, 400),
        ({"payer": "237670000001"}, 400),
    ],
)
def test_refusals_before_any_prompt(
    collection: httpx.Client, networks: httpx.Client, changes: dict[str, object], status: int
) -> None:
    refused = collection.post("/requesttopay", json=order(**changes), headers={"X-Reference-Id": str(uuid4())})
    assert refused.status_code == status
    assert networks.get("/simulator/state").json()["mtn"]["collect"]["total"] == 0


def test_each_product_has_doors_of_its_own(mtn: httpx.Client, collection: httpx.Client) -> None:
    wrong = base64.b64encode(b"demo:other").decode()
    assert mtn.post("/collection/token/", headers={"Authorization": f"Basic {wrong}"}).status_code == 401
    assert collection.get("/account/balance", headers={"Ocp-Apim-Subscription-Key": "no"}).status_code == 401
    assert collection.get("/account/balance", headers={"X-Target-Environment": "mtncameroon"}).status_code == 500
    bearer = {"Authorization": collection.headers["Authorization"]}
    assert mtn.get("/disbursement/v1_0/account/balance", headers=bearer).status_code == 401
    assert collection.post("/requesttopay", json=order(), headers={"X-Reference-Id": "1"}).status_code == 400


def test_more_than_ten_reads_a_second_are_refused(simulator_settings: SimulatorSettings) -> None:
    clock = ManualClock()
    with serve(create_simulator(simulator_settings, clock)) as url, httpx.Client(base_url=f"{url}/mtn") as client:
        client.headers.update({"Ocp-Apim-Subscription-Key": "demo", "X-Target-Environment": "sandbox"})
        with log_in(client, "collection") as collection:
            answers = [collection.get(f"/requesttopay/{uuid4()}").status_code for _ in range(11)]
            clock.advance(seconds=1)
            answers.append(collection.get(f"/requesttopay/{uuid4()}").status_code)
    assert answers == [404] * 10 + [429, 404]


def test_the_name_behind_a_number(disbursement: httpx.Client) -> None:
    assert disbursement.get(f"/accountholder/msisdn/{PAYER}/basicuserinfo").json()["name"]
    assert disbursement.get("/accountholder/msisdn/237690000002/basicuserinfo").status_code == 404
