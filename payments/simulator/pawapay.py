"""pawaPay's Merchant API v2 as contracts/pawapay-and-mtn.md describes it.

The caller's UUID is the movement's id; the same one again is DUPLICATE_IGNORED and has no effect. A refusal is
REJECTED with 200. Callbacks are signed as https://docs.pawapay.io/v2/docs/signatures says, when there is a key.
"""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from litestar import get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from core.phones import MTN, ORANGE, carrier_of
from payments.simulator import callbacks, movements
from payments.simulator.desk import Refusal, collect, doors, look_up
from payments.simulator.failures import Why
from payments.simulator.movements import COLLECT, FAILED, PAYOUT, PENDING, REFUND, SUCCESSFUL, Movement
from payments.simulator.networks import Networks, iso

NAME = "pawapay"
_PROVIDERS = {"MTN_MOMO_CMR": MTN, "ORANGE_CMR": ORANGE}
_PROVIDER_OF = {carrier: provider for provider, carrier in _PROVIDERS.items()}
_ID = {COLLECT: "depositId", PAYOUT: "payoutId", REFUND: "refundId"}
_STATUS = {PENDING: "PROCESSING", SUCCESSFUL: "COMPLETED", FAILED: "FAILED"}
_REASONS = {
    Why.BUSY: ("PAYMENT_IN_PROGRESS", "The customer has another payment in progress"),
    Why.REJECTED: ("PAYMENT_NOT_APPROVED", "The customer did not authorise the payment"),
    Why.POOR: ("INSUFFICIENT_BALANCE", "The customer does not have enough funds"),
    Why.EXPIRED: ("PAYMENT_NOT_APPROVED", "The customer did not authorise the payment in time"),
    Why.TECHNICAL: ("UNSPECIFIED_FAILURE", "The provider gave no reason"),
}
_COVERED = '("@method" "@authority" "@path" "signature-date" "content-digest" "content-type")'
_SIGNED_SECONDS = 60
_MESSAGE_CHARACTERS = range(4, 23)


class Rejected(Exception):
    """A request that was looked at and refused, before any effect."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.reason = {"failureCode": code, "failureMessage": message}


def _unread(status: int, code: str, message: str) -> Refusal:
    """A request that was not even looked at: `failureReason` and no status."""
    return Refusal(status, failureReason={"failureCode": code, "failureMessage": message})


def _authorised(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    networks: Networks = connection.app.state.networks
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        raise _unread(401, "NO_AUTHENTICATION", "No API token in the request")
    if given != networks.settings.pawapay_token:
        raise _unread(403, "AUTHENTICATION_ERROR", "The API token is not valid")


# -- money in and out


@post("/deposits", status_code=200, call="pawapay.deposit")
async def deposit(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Ask a subscriber for money."""
    return _initiate(networks, data, COLLECT)


