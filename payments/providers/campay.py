"""CamPay (contracts/campay.md). It has no look-up by our id and no proven idempotency: a lost answer stays
UNKNOWN until a callback or the history names the reference. Its callbacks prove their sender, and nothing else.
Its payment links and mass payouts are left out: each payout here is one attempt with one id.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import jwt

from core import http
from core.http import HttpClient
from core.phones import MTN, ORANGE
from core.settings import Settings
from payments.providers import fields
from payments.providers.adapter import Adapter
from payments.providers.protocol import (
    Answer,
    Callback,
    Capabilities,
    HistoryLine,
    Proof,
    Record,
    Request,
    Ring,
    Unbelieved,
    Word,
)
from payments.providers.wire import FixedCredential, FreshToken, RenewedToken, Wire
from payments.states import Failure, Kind

CAPABILITIES = Capabilities(name="campay", carriers=frozenset({MTN, ORANGE}), history=True, tells_holder=True)

# Documented before any effect, whatever the HTTP status below 500. Every other refusal may hide a prompt.
REFUSALS = {
    "ER101": Failure.WRONG_NUMBER,
    "ER102": Failure.UNSUPPORTED,
    "ER201": Failure.LIMIT,  # an invalid amount, and also limits
    "ER301": Failure.LOW_FLOAT,
}

WORDS = {"PENDING": Word.PENDING, "SUCCESSFUL": Word.SUCCESSFUL, "FAILED": Word.FAILED}

_CARRIERS = {"mtn": MTN, "orange": ORANGE}
_ENDPOINTS = {"collect": True, "withdraw": False}
_OUR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SKEW = timedelta(seconds=60)


class Campay(Adapter):
    """The adapter. One per process: it holds the connection pool and the token."""

    capabilities = CAPABILITIES

    def __init__(self, settings: Settings, *, http_client: HttpClient | None = None) -> None:
        super().__init__(
            settings,
            url=settings.campay_url,
            collect_fee_bp=settings.campay_collect_fee_bp,
            payout_fee_bp=settings.campay_withdraw_fee_bp,
            http_client=http_client,
        )
        permanent = settings.campay_permanent_token
        credential = FixedCredential(permanent) if permanent else RenewedToken(self._fetch_token)
        self._wire = Wire(settings, self._http, credential, "Authorization: Token ")

    # -- money

    async def send(self, request: Request) -> Answer:
        """`POST /collect/` or `/withdraw/`; see `classify` for what an answer proves."""
        collects = request.kind is Kind.COLLECT
        body = {
            "amount": str(request.amount_xaf),
            "currency": "XAF",
            "from" if collects else "to": request.phone.removeprefix("+"),
            # The history shows these two and no external_reference: the only way back to a lost reference.
            "description": f"{request.attempt_id} {request.purpose}",
            "external_user": str(request.attempt_id),
            "external_reference": str(request.attempt_id),
        }
        return await self._wire.send(classify, "POST", "/collect/" if collects else "/withdraw/", json=body)

    # -- reads

    async def read(self, ref: str, kind: Kind) -> Record | None:
        """`GET /transaction/{ref}/`"""
        return record(await self._wire.body(f"/transaction/{ref}/"))

    async def locate(self, attempt_id: UUID, *, since: date, until: date) -> list[str]:
        """`POST /history/`: final rows whose description or external_user is ours. Pending ones are not in it."""
        return list(_references(await self._rows(since, until) or [], str(attempt_id)))

    async def history(self, *, since: date, until: date) -> list[HistoryLine] | None:
        """`POST /history/`: what became final on those days."""
        rows = await self._rows(since, until)
        return None if rows is None else [line for row in rows if (line := _line(row)) is not None]

    async def _rows(self, since: date, until: date) -> list[dict[str, Any]] | None:
        days = {"start_date": str(since), "end_date": str(until)}
        return fields.rows(await self._wire.body("/history/", method="POST", json=days), "data")

    async def floats(self) -> dict[str, int] | None:
        """`GET /balance/`: per carrier, since a payout to MTN draws on `mtn_balance` only. Fractions are floored."""
        body = await self._wire.body("/balance/")
        amounts = {carrier: fields.decimal(body.get(f"{name}_balance")) for name, carrier in _CARRIERS.items()}
        return {carrier: int(amount) for carrier, amount in amounts.items() if amount is not None} or None

    async def holder(self, phone: str) -> str | None:
        """`GET /holder_info/`"""
        body = await self._wire.body("/holder_info/", params={"phone_number": phone.removeprefix("+")})
        return fields.text(body.get("full_name"))

    async def _fetch_token(self) -> FreshToken | None:
        """`POST /token/`"""
        credentials = {"username": self._settings.campay_username, "password": self._settings.campay_password}
        answer = await self._http.request("POST", "/token/", json=credentials)
        body = answer.json()
        token, lasts = fields.text(body.get("token")), fields.decimal(body.get("expires_in"))
        return FreshToken(token, int(lasts or 0)) if answer.status == 200 and token else None


def classify(answer: http.Answer) -> Answer:
    """What CamPay's answer to a request for money proves."""
    body = answer.json()
    ref, code = fields.ref(body.get("reference")), fields.text(body.get("error_code"))
    if ref is not None and (answer.status < 300 or answer.status == 409):
        return Answer(Proof.ACCEPTED, f"HTTP {answer.status}", ref=ref)
    if code in REFUSALS and answer.status < 500:
        return Answer(Proof.REFUSED, code, failure=REFUSALS[code])
    if answer.status == 401:  # the permanent token is not theirs; nothing was looked at
        return Answer(Proof.NOT_SENT, "TOKEN", failure=Failure.TECHNICAL)
    if answer.status == 403 and body:  # withdrawals are not enabled in the app's settings; a proxy's 403 is HTML
        return Answer(Proof.REFUSED, "HTTP 403", failure=Failure.TECHNICAL)
    return Answer(Proof.UNKNOWN, f"HTTP {answer.status}")


