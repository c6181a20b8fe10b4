"""MTN's MoMo Open API as contracts/pawapay-and-mtn.md describes it: two products with tokens of their own.

The caller's `X-Reference-Id` is the movement's id; the same one again is 409 and has no effect. What cannot work
(a payer of another carrier, too little float) is accepted all the same and fails a moment later.
Both products show one and the same balance.
"""

import base64
import binascii
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody

from core.phones import MTN, carrier_of
from payments.simulator import callbacks, handsets, movements
from payments.simulator.desk import coded, collect, doors, look_up
from payments.simulator.failures import Why
from payments.simulator.movements import COLLECT, PAYOUT, REFUND, SUCCESSFUL, Movement
from payments.simulator.networks import Networks

NAME = "mtn"
_REASONS = {
    Why.BUSY: "COULD_NOT_PERFORM_TRANSACTION",
    Why.REJECTED: "APPROVAL_REJECTED",
    Why.POOR: "NOT_ENOUGH_FUNDS",
    Why.EXPIRED: "EXPIRED",
    Why.NOT_FOUND: "PAYER_NOT_FOUND",
    Why.LOW_FLOAT: "NOT_ENOUGH_FUNDS",
    Why.TECHNICAL: "INTERNAL_PROCESSING_ERROR",
}

ReferenceId = Annotated[str, HeaderParameter(name="X-Reference-Id")]
CallbackUrl = Annotated[str | None, HeaderParameter(name="X-Callback-Url")]


# -- who calls


