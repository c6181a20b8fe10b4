"""The callbacks of Africa's Talking: what is ours is taken once, what is not is let go without a trace of a person."""

import httpx
import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from channels.sms import africastalking
from channels.sms.tables import incoming_sms
from core.database import Database
from marketplace.notifications.tables import delivery_report
from tests.channels.sms.conftest import Phones
from tests.support.market import CUSTOMER, Market

pytestmark = pytest.mark.anyio

INCOMING = "/sms/africastalking/demo"
REPORTS = "/sms/africastalking/demo/reports"

# Verbatim from the provider's documentation and integrators' recordings (contracts/africastalking.md).
RECORDED = (
    b"date=2006-01-02T15%3A04%3A05Z&from=%2B237670000001&id=8f5f0a5e-8f0e-4a3c-bb1a-4e4b4d3f6a10&linkId=&text=SOLDE"
    b"&to=8237&cost=XAF+0.0000&networkCode=62401"
)
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def count(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(select(func.count()).select_from(incoming_sms)))


async def test_a_recorded_callback_is_answered_and_obeyed(web: httpx.AsyncClient, market: Market) -> None:
    answer = await web.post(INCOMING, content=RECORDED, headers=FORM)
    assert (answer.status_code, answer.text) == (200, "")
    assert await market.texts(CUSTOMER) == ["Portefeuille: 0F. RECHARGE et un montant pour le remplir."]


@pytest.mark.parametrize("path", ["/sms/africastalking/guess", "/sms/africastalking/guess/reports"])
async def test_a_wrong_secret_is_no_such_page(web: httpx.AsyncClient, database: Database, path: str) -> None:
    assert (await web.post(path, content=RECORDED, headers=FORM)).status_code == 404
    assert await count(database) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b'{"from": "+237670000001"}',
        RECORDED.replace(b"&id=", b"&no="),
        RECORDED.replace(b"%2B237670000001", b"+237670000001"),  # a plus that became a space
        RECORDED.replace(b"%2B237670000001", b"MTN"),
        RECORDED + b"&filler=" + b"x" * 4096,
    ],
)
async def test_what_cannot_be_read_is_let_go_without_personal_data(
    web: httpx.AsyncClient, database: Database, body: bytes
) -> None:
    with capture_logs() as lines:
        assert (await web.post(INCOMING, content=body, headers=FORM)).status_code == 200
    assert await count(database) == 0
    assert [line["event"] for line in lines] == ["sms_ignored"]
    assert "670000001" not in str(lines) and "SOLDE" not in str(lines)


@pytest.mark.parametrize(
    "body",
    [
        b"id=ATXid_1&status=Success&phoneNumber=%2B237670000001&networkCode=62401",
        b"id=ATXid_1&status=Failed&phoneNumber=%2B237670000001&failureReason=NotNetworkSubcriber&retryCount=0",
        b"id=ATXid_1&status=Teleported&phoneNumber=%2B237670000001",
    ],
)
async def test_a_report_is_stored_whatever_its_words(web: httpx.AsyncClient, database: Database, body: bytes) -> None:
    for _ in range(2):
        assert (await web.post(REPORTS, content=body, headers=FORM)).status_code == 200
    async with database.reading() as tx:
        (report,) = await tx.all(select(delivery_report))
    assert report.status.encode() in body and report.reason.encode() in body


async def test_an_unreadable_report_is_not_bounced(web: httpx.AsyncClient) -> None:
    assert (await web.post(REPORTS, content=b"status=Success", headers=FORM)).status_code == 200


async def test_the_same_message_twenty_times_has_one_effect(phones: Phones, database: Database) -> None:
    for _ in range(20):
        await phones.send(CUSTOMER, "SOLDE", message_id="one-id")
    assert await count(database) == 1
    assert len(await phones.market.texts(CUSTOMER)) == 1


async def test_nobody_can_type_a_sealed_code() -> None:
    """A token in a text would be revealed wherever the text is echoed."""
    message = africastalking.read_incoming(
        b"id=ATXid_9&from=%2B237670000001&text=ON%20%02login_code%3Aabc%03%0A&to=8237"
    )
    assert message.text == "ON login_code:abc"
