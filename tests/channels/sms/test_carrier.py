"""Africa's Talking as a carrier: success is per recipient, never by HTTP status."""

from collections.abc import Callable
from urllib.parse import parse_qs

import httpx
import pytest

from channels.sms.africastalking import AfricasTalkingCarrier
from core.http import HttpClient
from core.ids import new_id
from core.settings import Settings
from marketplace.notifications.carrier import SendResult
from tests.support.http import Through

pytestmark = pytest.mark.anyio

# Verbatim from the provider's documentation and integrators' recordings (contracts/africastalking.md).
QUEUED = (
    '{"SMSMessageData":{"Message":"Sent to 1/1 Total Cost: XAF 15.0000","Recipients":[{"statusCode":102,'
    '"number":"+237670000001","status":"Queued","cost":"XAF 15.0000","messageId":"ATXid_a1b2"}]}}'
)
REFUSED_SENDER = '{"SMSMessageData":{"Message":"InvalidSenderId","Recipients":[]}}'


def recipient(code: int, status: str) -> str:
    return QUEUED.replace("102", str(code)).replace('"Queued"', f'"{status}"')


async def send(settings: Settings, answer: Callable[[httpx.Request], httpx.Response]) -> SendResult:
    client = HttpClient("http://provider.test", connect_seconds=1, read_seconds=1, exchange=Through(answer))
    carrier = AfricasTalkingCarrier(settings, client)
    try:
        return await carrier.send(phone="+237670000001", text="Ndolé à 2500F", message_id=new_id())
    finally:
        await carrier.close()


async def test_the_request_is_what_the_contract_asks_for(settings: Settings) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, text=QUEUED)

    assert await send(settings, answer) == SendResult("accepted", "Queued", "ATXid_a1b2")
    (request,) = seen
    assert (request.method, request.url.path) == ("POST", "/version1/messaging")
    assert request.headers["accept"] == "application/json" and "apikey" in request.headers
    assert parse_qs(request.content.decode()) == {
        "username": ["sandbox"],
        "to": ["+237670000001"],
        "message": ["Ndolé à 2500F"],
        "from": ["8237"],
        "bulkSMSMode": ["1"],
        "enqueue": ["1"],
    }


@pytest.mark.parametrize(
    ("status", "body", "outcome", "word"),
    [
        (201, recipient(100, "Processed"), "accepted", "Processed"),
        (201, recipient(101, "Success"), "accepted", "Success"),
        (201, REFUSED_SENDER, "refused", "InvalidSenderId"),
        (201, recipient(403, "InvalidPhoneNumber"), "refused", "InvalidPhoneNumber"),
        (201, recipient(406, "UserInBlacklist"), "refused", "UserInBlacklist"),
        (201, recipient(502, "RejectedByGateway"), "refused", "RejectedByGateway"),
        (201, recipient(500, "InternalServerError"), "transient", "InternalServerError"),
        (201, recipient(501, "GatewayError"), "transient", "GatewayError"),
        (201, recipient(999, "SomethingNew"), "unknown", "SomethingNew"),
        (401, "The supplied authentication is invalid", "transient", "HTTP 401"),
        (429, "", "transient", "HTTP 429"),
        (502, "<html>Bad Gateway</html>", "unknown", "HTTP 502"),
        (201, "<html>", "unknown", "HTTP 201"),
        (201, '{"SMSMessageData":{"Recipients":["?"]}}', "unknown", "unreadable recipient"),
    ],
)
async def test_answers_are_classified(settings: Settings, status: int, body: str, outcome: str, word: str) -> None:
    result = await send(settings, lambda _: httpx.Response(status, text=body))
    assert (result.outcome, result.word) == (outcome, word)


@pytest.mark.parametrize(
    ("problem", "outcome"), [(httpx.ConnectError("refused"), "transient"), (httpx.ReadTimeout("slow"), "unknown")]
)
async def test_a_request_that_never_left_is_told_from_one_without_an_answer(
    settings: Settings, problem: Exception, outcome: str
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise problem

    assert (await send(settings, fail)).outcome == outcome
