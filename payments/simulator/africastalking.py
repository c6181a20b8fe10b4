"""Africa's Talking's SMS service as contracts/africastalking.md describes it: sending, reports, incoming messages."""

import sqlite3
from typing import Annotated, Any
from uuid import uuid4

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery, HeaderParameter, QueryParameter, URLEncodedBody

from core.errors import InvalidPhone
from core.gsm import sms_parts
from core.phones import MTN, NEXTTEL, ORANGE, carrier_of, parse_phone
from payments.simulator import callbacks, handsets
from payments.simulator.networks import Networks, iso, spaced
from payments.simulator.spoiling import FaultyAnswers

_NETWORK_CODES = {MTN: "62401", ORANGE: "62402", NEXTTEL: "62404"}
_SANDBOX = "99999"
_ACCEPTED = (100, 101, 102)
STATUS = {
    100: "Processed", 101: "Sent", 102: "Queued", 401: "RiskHold", 402: "InvalidSenderId", 403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType", 405: "InsufficientBalance", 406: "UserInBlacklist", 407: "CouldNotRoute",
    409: "DoNotDisturbRejection", 500: "InternalServerError", 501: "GatewayError", 502: "RejectedByGateway",
}  # fmt: skip
_PART_COST_XAF = 15

ApiKey = Annotated[str, HeaderParameter(name="apiKey")]


def network_code(phone: str) -> str:
    """The code of a subscriber's network, or the sandbox's."""
    return _NETWORK_CODES.get(carrier_of(phone) or "", _SANDBOX)


@post("/messaging", call="africastalking.messaging")
async def send(
    data: URLEncodedBody[dict[str, str]], networks: NamedDependency[Networks], api_key: ApiKey = ""
) -> Response[Any]:
    """Send one text to several numbers: always 201, the truth is in the recipients."""
    if refusal := _unauthorised(networks, api_key, data.get("username", "")):
        return refusal
    if data.get("from", networks.settings.short_code) != networks.settings.short_code:
        return _sent("InvalidSenderId", [])
    numbers = [number.strip() for number in data.get("to", "").split(",") if number.strip()]
    with networks.store.block():
        recipients = [_deliver(networks, number, data.get("message", "")) for number in numbers]
    good = [recipient for recipient in recipients if recipient["statusCode"] in _ACCEPTED]
    cost = _PART_COST_XAF * sms_parts(data.get("message", "")) * len(good)
    return _sent(f"Sent to {len(good)}/{len(numbers)} Total Cost: XAF {cost}.0000", recipients)


@get("/messaging")
async def fetch(
    username: FromQuery[str],
    networks: NamedDependency[Networks],
    api_key: ApiKey = "",
    last: Annotated[int, QueryParameter(name="lastReceivedId")] = 0,
) -> Response[Any]:
    """The messages that subscribers sent, after the given one."""
    if refusal := _unauthorised(networks, api_key, username):
        return refusal
    rows = networks.store.all("SELECT * FROM sms WHERE direction = 'in' AND number > ? ORDER BY number", last)
    messages = [_fetched(row) for row in rows]
    return Response({"SMSMessageData": {"Messages": messages}})


@get("/user")
async def account(username: FromQuery[str], networks: NamedDependency[Networks], api_key: ApiKey = "") -> Response[Any]:
    """What is left on the account."""
    return _unauthorised(networks, api_key, username) or Response({"UserData": {"balance": "XAF 100000.0000"}})


def _unauthorised(networks: Networks, api_key: str, username: str) -> Response[Any] | None:
    settings = networks.settings
    if (username, api_key) == (settings.africastalking_username, settings.africastalking_api_key):
        return None
    return Response("The supplied authentication is invalid", status_code=401, media_type="text/plain")


def _sent(message: str, recipients: list[dict[str, Any]]) -> Response[Any]:
    return Response({"SMSMessageData": {"Message": message, "Recipients": recipients}}, status_code=201)


