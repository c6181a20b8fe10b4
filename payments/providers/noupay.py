"""NouPay (contracts/noupay.md). Nobody documents it, so it has no safety capability: the least trusted provider.

A lost answer stays UNKNOWN until a callback names the payment. `fallback` is never asked for: a fail-over inside
the provider would hide which rail was charged.
"""

import hmac
from datetime import datetime
from typing import Any

from core import http
from core.http import HttpClient
from core.phones import EXPRESS_UNION, MTN, ORANGE
from core.settings import Settings
from payments.providers import fields, wire
from payments.providers.adapter import Adapter
from payments.providers.protocol import (
    Answer,
    Callback,
    Capabilities,
    Proof,
    Record,
    Request,
    Ring,
    Unbelieved,
    Word,
)
from payments.providers.wire import FixedCredential, Wire
from payments.states import Failure, Kind

# Express Union is on no other provider: what fails there is not tried elsewhere.
CAPABILITIES = Capabilities(name="noupay", carriers=frozenset({MTN, ORANGE, EXPRESS_UNION}))

# Told before any effect, with a status below 500. Every other refusal may hide a prompt, a 401 included.
REFUSALS = {
    "INVALID_PHONE": Failure.WRONG_NUMBER,
    "UNSUPPORTED_METHOD": Failure.UNSUPPORTED,
    "INVALID_AMOUNT": Failure.LIMIT,
    "INSUFFICIENT_FLOAT": Failure.LOW_FLOAT,
}
WORDS = {"PENDING": Word.PENDING, "SUCCESSFUL": Word.SUCCESSFUL, "FAILED": Word.FAILED}

_METHODS = {MTN: "MTN_MOMO", ORANGE: "ORANGE_MONEY", EXPRESS_UNION: "EU_MOBILE"}
_CARRIERS = {method: carrier for carrier, method in _METHODS.items()}


class Noupay(Adapter):
    """The adapter. It has no look-up, no list and no names."""

    capabilities = CAPABILITIES

    def __init__(self, settings: Settings, *, http_client: HttpClient | None = None) -> None:
        super().__init__(
            settings,
            url=settings.noupay_url,
            collect_fee_bp=settings.noupay_collect_fee_bp,
            payout_fee_bp=settings.noupay_payout_fee_bp,
            http_client=http_client,
        )
        self._wire = Wire(settings, self._http, FixedCredential(settings.noupay_api_key), "X-API-Key: ")

    # -- money

    async def send(self, request: Request) -> Answer:
        """`POST /payments` or `/payouts`; see `classify` for what an answer proves."""
        collects = request.kind is Kind.COLLECT
        body = {
            "amount": request.amount_xaf,
            "currency": "XAF",
            "phone" if collects else "to": request.phone.removeprefix("+"),
            "method": _METHODS[request.carrier],
            "reference": str(request.attempt_id),
            "description": f"{request.attempt_id} {request.purpose}",
            "callback_url": wire.callback_url(self._settings, CAPABILITIES.name),
        }
        return await self._wire.send(classify, "POST", _path(request.kind), json=body)

    # -- reads

    async def read(self, ref: str, kind: Kind) -> Record | None:
        """`GET /payments/{ref}` or `/payouts/{ref}`"""
        return record(await self._wire.body(f"{_path(kind)}/{ref}"), kind)

    async def floats(self) -> dict[str, int] | None:
        """`GET /balance`, floored."""
        listed = fields.rows(await self._wire.body("/balance"), "balances") or []
        told = (
            (_CARRIERS.get(fields.text(row.get("method")) or ""), fields.decimal(row.get("amount"))) for row in listed
        )
        return {carrier: int(amount) for carrier, amount in told if carrier and amount is not None} or None


def _path(kind: Kind) -> str:
    return "/payments" if kind is Kind.COLLECT else "/payouts"


def classify(answer: http.Answer) -> Answer:
    """What NouPay's answer to a request for money proves."""
    body = answer.json()
    ref, code = _ref(body), fields.text(body.get("code"))
    if ref is not None and (answer.status < 300 or answer.status == 409):
        return Answer(Proof.ACCEPTED, f"HTTP {answer.status}", ref=ref)
    if code in REFUSALS and 400 <= answer.status < 500:
        return Answer(Proof.REFUSED, code, failure=REFUSALS[code])
    return Answer(Proof.UNKNOWN, f"HTTP {answer.status}")


def record(body: dict[str, Any], kind: Kind) -> Record | None:
    """A movement as NouPay shows it; None when it is not one. Its address tells the direction."""
    ref, word = _ref(body), fields.word(body.get("status"), WORDS)
    if ref is None or word is None:
        return None
    return Record(
        ref=ref,
        word=word,
        our_id=fields.text(body.get("reference")),
        collects=kind is Kind.COLLECT,
        amount=fields.decimal(body.get("amount")),
        net=None,
        currency=fields.text(body.get("currency")),
        phone=fields.phone(body.get("phone" if kind is Kind.COLLECT else "to")),
        carrier=_CARRIERS.get(fields.text(body.get("method")) or ""),
        failure=fields.failure(body.get("reason")) if word is Word.FAILED else None,
    )


def _ref(body: dict[str, Any]) -> str | None:
    return fields.ref(body.get("payment_id")) or fields.ref(body.get("payout_id"))


def build(settings: Settings) -> Noupay:
    return Noupay(settings)


def configured(settings: Settings) -> bool:
    return bool(settings.noupay_api_key)


def hear(callback: Callback, settings: Settings, now: datetime) -> Ring:
    """Which payment to look at. Raises Unbelieved when it cannot be read or is not NouPay's."""
    told = fields.json_object(callback.body) or {}
    ring = Ring(ref=_ref(told), our_id=fields.text(told.get("reference")))
    if ring.ref is None and ring.our_id is None:
        raise Unbelieved("unreadable")
    if not _signed(callback, settings.noupay_webhook_secret):
        raise Unbelieved("forged")
    return ring


def _signed(callback: Callback, secret: str) -> bool:
    """Whether the header holds the HMAC of the raw body."""
    given = callback.headers.get("x-noupay-signature", "").strip().lower()
    proof = hmac.digest(secret.encode(), callback.body, "sha256").hex()
    return bool(secret) and hmac.compare_digest(given.encode(), proof.encode())