def _product(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """`collection` or `disbursement`: each has a user, keys and tokens of its own."""
    return str(connection.scope["path"]).removeprefix("/mtn/").partition("/")[0]


def _subscribed(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    networks: Networks = connection.app.state.networks
    wanted = getattr(networks.settings, f"mtn_{_product(connection)}_subscription")
    if connection.headers.get("ocp-apim-subscription-key") != wanted:
        raise coded(401, "ACCESS_DENIED", "Access denied due to invalid subscription key.")


def _authorised(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    networks: Networks = connection.app.state.networks
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not movements.token_holds(networks, f"mtn.{_product(connection)}", given):
        raise coded(401, "UNAUTHORIZED", "The token is not valid or has expired.")
    if connection.headers.get("x-target-environment") != networks.settings.mtn_target_environment:
        raise coded(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", "Access to target environment is forbidden.")


def _slow_enough(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """At most so many reads in one second of the clock."""
    networks: Networks = connection.app.state.networks
    second = int(networks.now)
    networks.mtn_reads = {second: networks.mtn_reads.get(second, 0) + 1}
    if networks.mtn_reads[second] > networks.settings.mtn_reads_per_second:
        raise coded(429, "TOO_MANY_REQUESTS", "Rate limit is exceeded. Try again in 1 second.")


@post("/token", status_code=200, call="mtn.token")
async def token(request: Request[Any, Any, Any], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Basic authentication for a bearer token, an hour long."""
    product, settings = _product(request), networks.settings
    account = (getattr(settings, f"mtn_{product}_user"), getattr(settings, f"mtn_{product}_key"))
    if _basic(request.headers.get("authorization", "")) != account:
        raise coded(401, "UNAUTHORIZED", "login failed")
    fresh = movements.new_token(networks, f"mtn.{product}", settings.mtn_token_seconds)
    return {"access_token": fresh, "token_type": "access_token", "expires_in": settings.mtn_token_seconds}


def _basic(header: str) -> tuple[str, str]:
    try:
        user, _, key = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, key


# -- money in and out


@post("/requesttopay", status_code=202, call="mtn.requesttopay")
async def request_to_pay(
    data: JSONBody[dict[str, Any]],
    networks: NamedDependency[Networks],
    reference_id: ReferenceId = "",
    callback_url: CallbackUrl = None,
) -> Response[bytes]:
    """Ask a subscriber for money."""
    asked = _order(networks, data, reference_id, callback_url) | {"phone": _party(data, "payer")}
    with networks.store.block():
        if carrier_of(asked["phone"]) != MTN:
            _fail(networks, movements.record(networks, provider=NAME, kind=COLLECT, **asked), Why.NOT_FOUND)
        else:
            collect(networks, call_back, provider=NAME, **asked)
    return Response(b"", status_code=202)


@post("/transfer", status_code=202, call="mtn.transfer")
async def transfer(
    data: JSONBody[dict[str, Any]],
    networks: NamedDependency[Networks],
    reference_id: ReferenceId = "",
    callback_url: CallbackUrl = None,
) -> Response[bytes]:
    """Pay a subscriber."""
    asked = _order(networks, data, reference_id, callback_url) | {"phone": _party(data, "payee")}
    with networks.store.block():
        if carrier_of(asked["phone"]) != MTN:
            _fail(networks, movements.record(networks, provider=NAME, kind=PAYOUT, **asked), Why.NOT_FOUND)
        else:
            _disburse(networks, PAYOUT, asked)
    return Response(b"", status_code=202)


@post("/refund", status_code=202, call="mtn.refund")
async def refund(
    data: JSONBody[dict[str, Any]],
    networks: NamedDependency[Networks],
    reference_id: ReferenceId = "",
    callback_url: CallbackUrl = None,
) -> Response[bytes]:
    """Give back a collection, or a part of it."""
    asked = _order(networks, data, reference_id, callback_url)
    collected = movements.find(networks, NAME, str(data.get("referenceIdToRefund")), COLLECT)
    if collected is None or collected.status != SUCCESSFUL:
        raise coded(404, "RESOURCE_NOT_FOUND", "The payment to refund was not found.")
    if movements.returned_xaf(networks, NAME, collected.ref) + asked["amount_xaf"] > collected.amount_xaf:
        raise coded(400, "BAD_REQUEST", "More than was paid.")
    with networks.store.block():
        _disburse(networks, REFUND, asked | {"phone": collected.phone, "returns": collected.ref})
    return Response(b"", status_code=202)


def _order(networks: Networks, data: dict[str, Any], reference_id: str, callback_url: str | None) -> dict[str, Any]:
    """What all three requests share, as `movements` takes it; raises Refusal."""
    if not movements.is_uuid(reference_id):
        raise coded(400, "BAD_REQUEST", "X-Reference-Id is not a UUID.")
    if movements.find(networks, NAME, reference_id) is not None:
        raise coded(409, "RESOURCE_ALREADY_EXIST", "Duplicated reference id. Creation of resource failed.")
    amount_xaf = movements.whole_xaf(data.get("amount"))
    if amount_xaf is None or not isinstance(data.get("amount"), str):
        raise coded(400, "BAD_REQUEST", "amount is not a number in a string.")
    if data.get("currency") != networks.settings.mtn_currency:
        raise coded(500, "INVALID_CURRENCY", "Currency not supported.")
    return {
        "ref": reference_id,
        "our_id": reference_id,
        "external_user": str(data.get("externalId") or ""),
        "carrier": MTN,
        "amount_xaf": amount_xaf,
        "description": f"{data.get('payerMessage') or ''}\n{data.get('payeeNote') or ''}",
        "callback_url": callback_url,
    }


def _party(data: dict[str, Any], name: str) -> str:
    party = data.get(name)
    phone = movements.msisdn(party.get("partyId")) if isinstance(party, dict) else None
    if phone is None or not isinstance(party, dict) or party.get("partyIdType") != "MSISDN":
        raise coded(400, "BAD_REQUEST", f"{name} is no MSISDN.")
    return phone


def _disburse(networks: Networks, kind: str, asked: dict[str, Any]) -> None:
    if movements.pay_out(networks, provider=NAME, kind=kind, **asked) is None:
        _fail(networks, movements.record(networks, provider=NAME, kind=kind, **asked), Why.LOW_FLOAT)


def _fail(networks: Networks, movement: Movement, failure: Why) -> None:
    """End a movement for which no money was ever taken from the float."""
    call_back(networks, movements.refuse(networks, movement, failure))


# -- outcomes


def call_back(networks: Networks, movement: Movement) -> None:
    """Tell the product once, unsigned, where it asked to be told. Part of a block."""
    if movement.callback_url:
        encoding, url = networks.settings.mtn_callback, movement.callback_url
        callbacks.enqueue(networks, "mtn.callback", url, _shown(networks, movement), encoding=encoding)


# -- reads


@get("/requesttopay/{reference_id:str}", call="mtn.read", guards=[_slow_enough])
async def collection(reference_id: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a request to pay."""
    return _read(networks, reference_id, COLLECT)


@get("/transfer/{reference_id:str}", call="mtn.read", guards=[_slow_enough])
async def transferred(reference_id: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a transfer."""
    return _read(networks, reference_id, PAYOUT)


@get("/refund/{reference_id:str}", call="mtn.read", guards=[_slow_enough])
async def refunded(reference_id: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a refund."""
    return _read(networks, reference_id, REFUND)


def _read(networks: Networks, reference_id: str, kind: str) -> dict[str, Any]:
    movement = look_up(networks, NAME, reference_id, kind)
    if movement is None:
        raise coded(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
    return _shown(networks, movement)


def _shown(networks: Networks, movement: Movement) -> dict[str, Any]:
    payer_message, _, payee_note = movement.description.partition("\n")
    party = {"partyIdType": "MSISDN", "partyId": movement.phone.removeprefix("+")}
    shown = {
        "externalId": movement.external_user,
        "amount": str(movement.amount_xaf),
        "currency": networks.settings.mtn_currency,
        "payer" if movement.kind == COLLECT else "payee": party,
        "payerMessage": payer_message,
        "payeeNote": payee_note,
        "status": movement.status,
    }
    if movement.status == SUCCESSFUL:
        return {"financialTransactionId": str(1_000_000_000 + movement.number), **shown}
    return {**shown, "reason": _REASONS[movement.failure]} if movement.failure else shown


@get("/account/balance", call="mtn.balance")
async def balance(networks: NamedDependency[Networks]) -> dict[str, str]:
    """The merchant's float."""
    held = movements.float_of(networks, NAME, MTN)
    return {"availableBalance": str(held), "currency": networks.settings.mtn_currency}


@get("/accountholder/msisdn/{msisdn:str}/basicuserinfo", call="mtn.holder")
async def holder(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, str]:
    """The name a number is registered under."""
    phone = movements.msisdn(msisdn)
    if phone is None or carrier_of(phone) != MTN:
        raise coded(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
    family, _, given = handsets.subscriber(networks, phone).name.rpartition(" ")
    return {"given_name": given, "family_name": family, "name": f"{given} {family}"}


def _open(*own: Any) -> list[Any]:
    """The doors of one product: its token, and behind that its `own` and what both have."""
    return [token, Router("/v1_0", guards=[_authorised], route_handlers=[*own, balance, holder])]


router = doors(
    "/mtn",
    [
        Router("/collection", route_handlers=_open(request_to_pay, collection)),
        Router("/disbursement", route_handlers=_open(transfer, refund, transferred, refunded)),
    ],
    guards=[_subscribed],
)
