"""CamPay as contracts/campay.md describes it, oddities included.

Where the documentation is silent the harsher reading was taken: a second `/collect/` with the same
`external_reference` prompts the payer a second time, and a prompt that nobody answers fails without a callback.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
from litestar import Request, Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Redirect

from core.phones import MTN, ORANGE, carrier_of
from payments.simulator import callbacks, desk, handsets, movements
from payments.simulator.desk import Refusal
from payments.simulator.failures import Why
from payments.simulator.movements import COLLECT, PAYOUT, PENDING, SUCCESSFUL, Movement
from payments.simulator.networks import Networks, spaced

NAME = "campay"
_OPERATORS = {MTN: "MTN", ORANGE: "Orange"}
_APPROVAL_CODES = {MTN: "*126#", ORANGE: "Dial #150*50# on Orange or *126# on MTN to approve"}
_NONE = "None"  # how CamPay writes what is absent
_ENDPOINTS = {COLLECT: "collect", PAYOUT: "withdraw"}
_REASONS = {
    Why.BUSY: "Subscriber busy: another USSD session is open",
    Why.REJECTED: "Rejected by the payer",
    Why.POOR: "Insufficient balance",
    Why.EXPIRED: "Prompt expired",
}


def _refused(code: str, message: str) -> Refusal:
    return Refusal(400, message=message, error_code=code)


# -- who calls


@post("/token/", status_code=200, call="campay.token")
async def token(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """An app's credentials for a token."""
    settings = networks.settings
    if (data.get("username"), data.get("password")) != (settings.campay_username, settings.campay_password):
        raise Refusal(400, non_field_errors=["Unable to log in with provided credentials."])
    seconds = settings.campay_token_seconds
    return {"token": movements.new_token(networks, NAME, seconds), "expires_in": seconds}


