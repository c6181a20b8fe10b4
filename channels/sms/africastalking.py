"""Africa's Talking: its callbacks in our words, and its REST endpoint as a carrier (contracts/africastalking.md)."""

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from core.errors import InvalidInput
from core.gsm import typed
from core.http import Answer, HttpClient, NoAnswer, NotSent
from core.phones import parse_phone
from core.settings import Settings
from marketplace.notifications.carrier import SendResult

PROVIDER = "africastalking"

# Per recipient; the HTTP status says nothing about one. Codes in neither set and not listed by the
# contract have an unknown fate.
ACCEPTED_CODES = frozenset({100, 101, 102})
TRANSIENT_CODES = frozenset({500, 501})
REFUSED_CODES = frozenset({401, 402, 403, 404, 405, 406, 407, 409, 502})


class IncomingText(msgspec.Struct, frozen=True):
    """One SMS from a subscriber."""

    provider: str
    message_id: str
    phone: str  # E.164
    text: str


class Report(msgspec.Struct, frozen=True):
    """A delivery report; `status` and `reason` are the provider's words, known or not."""

    message_id: str
    status: str
    reason: str


def read_incoming(body: bytes) -> IncomingText:
    """The incoming callback. Raises InvalidInput or InvalidPhone when it names no message or no subscriber."""
    form = _form(body)
    phone = parse_phone(_needed(form, "from"), carriers_plus=True)
    return IncomingText(PROVIDER, _needed(form, "id"), phone, typed(form.get("text", "").replace("\n", " ")))


def read_report(body: bytes) -> Report:
    """The delivery report callback. Raises InvalidInput when it names no message or no status."""
    form = _form(body)
    return Report(_needed(form, "id"), _needed(form, "status"), form.get("failureReason", ""))


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError:
        raise InvalidInput(field="body") from None


def _needed(form: dict[str, str], field: str) -> str:
    value = form.get(field, "").strip()
    if not value or len(value) > 200:
        raise InvalidInput(field=field)
    return value


class AfricasTalkingCarrier:
    """Sends single texts from the short code."""

    name = PROVIDER

    def __init__(self, settings: Settings, client: HttpClient | None = None) -> None:
        self.budget_seconds = settings.sms_connect_seconds + settings.sms_read_seconds
        self._settings = settings
        self._client = client or HttpClient(
            settings.africastalking_url,
            connect_seconds=settings.sms_connect_seconds,
            read_seconds=settings.sms_read_seconds,
        )

    async def send(self, *, phone: str, text: str, message_id: UUID) -> SendResult:  # noqa: ARG002
        """One text to one number. The provider takes no id of ours, so `message_id` stays here."""
        form = {
            "username": self._settings.africastalking_username,
            "to": phone,
            "message": text,
            "from": self._settings.short_code,
            "bulkSMSMode": "1",
            "enqueue": "1",
        }
        headers = {"apiKey": str(self._settings.africastalking_api_key), "Accept": "application/json"}
        try:
            answer = await self._client.request("POST", "/version1/messaging", data=form, headers=headers)
        except NotSent as problem:
            return SendResult("transient", str(problem))
        except NoAnswer as problem:
            return SendResult("unknown", str(problem))
        return read_answer(answer)

    async def close(self) -> None:
        await self._client.close()


def read_answer(answer: Answer) -> SendResult:
    """What one recipient's part of the answer means."""
    if 400 <= answer.status < 500:
        # A bad key, a flood limit: nothing was taken, and an operator can mend it before the last try.
        return SendResult("transient", f"HTTP {answer.status}")
    data = answer.json().get("SMSMessageData")
    if answer.status not in (200, 201) or not isinstance(data, dict):
        return SendResult("unknown", f"HTTP {answer.status}")
    recipients = data.get("Recipients")
    if not isinstance(recipients, list) or not recipients:
        return SendResult("refused", str(data.get("Message", "no recipient"))[:60])
    return _read_recipient(recipients[0])


def _read_recipient(recipient: Any) -> SendResult:
    if not isinstance(recipient, dict):
        return SendResult("unknown", "unreadable recipient")
    status, word = recipient.get("statusCode"), str(recipient.get("status", ""))[:60]
    if status in ACCEPTED_CODES:
        return SendResult("accepted", word, str(recipient.get("messageId")))
    if status in TRANSIENT_CODES:
        return SendResult("transient", word)
    return SendResult("refused" if status in REFUSED_CODES else "unknown", word or str(status))
