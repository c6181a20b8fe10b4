"""CamPay as contracts/campay.md describes it, oddities included.

Where the documentation is silent the harsher reading was taken: a second `/collect/` with the same
`external_reference` prompts the payer a second time, and a prompt that nobody answers fails without a callback.
"""

import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from litestar import Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Redirect

from core.errors import InvalidPhone
from core.money import basis_points_up
from core.phones import MTN, ORANGE, carrier_of, parse_phone
from payments.simulator import callbacks, handsets
from payments.simulator.faults import FaultyAnswers
from payments.simulator.networks import Networks, spaced

_OPERATORS = {MTN: "MTN", ORANGE: "Orange"}
_APPROVAL_CODES = {MTN: "*126#", ORANGE: "Dial #150*50# on Orange or *126# on MTN to approve"}
_NONE = "None"  # how CamPay writes what is absent


class CampayError(Exception):
    """A refusal in CamPay's own form."""

    def __init__(self, status: int, **body: object) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def _refused(code: str, message: str) -> CampayError:
    return CampayError(400, message=message, error_code=code)


def _render(_: Request[Any, Any, Any], error: CampayError) -> Response[dict[str, object]]:
    return Response(error.body, status_code=error.status)


# -- who calls


@post("/token/", status_code=200)
async def token(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """An app's credentials for a token."""
    settings = networks.settings
    if (data.get("username"), data.get("password")) != (settings.campay_username, settings.campay_password):
        raise CampayError(400, non_field_errors=["Unable to log in with provided credentials."])
    fresh = secrets.token_hex(20)
    networks.store.insert("campay_token", token=fresh, expires_at=networks.now + settings.campay_token_seconds)
    return {"token": fresh, "expires_in": settings.campay_token_seconds}


def _authorised(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """`Authorization: Token <x>` and nothing else; raises CampayError 401."""
    networks: Networks = connection.app.state.networks
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme != "Token":
        raise CampayError(401, detail="Authentication credentials were not provided.")
    expires_at = networks.store.value("SELECT expires_at FROM campay_token WHERE token = ?", given)
    if expires_at is None or expires_at <= networks.now:
        raise CampayError(401, detail="Invalid token.")


# -- money in and out


@post("/collect/", status_code=200)
async def collect(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, str]:
    """Ask a subscriber for money: the prompt goes to the handset, the answer says nothing of the outcome."""
    phone, carrier, amount_xaf = _order(networks, data, "from")
    with networks.store.block():
        fee_xaf = basis_points_up(amount_xaf, networks.settings.campay_collect_fee_bp.get(carrier, 0))
        reference = _record(networks, "collect", phone, carrier, amount_xaf, fee_xaf, data)
        text = f"Payer {amount_xaf} FCFA à {networks.settings.campay_app_name} (CamPay)"
        if not handsets.show_prompt(networks, reference=reference, phone=phone, amount_xaf=amount_xaf, text=text):
            settle(networks, reference, "Subscriber busy: another USSD session is open")
    return {"reference": reference, "ussd_code": _APPROVAL_CODES[carrier], "operator": _OPERATORS[carrier]}


@post("/withdraw/", status_code=200)
async def withdraw(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, str]:
    """Pay a subscriber out of the float of their carrier; settled a moment later."""
    if not networks.settings.campay_withdraw_enabled:
        raise CampayError(403, message="Withdrawals are not enabled for this application")
    phone, carrier, amount_xaf = _order(networks, data, "to")
    with networks.store.block():
        fee_xaf = basis_points_up(amount_xaf, networks.settings.campay_withdraw_fee_bp.get(carrier, 0))
        if float_of(networks, carrier) < amount_xaf + fee_xaf:
            raise _refused("ER301", f"Insufficient balance for {_OPERATORS[carrier]}")
        _move_float(networks, carrier, -(amount_xaf + fee_xaf))
        reference = _record(networks, "withdraw", phone, carrier, amount_xaf, fee_xaf, data)
    networks.work.set()
    return {"reference": reference, "status": "PENDING"}


def _order(networks: Networks, data: dict[str, Any], party: str) -> tuple[str, str, int]:
    """Phone (E.164), carrier and amount of a request, checked in CamPay's way; raises CampayError."""
    for field in ("amount", party, "description"):
        if data.get(field) in (None, ""):
            raise CampayError(400, message=f"{field}: this field is required")
    if data.get("currency", "XAF") != "XAF":
        raise CampayError(400, message="Unsupported currency")
    if data.get("external_reference") and not _is_uuid(data["external_reference"]):
        raise CampayError(400, message="external_reference: must be a valid UUID")
    phone = _phone(data[party])
    carrier = carrier_of(phone)
    if carrier not in _OPERATORS:
        raise _refused("ER102", "Unsupported phone number carrier. Only MTN and Orange are supported")
    return phone, carrier, _amount(networks, carrier, data["amount"])


def _phone(raw: object) -> str:
    """E.164 of `2376XXXXXXXX`; any other form is ER101."""
    try:
        if not str(raw).isdecimal() or len(str(raw)) != 12:
            raise InvalidPhone()
        return parse_phone(f"+{raw}")
    except InvalidPhone:
        raise _refused("ER101", "Invalid phone number. Must start with 237 and have 12 digits") from None


def _amount(networks: Networks, carrier: str, raw: object) -> int:
    if isinstance(raw, bool | float) or not str(raw).isdecimal():
        raise _refused("ER201", "Invalid amount. Decimals are not allowed")
    amount_xaf, settings = int(str(raw)), networks.settings
    if not settings.campay_minimum_xaf.get(carrier, 1) <= amount_xaf <= settings.campay_maximum_xaf:
        raise _refused("ER201", f"Invalid amount. The maximum is {settings.campay_maximum_xaf} XAF")
    return amount_xaf


def _is_uuid(raw: object) -> bool:
    try:
        return bool(UUID(str(raw)))
    except ValueError:
        return False


def _record(
    networks: Networks, endpoint: str, phone: str, carrier: str, amount_xaf: int, fee_xaf: int, data: dict[str, Any]
) -> str:
    """Store a transaction as PENDING; its reference."""
    reference = str(uuid4())
    networks.store.insert(
        "campay_transaction",
        reference=reference,
        endpoint=endpoint,
        phone=phone,
        carrier=carrier,
        amount_xaf=amount_xaf,
        fee_xaf=fee_xaf,
        status="PENDING",
        description=str(data["description"]),
        external_reference=data.get("external_reference") or None,
        external_user=data.get("external_user") or None,
        created_at=networks.now,
    )
    return reference


# -- outcomes


def settle(networks: Networks, reference: str, failure: str | None, *, callback: bool = True) -> None:
    """Make a transaction final, move the float, and call the product back. Part of a block."""
    store = networks.store
    store.run(
        "UPDATE campay_transaction SET status = ?, reason = ? WHERE reference = ?",
        "FAILED" if failure else "SUCCESSFUL",
        failure,
        reference,
    )
    row = dict(store.first("SELECT * FROM campay_transaction WHERE reference = ?", reference) or {})
    if row["endpoint"] == "collect" and not failure:
        _move_float(networks, row["carrier"], row["amount_xaf"] - row["fee_xaf"])
    if row["endpoint"] == "withdraw" and not failure:
        handsets.pay_in(networks, row["phone"], row["amount_xaf"])
    if callback:
        _call_back(networks, row)


def settle_withdrawals(networks: Networks) -> None:
    """What `/withdraw/` accepted reaches the receivers."""
    waiting = networks.store.all(
        "SELECT reference FROM campay_transaction WHERE endpoint = 'withdraw' AND status = 'PENDING'"
    )
    for row in waiting:
        with networks.store.block():
            settle(networks, row["reference"], None)


def expire_prompts(networks: Networks) -> None:
    """Prompts that nobody answered: the payment fails, and no callback tells it."""
    with networks.store.block():
        for reference in handsets.expire(networks):
            settle(networks, reference, "Prompt expired", callback=False)


def _call_back(networks: Networks, row: dict[str, Any]) -> None:
    shown = _shown(networks, row)
    named = ("status", "reference", "currency", "operator", "code", "operator_reference", "external_reference",
             "external_user", "endpoint", "phone_number", "reason")  # fmt: skip
    fields = {name: shown[name] for name in named} | {"amount": row["amount_xaf"], "signature": signature(networks)}
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
    now = networks.clock.now()
    claims = {"iat": now, "nbf": now, "exp": now + timedelta(hours=1), "source": "CamPay"}
    return jwt.encode(claims, networks.settings.campay_webhook_key, algorithm="HS256")


def float_of(networks: Networks, carrier: str) -> int:
    """The merchant's balance with one carrier, in XAF."""
    held = networks.store.value("SELECT balance_xaf FROM campay_float WHERE carrier = ?", carrier)
    return networks.settings.campay_opening_float_xaf.get(carrier, 0) if held is None else int(held)


def _move_float(networks: Networks, carrier: str, amount_xaf: int) -> None:
    new = float_of(networks, carrier) + amount_xaf
    networks.store.run("INSERT OR REPLACE INTO campay_float VALUES (?, ?)", carrier, new)


# -- reads


@get("/transaction/{reference:str}/")
async def transaction(reference: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of one transaction: the only truth about it."""
    row = networks.store.first("SELECT * FROM campay_transaction WHERE reference = ?", reference)
    if row is None:
        raise CampayError(404, detail="Not found.")
    return _shown(networks, dict(row))


def _shown(networks: Networks, row: dict[str, Any]) -> dict[str, Any]:
    """A transaction in CamPay's spelling: "5.00", "None", and Orange's empty operator reference."""
    absent = ("extra_first_name", "extra_last_name", "extra_email", "redirect_url", "failure_redirect_url")
    return {
        "reference": row["reference"],
        "status": row["status"],
        "amount": f"{row['amount_xaf']}.00",
        "app_amount": float(row["amount_xaf"] - row["fee_xaf"]),
        "currency": "XAF",
        "operator": _OPERATORS[row["carrier"]],
        "code": _code(row),
        "operator_reference": _operator_reference(row),
        "endpoint": row["endpoint"],
        "signature": signature(networks),
        "external_reference": row["external_reference"] or _NONE,
        "external_user": row["external_user"] or _NONE,
        "phone_number": row["phone"].removeprefix("+"),
        "description": row["description"],
        "reason": row["reason"] or _NONE,
    } | dict.fromkeys(absent, _NONE)


def _code(row: dict[str, Any]) -> str:
    return f"CP{datetime.fromtimestamp(row['created_at'], UTC):%y%m%d}T{row['number']:05d}"


def _operator_reference(row: dict[str, Any]) -> str:
    if row["status"] != "SUCCESSFUL":
        return _NONE
    return f"{7_000_000_000 + row['number']}" if row["carrier"] == MTN else ""


@get("/balance/")
async def balance(networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The merchant's float, per carrier."""
    mtn, orange = float_of(networks, MTN), float_of(networks, ORANGE)
    return {
        "total_balance": float(mtn + orange),
        "mtn_balance": float(mtn),
        "orange_balance": float(orange),
        "utility_balance": 0.0,
        "currency": "XAF",
    }


@post("/history/", status_code=200)
async def history(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Final transactions between two days: without our `external_reference`, and without what is PENDING."""
    since, until = _day(data, "start_date"), _day(data, "end_date") + timedelta(days=1)
    rows = networks.store.all(
        """SELECT * FROM campay_transaction
           WHERE status <> 'PENDING' AND created_at >= ? AND created_at < ? ORDER BY number DESC""",
        since.timestamp(),
        until.timestamp(),
    )
    return {"data": [_line(dict(row)) for row in rows]}


def _day(data: dict[str, Any], field: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(str(data.get(field))), datetime.min.time(), UTC)
    except ValueError:
        raise CampayError(400, message=f"{field}: must be YYYY-MM-DD") from None


def _line(row: dict[str, Any]) -> dict[str, Any]:
    collected = row["endpoint"] == "collect"
    moved = row["amount_xaf"] if row["status"] == "SUCCESSFUL" else 0
    return {
        "datetime": spaced(row["created_at"]),
        "code": _code(row),
        "operator_tx_code": _operator_reference(row),
        "operator": _OPERATORS[row["carrier"]],
        "phone_number": row["phone"].removeprefix("+"),
        "description": row["description"],
        "external_user": row["external_user"] or _NONE,
        "amount": float(row["amount_xaf"]),
        "charge_amount": float(row["fee_xaf"] if moved else 0),
        "debit": 0.0 if collected else float(moved),
        "credit": float(moved) if collected else 0.0,
        "status": row["status"],
        "reference_uuid": row["reference"],
    }


@get("/holder_info/")
async def holder_info(phone_number: FromQuery[str], networks: NamedDependency[Networks]) -> dict[str, str]:
    """The name a number is registered under."""
    return {"full_name": handsets.subscriber(networks, _phone(phone_number)).name}


def _keep_slash(request: Request[Any, Any, Any]) -> Redirect | None:
    """Paths end in a slash: a GET without it is sent there, anything else does not exist."""
    if request.scope["raw_path"].endswith(b"/"):
        return None
    if request.method == "GET":
        return Redirect(f"{request.url.path}/?{request.url.query}".removesuffix("?"), status_code=301)
    raise NotFoundException("the path must end in a slash")


_closed = Router(
    "/", guards=[_authorised], route_handlers=[collect, withdraw, transaction, balance, history, holder_info]
)
router = Router(
    "/campay/api",
    route_handlers=[token, _closed],
    middleware=[FaultyAnswers()],
    before_request=_keep_slash,
    exception_handlers={CampayError: _render},
)


def counts(networks: Networks) -> dict[str, Any]:
    """What was asked of CamPay, so that a test can prove that no second prompt went out."""
    return {endpoint: _count(networks, endpoint) for endpoint in ("collect", "withdraw")}


def _count(networks: Networks, endpoint: str) -> dict[str, Any]:
    def by(column: str) -> dict[str, int]:
        rows = networks.store.all(
            f"SELECT {column}, count(*) FROM campay_transaction WHERE endpoint = ? GROUP BY 1",  # noqa: S608
            endpoint,
        )
        return {str(row[0]): row[1] for row in rows}

    return {
        "total": sum(by("endpoint").values()),
        "by_phone": {phone.removeprefix("+"): number for phone, number in by("phone").items()},
        "by_external_reference": by("external_reference"),
        "by_status": by("status"),
    }