def _authorised(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """`Authorization: Token <x>` and nothing else; raises Refusal 401."""
    networks: Networks = connection.app.state.networks
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme != "Token":
        raise Refusal(401, detail="Authentication credentials were not provided.")
    permanent = networks.settings.campay_permanent_token
    if not (permanent and given == permanent) and not movements.token_holds(networks, NAME, given):
        raise Refusal(401, detail="Invalid token.")


# -- money in and out


@post("/collect/", status_code=200, call="campay.collect")
async def collect(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, str]:
    """Ask a subscriber for money: the prompt goes to the handset, the answer says nothing of the outcome."""
    phone, carrier, amount_xaf = _order(networks, data, "from")
    with networks.store.block():
        named: dict[str, Any] = {"phone": phone, "carrier": carrier, "amount_xaf": amount_xaf, **_told(data)}
        movement = desk.collect(networks, call_back, provider=NAME, **named)
    return {"reference": movement.ref, "ussd_code": _APPROVAL_CODES[carrier], "operator": _OPERATORS[carrier]}


@post("/withdraw/", status_code=200, call="campay.withdraw")
async def withdraw(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, str]:
    """Pay a subscriber out of the float of their carrier; settled a moment later."""
    if not networks.settings.campay_withdraw_enabled:
        raise Refusal(403, message="Withdrawals are not enabled for this application")
    phone, carrier, amount_xaf = _order(networks, data, "to")
    with networks.store.block():
        named: dict[str, Any] = {"phone": phone, "carrier": carrier, "amount_xaf": amount_xaf, **_told(data)}
        movement = movements.pay_out(networks, provider=NAME, **named)
    if movement is None:
        raise _refused("ER301", f"Insufficient balance for {_OPERATORS[carrier]}")
    return {"reference": movement.ref, "status": "PENDING"}


def _told(data: dict[str, Any]) -> dict[str, str | None]:
    """What a request carries that only its sender understands."""
    return {
        "our_id": data.get("external_reference") or None,
        "description": str(data["description"]),
        "external_user": data.get("external_user") or None,
    }


def _order(networks: Networks, data: dict[str, Any], party: str) -> tuple[str, str, int]:
    """Phone (E.164), carrier and amount of a request, checked in CamPay's way; raises Refusal."""
    for field in ("amount", party, "description"):
        if data.get(field) in (None, ""):
            raise Refusal(400, message=f"{field}: this field is required")
    if data.get("currency", "XAF") != "XAF":
        raise Refusal(400, message="Unsupported currency")
    if data.get("external_reference") and not movements.is_uuid(data["external_reference"]):
        raise Refusal(400, message="external_reference: must be a valid UUID")
    phone = _phone(data[party])
    carrier = carrier_of(phone)
    if carrier not in _OPERATORS:
        raise _refused("ER102", "Unsupported phone number carrier. Only MTN and Orange are supported")
    return phone, carrier, _amount(networks, carrier, data["amount"])


def _phone(raw: object) -> str:
    """E.164 of `2376XXXXXXXX`; any other form is ER101."""
    phone = movements.msisdn(raw)
    if phone is None:
        raise _refused("ER101", "Invalid phone number. Must start with 237 and have 12 digits")
    return phone


def _amount(networks: Networks, carrier: str, raw: object) -> int:
    amount_xaf, settings = movements.whole_xaf(raw), networks.settings
    if amount_xaf is None:
        raise _refused("ER201", "Invalid amount. Decimals are not allowed")
    if not settings.minimum_xaf.get(carrier, 1) <= amount_xaf <= settings.maximum_xaf:
        raise _refused("ER201", f"Invalid amount. The maximum is {settings.maximum_xaf} XAF")
    return amount_xaf


# -- outcomes


def call_back(networks: Networks, movement: Movement) -> None:
    """Tell the product that a transaction is final; nobody does when a prompt was left unanswered. Part of a block."""
    if movement.failure == Why.EXPIRED:
        return
    shown = _shown(networks, movement)
    named = ("status", "reference", "currency", "operator", "code", "operator_reference", "external_reference",
             "external_user", "endpoint", "phone_number", "reason")  # fmt: skip
    fields = {name: shown[name] for name in named} | {"amount": movement.amount_xaf, "signature": signature(networks)}
    settings = networks.settings
    callbacks.enqueue(
        networks,
        "campay.callback",
        f"/payments/campay/{settings.payments_secret}",
        fields,
        encoding=settings.campay_callback,
        tries=settings.campay_callback_tries,
    )


def signature(networks: Networks) -> str:
    """The JWT that proves a callback to be CamPay's, and nothing about what it says."""
    return _signed(int(networks.now), networks.settings.campay_webhook_key)


@lru_cache(maxsize=1)
def _signed(now: int, key: str) -> str:
    """The same for all that is told within a second."""
    return jwt.encode({"iat": now, "nbf": now, "exp": now + 3600, "source": "CamPay"}, key, algorithm="HS256")


# -- reads


@get("/transaction/{reference:str}/", call="campay.transaction")
async def transaction(reference: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of one transaction: the only truth about it."""
    movement = movements.find(networks, NAME, reference)
    if movement is None:
        raise Refusal(404, detail="Not found.")
    return _shown(networks, movement)


def _shown(networks: Networks, movement: Movement) -> dict[str, Any]:
    """A transaction in CamPay's spelling: "5.00", "None", and Orange's empty operator reference."""
    absent = ("extra_first_name", "extra_last_name", "extra_email", "redirect_url", "failure_redirect_url")
    return {
        "reference": movement.ref,
        "status": movement.status,
        "amount": f"{movement.amount_xaf}.00",
        "app_amount": float(movement.amount_xaf - movement.fee_xaf),
        "currency": "XAF",
        "operator": _OPERATORS[movement.carrier],
        "code": _code(movement),
        "operator_reference": _operator_reference(movement),
        "endpoint": _ENDPOINTS[movement.kind],
        "signature": signature(networks),
        "external_reference": movement.our_id or _NONE,
        "external_user": movement.external_user or _NONE,
        "phone_number": movement.phone.removeprefix("+"),
        "description": movement.description,
        "reason": _REASONS.get(movement.failure, "Transaction failed") if movement.failure else _NONE,
    } | dict.fromkeys(absent, _NONE)


def _code(movement: Movement) -> str:
    return f"CP{datetime.fromtimestamp(movement.created_at, UTC):%y%m%d}T{movement.number:05d}"


def _operator_reference(movement: Movement) -> str:
    if movement.status != SUCCESSFUL:
        return _NONE
    return f"{7_000_000_000 + movement.number}" if movement.carrier == MTN else ""


@get("/balance/", call="campay.balance")
async def balance(networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The merchant's float, per carrier."""
    mtn, orange = (movements.float_of(networks, NAME, carrier) for carrier in (MTN, ORANGE))
    return {
        "total_balance": float(mtn + orange),
        "mtn_balance": float(mtn),
        "orange_balance": float(orange),
        "utility_balance": 0.0,
        "currency": "XAF",
    }


@post("/history/", status_code=200, call="campay.history")
async def history(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Final transactions between two days: without our `external_reference`, and without what is PENDING."""
    since, until = _day(data, "start_date"), _day(data, "end_date") + timedelta(days=1)
    rows = networks.store.all(
        """SELECT * FROM movement
           WHERE provider = ? AND status <> ? AND created_at >= ? AND created_at < ? ORDER BY number DESC""",
        NAME,
        PENDING,
        since.timestamp(),
        until.timestamp(),
    )
    return {"data": [_line(movements.read(row)) for row in rows]}


def _day(data: dict[str, Any], field: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(str(data.get(field))), datetime.min.time(), UTC)
    except ValueError:
        raise Refusal(400, message=f"{field}: must be YYYY-MM-DD") from None


def _line(movement: Movement) -> dict[str, Any]:
    collected = movement.kind == COLLECT
    moved = movement.amount_xaf if movement.status == SUCCESSFUL else 0
    return {
        "datetime": spaced(movement.created_at),
        "code": _code(movement),
        "operator_tx_code": _operator_reference(movement),
        "operator": _OPERATORS[movement.carrier],
        "phone_number": movement.phone.removeprefix("+"),
        "description": movement.description,
        "external_user": movement.external_user or _NONE,
        "amount": float(movement.amount_xaf),
        "charge_amount": float(movement.fee_xaf if moved else 0),
        "debit": 0.0 if collected else float(moved),
        "credit": float(moved) if collected else 0.0,
        "status": movement.status,
        "reference_uuid": movement.ref,
    }


@get("/holder_info/", call="campay.holder_info")
async def holder_info(phone_number: FromQuery[str], networks: NamedDependency[Networks]) -> dict[str, str]:
    """The name a number is registered under."""
    return {"full_name": handsets.subscriber(networks, _phone(phone_number)).name}


async def _keep_slash(request: Request[Any, Any, Any]) -> Redirect | None:
    """Paths end in a slash: a GET without it is sent there, anything else does not exist."""
    if request.scope["raw_path"].endswith(b"/"):
        return None
    if request.method == "GET":
        return Redirect(f"{request.url.path}/?{request.url.query}".removesuffix("?"), status_code=301)
    raise NotFoundException("the path must end in a slash")


_closed = Router(
    "/", guards=[_authorised], route_handlers=[collect, withdraw, transaction, balance, history, holder_info]
)
router = desk.doors("/campay/api", [token, _closed], before_request=_keep_slash)