def _deliver(networks: Networks, number: str, text: str) -> dict[str, Any]:
    """Put the text into a subscriber's inbox, and say how it went."""
    code, message_id, cost = _status(networks, number), "None", "0"
    if code in _ACCEPTED:
        message_id, cost = f"ATXid_{uuid4().hex}", f"XAF {_PART_COST_XAF * sms_parts(text)}.0000"
        _store(networks, message_id, "out", networks.settings.short_code, number, text)
        _report(networks, message_id, number)
    return {
        "statusCode": code,
        "number": number,
        "status": STATUS[code],
        "cost": cost,
        "messageId": message_id,
    }


def _status(networks: Networks, number: str) -> int:
    try:
        return handsets.subscriber(networks, parse_phone(number, carriers_plus=True)).sms_code
    except InvalidPhone:
        return 403


def _store(networks: Networks, message_id: str, direction: str, sender: str, recipient: str, text: str) -> None:
    networks.store.insert(
        "sms",
        id=message_id,
        direction=direction,
        sender=sender,
        recipient=recipient,
        text=text,
        created_at=networks.now,
    )


def _report(networks: Networks, message_id: str, phone: str) -> None:
    fields = {"id": message_id, "status": "Success", "phoneNumber": phone, "networkCode": network_code(phone)}
    path = f"/sms/africastalking/{networks.settings.sms_secret}/reports"
    callbacks.enqueue(networks, "africastalking.report", path, fields, tries=3)


def receive(networks: Networks, *, sender: str, recipient: str, text: str, message_id: str | None) -> str:
    """A subscriber's message on its way to the product, retried until heard; its id.

    The id of an earlier message sends that one again, byte for byte, as a network does that missed our 200. Raises
    NotFoundException for another recipient than the short code.
    """
    settings = networks.settings
    if recipient != settings.short_code:
        raise NotFoundException(f"nobody listens on {recipient}: the short code is {settings.short_code}")
    known = networks.store.first("SELECT * FROM sms WHERE id = ? AND direction = 'in'", message_id)
    if known is None:
        message_id = message_id or str(uuid4())
        _store(networks, message_id, "in", sender, recipient, text)
        known = networks.store.first("SELECT * FROM sms WHERE id = ?", message_id)
    assert known is not None
    callbacks.enqueue(
        networks,
        "africastalking.incoming",
        f"/sms/africastalking/{settings.sms_secret}",
        _incoming(known),
        tries=int(settings.sms_retry_hours * 3600 / settings.sms_retry_seconds),
        retry_seconds=settings.sms_retry_seconds,
    )
    return str(known["id"])


def _incoming(row: sqlite3.Row) -> dict[str, str]:
    return {
        "date": iso(row["created_at"]),
        "from": row["sender"],
        "id": row["id"],
        "text": row["text"],
        "to": row["recipient"],
        "cost": "0",
        "networkCode": network_code(row["sender"]),
    }


def _fetched(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["number"],
        "linkId": row["id"],
        "from": row["sender"],
        "to": row["recipient"],
        "text": row["text"],
        "date": spaced(row["created_at"]),
    }


def inbox(networks: Networks, phone: str) -> list[dict[str, str]]:
    """What a handset received, newest first."""
    rows = networks.store.all("SELECT * FROM sms WHERE recipient = ? ORDER BY number DESC", phone)
    return [
        {"id": row["id"], "from": row["sender"], "to": phone, "text": row["text"], "date": iso(row["created_at"])}
        for row in rows
    ]


def counts(networks: Networks) -> dict[str, int]:
    """Messages by direction, as the product sees them."""
    rows = networks.store.all("SELECT direction, count(*) FROM sms GROUP BY 1")
    return {"in": 0, "out": 0} | {row[0]: row[1] for row in rows}


router = Router("/africastalking/version1", route_handlers=[send, fetch, account], middleware=[FaultyAnswers()])
