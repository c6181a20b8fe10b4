"""The providers' own clients, pointed at the simulator, complete their calls: that proves the simulator."""

from uuid import uuid4

import africastalking
import campay.sdk
import httpx
import pytest

PAYER = "237670000001"


@pytest.fixture
def campay_client(simulator_url: str) -> campay.sdk.Client:
    client = campay.sdk.Client({"app_username": "demo", "app_password": "demo", "environment": "PROD"})
    client.host = f"{simulator_url}/campay"
    return client


def order(party: str, amount: int) -> dict[str, str]:
    return {
        "amount": str(amount),
        "currency": "XAF",
        party: PAYER,
        "description": "Order 4821",
        "external_reference": str(uuid4()),
    }


@pytest.mark.parametrize(("key", "status"), [("approve", "SUCCESSFUL"), ("reject", "FAILED")])
def test_campay_collects(
    campay_client: campay.sdk.Client,
    networks: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    status: str,
) -> None:
    """Its `collect` sleeps between reads: that is when the payer takes the phone in hand."""
    monkeypatch.setattr(campay.sdk.time, "sleep", lambda _: networks.post(f"/simulator/prompts/{PAYER}/{key}"))
    result = campay_client.collect(order("from", 3800))
    assert (result["status"], result["amount"]) == (status, "3800.00")


def test_campay_disburses_and_reads(
    campay_client: campay.sdk.Client, networks: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = campay_client.initCollect(order("from", 3800))
    networks.post(f"/simulator/prompts/{PAYER}/approve")
    assert campay_client.get_transaction_status({"reference": begun["reference"]})["status"] == "SUCCESSFUL"
    assert campay_client.get_balance()["mtn_balance"] == 3705.0

    monkeypatch.setattr(campay.sdk.time, "sleep", lambda _: None)
    assert campay_client.disburse(order("to", 1000))["status"] == "SUCCESSFUL"
    assert campay_client.disburse(order("to", 5000)) == {"status": "FAILED", "message": "Insufficient balance for MTN"}


@pytest.fixture
def sms(simulator_url: str) -> africastalking.SMSService:
    service = africastalking.SMSService("sandbox", "demo")
    service._baseUrl = f"{simulator_url}/africastalking/version1"
    return service


def test_africastalking_sends_and_fetches(sms: africastalking.SMSService, networks: httpx.Client) -> None:
    data = sms.send("CMD 4821", ["+237670000001", "+23712"], sender_id="8237", enqueue=True)["SMSMessageData"]
    assert data["Message"] == "Sent to 1/2 Total Cost: XAF 15.0000"
    assert [recipient["statusCode"] for recipient in data["Recipients"]] == [101, 403]

    networks.post("/simulator/sms", json={"from": "+237670000001", "to": "8237", "text": "SOLDE"})
    (message,) = sms.fetch_messages()["SMSMessageData"]["Messages"]
    assert (message["from"], message["text"]) == ("+237670000001", "SOLDE")


def test_africastalking_hears_of_a_bad_key_and_a_bad_sender(sms: africastalking.SMSService) -> None:
    refused = sms.send("Bonjour", ["+237670000001"], sender_id="NOBODY")["SMSMessageData"]
    assert refused == {"Message": "InvalidSenderId", "Recipients": []}
    sms._headers["apiKey"] = "wrong"
    with pytest.raises(Exception, match="authentication is invalid"):
        sms.send("Bonjour", ["+237670000001"])


def test_africastalking_reads_the_account(simulator_url: str) -> None:
    application = africastalking.ApplicationService("sandbox", "demo")
    application._baseUrl = f"{simulator_url}/africastalking/version1"
    assert application.fetch_application_data()["UserData"]["balance"].startswith("XAF ")