def record(body: dict[str, Any]) -> Record | None:
    """A transaction as CamPay shows it; None when it is not one. Absent values are the string "None"."""
    ref, word = fields.ref(body.get("reference")), fields.word(body.get("status"), WORDS)
    if ref is None or word is None:
        return None
    return Record(
        ref=ref,
        word=word,
        our_id=fields.text(body.get("external_reference")),
        collects=_ENDPOINTS.get(fields.text(body.get("endpoint")) or ""),
        amount=fields.decimal(body.get("amount")),
        net=fields.decimal(body.get("app_amount")),
        currency=fields.text(body.get("currency")),
        phone=fields.phone(body.get("phone_number")),
        carrier=_carrier(body),
        failure=fields.failure(body.get("reason")) if word is Word.FAILED else None,
    )


def _carrier(body: dict[str, Any]) -> str | None:
    return _CARRIERS.get((fields.text(body.get("operator")) or "").lower())


def build(settings: Settings) -> Campay:
    return Campay(settings)


def configured(settings: Settings) -> bool:
    return bool(settings.campay_permanent_token or (settings.campay_username and settings.campay_password))


def hear(callback: Callback, settings: Settings, now: datetime) -> Ring:
    """Which transaction to look at. Raises Unbelieved when it cannot be read or is not CamPay's."""
    told = _told(callback)
    ring = Ring(ref=fields.ref(told.get("reference")), our_id=fields.text(told.get("external_reference")))
    if ring.ref is None and ring.our_id is None:
        raise Unbelieved("unreadable")
    if not _signed(fields.text(told.get("signature")), settings.campay_webhook_key, now):
        raise Unbelieved("forged")
    return ring


def _signed(signature: str | None, key: str, now: datetime) -> bool:
    """Whether `signature` is CamPay's HS256 token and its hour is not over."""
    if not signature or not key:
        return False
    # The library would compare with the machine's clock; ours is a parameter (D29).
    unclocked = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["iat", "nbf", "exp"]}
    try:
        claims = jwt.decode(signature, key, algorithms=["HS256"], options=unclocked)  # type: ignore[arg-type]
        starts, ends = int(claims["nbf"]), int(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        return False
    skew = _SKEW.total_seconds()
    return claims.get("source") == "CamPay" and starts - skew <= now.timestamp() <= ends + skew


def _told(callback: Callback) -> dict[str, Any]:
    """Query, JSON or form: CamPay's dashboard offers all three."""
    if not callback.body:
        return dict(parse_qsl(callback.query))
    told = fields.json_object(callback.body)
    return dict(parse_qsl(callback.body.decode(errors="replace"))) if told is None else told


def _references(rows: list[dict[str, Any]], our_id: str) -> Iterator[str]:
    """The references of the history's rows that carry our id."""
    for row in rows:
        ref = fields.ref(row.get("reference_uuid"))
        if ref and our_id == _our_id(row):
            yield ref


def _line(row: dict[str, Any]) -> HistoryLine | None:
    """A row of the history; None when it is not one. It tells the direction only of what moved."""
    ref, amount = fields.ref(row.get("reference_uuid")), fields.decimal(row.get("amount"))
    at, word = fields.instant(row.get("datetime")), fields.word(row.get("status"), WORDS)
    if ref is None or amount is None or at is None or word is None:
        return None
    credit, debit = bool(fields.decimal(row.get("credit"))), bool(fields.decimal(row.get("debit")))
    return HistoryLine(
        ref=ref,
        our_id=_our_id(row),
        at=at,
        word=word,
        collects=credit if credit != debit else None,
        amount=amount,
        fee=fields.decimal(row.get("charge_amount")),
        phone=fields.phone(row.get("phone_number")),
        carrier=_carrier(row),
    )


def _our_id(row: dict[str, Any]) -> str | None:
    """What `send` wrote into the two fields that the history gives back."""
    told = (fields.text(row.get("description")) or "", fields.text(row.get("external_user")) or "")
    return next((found[0] for said in told if (found := _OUR_ID.match(said))), None)