@post("/payouts", status_code=200, call="pawapay.payout")
async def pay_out(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Pay a subscriber."""
    return _initiate(networks, data, PAYOUT)


@post("/refunds", status_code=200, call="pawapay.refund")
async def refund(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Give back a deposit, or a part of it."""
    return _initiate(networks, data, REFUND)


def _initiate(networks: Networks, data: dict[str, Any], kind: str) -> dict[str, Any]:
    """The answer to a request for money: ACCEPTED, Why.REJECTED or DUPLICATE_IGNORED."""
    ref = str(data.get(_ID[kind]))
    if not movements.is_uuid(ref):
        raise _unread(400, "INVALID_PARAMETER", f"{_ID[kind]} is not a UUID")
    message = data.get("customerMessage")
    if message is not None and len(str(message)) not in _MESSAGE_CHARACTERS:
        raise _unread(400, "INVALID_PARAMETER", "customerMessage has 4 to 22 characters")
    known = movements.find(networks, NAME, ref, kind)
    if known is not None:
        return {_ID[kind]: ref, "status": "DUPLICATE_IGNORED", "created": iso(known.created_at)}
    try:
        with networks.store.block():
            made = _begin(networks, data, kind, ref)
    except Rejected as refusal:
        return {_ID[kind]: ref, "status": "REJECTED", "failureReason": refusal.reason}
    return {_ID[kind]: ref, "status": "ACCEPTED", "created": iso(made.created_at)}


def _begin(networks: Networks, data: dict[str, Any], kind: str, ref: str) -> Movement:
    """Raises Rejected."""
    told: dict[str, Any] = {"ref": ref, "our_id": ref, "external_user": data.get("clientReferenceId")}
    told["description"] = str(data.get("customerMessage") or "")
    if kind == COLLECT:
        return collect(networks, call_back, provider=NAME, **told, **_party(networks, data, "payer"))
    asked = _party(networks, data, "recipient") if kind == PAYOUT else _refundable(networks, data)
    paid = movements.pay_out(networks, provider=NAME, kind=kind, **told, **asked)
    if paid is None:
        raise Rejected("PAWAPAY_WALLET_OUT_OF_FUNDS", "The balance of the wallet is too low")
    return paid


def _party(networks: Networks, data: dict[str, Any], name: str) -> dict[str, Any]:
    """Who pays or is paid, and how much, as `movements` takes it. Raises Rejected."""
    party = data.get(name)
    account = party.get("accountDetails") if isinstance(party, dict) else None
    if not isinstance(party, dict) or party.get("type") != "MMO" or not isinstance(account, dict):
        raise _unread(400, "MISSING_PARAMETER", f"{name} is not complete")
    carrier, phone = _PROVIDERS.get(str(account.get("provider"))), movements.msisdn(account.get("phoneNumber"))
    if carrier is None:
        raise Rejected("INVALID_PROVIDER", "The provider is not known")
    if phone is None or carrier_of(phone) != carrier:
        raise Rejected("INVALID_PHONE_NUMBER", "The phone number is not one of the provider")
    return {"phone": phone, "carrier": carrier, "amount_xaf": _amount(networks, data, carrier)}


def _amount(networks: Networks, data: dict[str, Any], carrier: str) -> int:
    if data.get("currency") != "XAF":
        raise Rejected("INVALID_CURRENCY", "The currency is not supported by the provider")
    amount_xaf, settings = movements.whole_xaf(data.get("amount")), networks.settings
    if amount_xaf is None or not isinstance(data.get("amount"), str):
        raise Rejected("INVALID_AMOUNT", "The amount is a string without decimals")
    if not settings.minimum_xaf.get(carrier, 1) <= amount_xaf <= settings.maximum_xaf:
        raise Rejected("AMOUNT_OUT_OF_BOUNDS", "The amount is outside the limits of the provider")
    return amount_xaf


def _refundable(networks: Networks, data: dict[str, Any]) -> dict[str, Any]:
    """Whose deposit goes back, and how much of it: all, unless an amount is given. Raises Rejected."""
    paid = movements.find(networks, NAME, str(data.get("depositId")), COLLECT)
    if paid is None:
        raise Rejected("DEPOSIT_NOT_FOUND", "There is no such deposit")
    if paid.status != SUCCESSFUL:
        raise Rejected("DEPOSIT_NOT_COMPLETED", "The deposit was not completed")
    amount_xaf = _amount(networks, data, paid.carrier) if "amount" in data else paid.amount_xaf
    if movements.returned_xaf(networks, NAME, paid.ref) + amount_xaf > paid.amount_xaf:
        raise Rejected("AMOUNT_TOO_LARGE", "More than was deposited")
    return {"phone": paid.phone, "carrier": paid.carrier, "amount_xaf": amount_xaf, "returns": paid.ref}


# -- outcomes


def call_back(networks: Networks, movement: Movement) -> None:
    """Tell the product at the one address that its owner typed into the dashboard. Part of a block."""
    settings = networks.settings
    callbacks.enqueue(
        networks,
        "pawapay.callback",
        f"/payments/pawapay/{settings.payments_secret}",
        _shown(movement),
        encoding="post-json",
        tries=settings.pawapay_callback_tries,
        sign=_sign,
    )


def _sign(networks: Networks, method: str, url: str, body: bytes) -> dict[str, str]:
    """RFC 9421 with pawaPay's label, its own Signature-Date, and ECDSA in the DER form that it sends."""
    key = networks.settings.pawapay_signing_key
    if not key:
        return {}
    now = networks.clock.now()
    covered = {
        "signature-date": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "content-digest": f"sha-512=:{base64.b64encode(hashlib.sha512(body).digest()).decode()}:",
        "content-type": callbacks.JSON,
    }
    parameters = _parameters(now)
    authority, _, path = url.partition("://")[2].partition("/")
    base = {"@method": method, "@authority": authority, "@path": f"/{path}", **covered, "@signature-params": parameters}
    signer = load_pem_private_key(key.encode(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    text = "\n".join(f'"{name}": {value}' for name, value in base.items())
    signed = base64.b64encode(signer.sign(text.encode(), ec.ECDSA(hashes.SHA256()))).decode()
    return {**covered, "signature": f"sig-pp=:{signed}:", "signature-input": f"sig-pp={parameters}"}


def _parameters(now: datetime) -> str:
    created = int(now.timestamp())
    lasting = f"created={created};expires={created + _SIGNED_SECONDS}"
    return f'{_COVERED};alg="ecdsa-p256-sha256";keyid="HTTP_EC_P256_KEY:1";{lasting}'


# -- reads


@get("/deposits/{ref:str}", call="pawapay.read")
async def deposit_status(ref: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a deposit."""
    return _read(networks, ref, COLLECT)


@get("/payouts/{ref:str}", call="pawapay.read")
async def payout_status(ref: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a payout."""
    return _read(networks, ref, PAYOUT)


@get("/refunds/{ref:str}", call="pawapay.read")
async def refund_status(ref: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a refund."""
    return _read(networks, ref, REFUND)


def _read(networks: Networks, ref: str, kind: str) -> dict[str, Any]:
    movement = look_up(networks, NAME, ref, kind)
    return {"status": "FOUND", "data": _shown(movement)} if movement else {"status": "NOT_FOUND"}


def _shown(movement: Movement) -> dict[str, Any]:
    account = {"phoneNumber": movement.phone.removeprefix("+"), "provider": _PROVIDER_OF[movement.carrier]}
    shown = {
        _ID[movement.kind]: movement.ref,
        "status": _STATUS[movement.status],
        "amount": str(movement.amount_xaf),
        "currency": "XAF",
        "country": "CMR",
        "payer" if movement.kind == COLLECT else "recipient": {"type": "MMO", "accountDetails": account},
        "created": iso(movement.created_at),
    }
    if movement.description:
        shown["customerMessage"] = movement.description
    if movement.external_user:
        shown["clientReferenceId"] = movement.external_user
    if movement.status == SUCCESSFUL:
        shown["providerTransactionId"] = str(5_000_000_000 + movement.number)
    if movement.failure:
        code, message = _REASONS.get(movement.failure, _REASONS[Why.TECHNICAL])
        shown["failureReason"] = {"failureCode": code, "failureMessage": message}
    return shown


@get("/wallet-balances", call="pawapay.balance")
async def balances(networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The merchant's wallets, one per provider."""
    return {
        "balances": [
            {
                "country": "CMR",
                "balance": f"{movements.float_of(networks, NAME, carrier)}.00",
                "currency": "XAF",
                "provider": provider,
            }
            for provider, carrier in _PROVIDERS.items()
        ]
    }


router = doors(
    "/pawapay/v2",
    [deposit, pay_out, refund, deposit_status, payout_status, refund_status, balances],
    guards=[_authorised],
)
