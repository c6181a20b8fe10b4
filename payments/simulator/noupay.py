"""NouPay as contracts/noupay.md describes it.

Nothing is documented about a repeated `reference`, so it is what it would be at worst: a second prompt.
"""

import hashlib
import hmac
from typing import Any

from litestar import get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from core.phones import MTN, ORANGE
from payments.simulator import callbacks, desk, movements
from payments.simulator.desk import coded
from payments.simulator.failures import Why
from payments.simulator.movements import COLLECT, PAYOUT, Movement
from payments.simulator.networks import Networks

NAME = "noupay"
_METHODS = {"MTN_MOMO": MTN, "ORANGE_MONEY": ORANGE, "EU_MOBILE": "express_union"}
_METHOD_OF = {carrier: method for method, carrier in _METHODS.items()}
_REASONS = {
    Why.BUSY: "SUBSCRIBER_BUSY",
    Why.REJECTED: "REJECTED_BY_PAYER",
    Why.POOR: "INSUFFICIENT_FUNDS",
    Why.EXPIRED: "EXPIRED",
    Why.TECHNICAL: "OPERATOR_ERROR",
}


def _authorised(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    networks: Networks = connection.app.state.networks
    if connection.headers.get("x-api-key") != networks.settings.noupay_api_key:
        raise coded(401, "UNAUTHORIZED", "Unknown API key")


# -- money in and out


@post("/payments", call="noupay.collect")
async def collect(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, str]:
    """Ask a subscriber for money."""
    asked = _order(networks, data, "phone")
    with networks.store.block():
        movement = desk.collect(networks, call_back, provider=NAME, **asked)
    return {"payment_id": movement.ref, "status": "PENDING"}


@post("/payouts", call="noupay.payout")
async def pay_out(data: JSONBody[dict[str, Any]], networks: NamedDependency[Networks]) -> dict[str, str]:
    """Pay a subscriber out of the float of the method."""
    asked = _order(networks, data, "to")
    with networks.store.block():
        movement = movements.pay_out(networks, provider=NAME, **asked)
    if movement is None:
        raise coded(400, "INSUFFICIENT_FLOAT", "The balance of this method is too low")
    return {"payment_id": movement.ref, "status": "PENDING"}


def _order(networks: Networks, data: dict[str, Any], party: str) -> dict[str, Any]:
    """A request as `movements` takes it; raises Refusal."""
    carrier, phone = _METHODS.get(str(data.get("method"))), movements.msisdn(data.get(party))
    if carrier is None:
        raise coded(400, "UNSUPPORTED_METHOD", "method is none of ours")
    if phone is None:
        raise coded(400, "INVALID_PHONE", f"{party}: 12 digits that begin with 237")
    amount_xaf, settings = data.get("amount"), networks.settings
    if type(amount_xaf) is not int or data.get("currency") != "XAF":
        raise coded(400, "INVALID_AMOUNT", "amount is an integer, currency is XAF")
    if not settings.minimum_xaf.get(carrier, 1) <= amount_xaf <= settings.maximum_xaf:
        raise coded(400, "INVALID_AMOUNT", "amount is outside the limits of the method")
    return {
        "phone": phone,
        "carrier": carrier,
        "amount_xaf": amount_xaf,
        "our_id": str(data["reference"]) if data.get("reference") else None,
        "description": str(data.get("description") or ""),
        "callback_url": data.get("callback_url"),
    }


# -- outcomes


def call_back(networks: Networks, movement: Movement) -> None:
    """Tell the product, where it asked to be told. Part of a block."""
    if movement.callback_url:
        callbacks.enqueue(
            networks,
            "noupay.callback",
            movement.callback_url,
            _shown(movement),
            encoding="post-json",
            tries=networks.settings.noupay_callback_tries,
            sign=_sign,
        )


def _sign(networks: Networks, _method: str, _url: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(networks.settings.noupay_webhook_secret.encode(), body, hashlib.sha256)
    return {"X-NouPay-Signature": digest.hexdigest()}


# -- reads


@get("/payments/{payment_id:str}", call="noupay.read")
async def payment(payment_id: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a collection."""
    return _read(networks, payment_id, COLLECT)


@get("/payouts/{payment_id:str}", call="noupay.read")
async def payout(payment_id: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The state of a payout."""
    return _read(networks, payment_id, PAYOUT)


def _read(networks: Networks, ref: str, kind: str) -> dict[str, Any]:
    movement = movements.find(networks, NAME, ref, kind)
    if movement is None:
        raise coded(404, "NOT_FOUND", "There is no such payment")
    return _shown(movement)


def _shown(movement: Movement) -> dict[str, Any]:
    return {
        "payment_id": movement.ref,
        "reference": movement.our_id,
        "status": movement.status,
        "amount": movement.amount_xaf,
        "currency": "XAF",
        "phone" if movement.kind == COLLECT else "to": movement.phone.removeprefix("+"),
        "method": _METHOD_OF[movement.carrier],
        "reason": _REASONS.get(movement.failure, "OPERATOR_ERROR") if movement.failure else None,
    }


@get("/balance", call="noupay.balance")
async def balance(networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The merchant's float, per method."""
    held = {method: movements.float_of(networks, NAME, carrier) for method, carrier in _METHODS.items()}
    return {"balances": [{"method": method, "amount": amount_xaf} for method, amount_xaf in held.items()]}


router = desk.doors("/noupay", [collect, pay_out, payment, payout, balance], guards=[_authorised])
