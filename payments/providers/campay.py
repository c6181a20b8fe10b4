"""CamPay (contracts/campay.md). It has no look-up by our id and no proven idempotency: a lost answer stays
UNKNOWN until a callback or the history names the reference. Its callbacks prove their sender, and nothing else.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import jwt
import msgspec

from core import http
from core.errors import InvalidPhone
from core.http import HttpClient, NoAnswer, NotSent
from core.money import basis_points_up
from core.phones import MTN, ORANGE, parse_phone
from core.settings import Settings
from payments.providers.protocol import (
    Absence,
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
from payments.states import Failure, Kind

CAPABILITIES = Capabilities(name="campay", carriers=frozenset({MTN, ORANGE}), history=True, tells_holder=True)

# Documented before any effect, whatever the HTTP status below 500. Every other refusal may hide a prompt.
REFUSALS = {
    "ER101": Failure.WRONG_NUMBER,
    "ER102": Failure.UNSUPPORTED,
    "ER201": Failure.LIMIT,  # an invalid amount, and also limits
    "ER301": Failure.LOW_FLOAT,
}

# `reason` has no documented list, so these words only choose what the customer is told: none of them is
# technical, and a wrong guess can never cause a second prompt.
REASONS = (
    ("insufficient", Failure.INSUFFICIENT_FUNDS),
    ("not enough", Failure.INSUFFICIENT_FUNDS),
    ("reject", Failure.REJECTED),
    ("cancel", Failure.REJECTED),
    ("expire", Failure.REJECTED),
)

_CARRIERS = {"mtn": MTN, "orange": ORANGE}
_ENDPOINTS = {"collect": True, "withdraw": False}
_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,64}")
_OUR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NO_AMOUNT = 10**12
_SKEW = timedelta(seconds=60)
_TOKEN_MARGIN_SECONDS = 60

Result = TypeVar("Result")


class Campay:
    """The adapter. One per process: it holds the connection pool and the token."""

    def __init__(self, settings: Settings, *, http_client: HttpClient | None = None) -> None:
        self._settings = settings
        self._http = http_client or HttpClient(
            settings.campay_url,
            connect_seconds=settings.provider_connect_seconds,
            read_seconds=settings.provider_read_seconds,
        )
        self._token = ""
        self._token_ends = 0.0  # by the monotonic clock
        self._refreshing = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def close(self) -> None:
        await self._http.close()

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
        try:
            return classify(await self._call("POST", "/collect/" if collects else "/withdraw/", json=body))
        except NotSent as problem:
            return Answer(Proof.NOT_SENT, str(problem), failure=Failure.TECHNICAL)
        except NoAnswer as problem:
            return Answer(Proof.UNKNOWN, str(problem))

    def fee_xaf(self, kind: Kind, carrier: str, amount_xaf: int) -> int:
        rates = self._settings.campay_collect_fee_bp if kind is Kind.COLLECT else self._settings.campay_withdraw_fee_bp
        return basis_points_up(amount_xaf, rates.get(carrier, 0))

    # -- reads

    async def read(self, ref: str, kind: Kind) -> Record | None:
        """`GET /transaction/{ref}/`"""
        answer = await self._read("GET", f"/transaction/{ref}/")
        return record(answer.json()) if answer else None

    async def locate(self, attempt_id: UUID, *, since: date, until: date) -> list[str]:
        """`POST /history/`: final rows whose description or external_user is ours. Pending ones are not in it."""
        return list(_references(await self._rows(since, until) or [], str(attempt_id)))

    async def lookup(self, attempt_id: UUID, kind: Kind) -> Record | Absence | None:
        """CamPay has none: nobody can prove that nothing is there."""
        return None

    async def history(self, *, since: date, until: date) -> list[HistoryLine] | None:
        """`POST /history/`: what became final on those days."""
        rows = await self._rows(since, until)
        return None if rows is None else [line for row in rows if (line := _line(row)) is not None]

    async def _rows(self, since: date, until: date) -> list[dict[str, Any]] | None:
        answer = await self._read("POST", "/history/", json={"start_date": str(since), "end_date": str(until)})
        rows = answer.json().get("data") if answer else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None

    async def floats(self) -> dict[str, int] | None:
        """`GET /balance/`: per carrier, since a payout to MTN draws on `mtn_balance` only. Fractions are floored."""
        answer = await self._read("GET", "/balance/")
        body = answer.json() if answer else {}
        amounts = {carrier: _decimal(body.get(f"{name}_balance")) for name, carrier in _CARRIERS.items()}
        return {carrier: int(amount) for carrier, amount in amounts.items() if amount is not None} or None

    async def holder(self, phone: str) -> str | None:
        """`GET /holder_info/`"""
        answer = await self._read("GET", "/holder_info/", params={"phone_number": phone.removeprefix("+")})
        return _text(answer.json().get("full_name")) if answer else None

    async def _read(self, method: str, path: str, **options: Any) -> http.Answer | None:
        """A call that moves no money: its 200, or None."""
        try:
            answer = await self._call(method, path, **options)
        except (NotSent, NoAnswer):
            return None
        return answer if answer.status == 200 else None

    # -- the token

    async def _call(self, method: str, path: str, **options: Any) -> http.Answer:
        """One call with a token, made once more with a new one on a 401. Raises NotSent, NoAnswer.

        All of it has one time budget. Where that ends while the token is waited for, nothing was sent.
        """
        budget_seconds = self._settings.provider_connect_seconds + self._settings.provider_read_seconds
        ends = asyncio.get_running_loop().time() + budget_seconds
        for _ in range(2):
            token = await _by(ends, self._current_token(), late=NotSent("TOKEN"))
            headers = {"Authorization": f"Token {token}"}
            asked = self._http.request(method, path, headers=headers, **options)
            answer = await _by(ends, asked, late=NoAnswer("BUDGET"))
            if answer.status != 401:
                return answer
            self._drop(token)
        raise NotSent("TOKEN")

    def _drop(self, token: str) -> None:
        """Forget a refused token, unless somebody has already fetched a newer one."""
        if token == self._token:
            self._token = ""

    async def _current_token(self) -> str:
        """The token, fetched by one caller while the others wait. Raises NotSent: nothing was asked for yet."""
        async with self._refreshing:
            if not self._token or time.monotonic() >= self._token_ends:
                await self._refresh()
            return self._token

    async def _refresh(self) -> None:
        credentials = {"username": self._settings.campay_username, "password": self._settings.campay_password}
        try:
            answer = await self._http.request("POST", "/token/", json=credentials)
        except (NotSent, NoAnswer):
            raise NotSent("TOKEN") from None
        body = answer.json()
        token, lasts = _text(body.get("token")), _decimal(body.get("expires_in"))
        if answer.status != 200 or token is None:
            raise NotSent("TOKEN")
        self._token = token
        self._token_ends = time.monotonic() + max(0, int(lasts or 0) - _TOKEN_MARGIN_SECONDS)


async def _by(ends: float, call: Awaitable[Result], *, late: Exception) -> Result:
    """What `call` returns before `ends` by the loop's clock. Raises `late` afterwards."""
    try:
        async with asyncio.timeout_at(ends):
            return await call
    except TimeoutError:
        raise late from None


def classify(answer: http.Answer) -> Answer:
    """What CamPay's answer to a request for money proves."""
    body = answer.json()
    ref, code = _ref(body.get("reference")), _text(body.get("error_code"))
    if ref is not None and (answer.status < 300 or answer.status == 409):
        return Answer(Proof.ACCEPTED, f"HTTP {answer.status}", ref=ref)
    if code in REFUSALS and answer.status < 500:
        return Answer(Proof.REFUSED, code, failure=REFUSALS[code])
    if answer.status == 403 and body:  # withdrawals are not enabled in the app's settings; a proxy's 403 is HTML
        return Answer(Proof.REFUSED, "HTTP 403", failure=Failure.TECHNICAL)
    return Answer(Proof.UNKNOWN, f"HTTP {answer.status}")


def record(body: dict[str, Any]) -> Record | None:
    """A transaction as CamPay shows it; None when it is not one. Absent values are the string "None"."""
    ref, status = _ref(body.get("reference")), _text(body.get("status"))
    if ref is None or status is None:
        return None
    word = Word(status) if status in Word.__members__ else Word.PENDING
    endpoint = _text(body.get("endpoint"))
    return Record(
        ref=ref,
        word=word,
        our_id=_text(body.get("external_reference")),
        collects=_ENDPOINTS.get(endpoint) if endpoint else None,
        amount=_decimal(body.get("amount")),
        net=_decimal(body.get("app_amount")),
        currency=_text(body.get("currency")),
        phone=_phone(_text(body.get("phone_number"))),
        carrier=_CARRIERS.get((_text(body.get("operator")) or "").lower()),
        failure=_failure(_text(body.get("reason"))) if word is Word.FAILED else None,
    )


def build(settings: Settings) -> Campay:
    return Campay(settings)


def configured(settings: Settings) -> bool:
    return bool(settings.campay_permanent_token or (settings.campay_username and settings.campay_password))


def hear(callback: Callback, settings: Settings, now: datetime) -> Ring:
    """Which transaction to look at. Raises Unbelieved when it cannot be read or is not CamPay's."""
    fields = _fields(callback)
    ring = Ring(ref=_ref(fields.get("reference")), our_id=_text(fields.get("external_reference")))
    if ring.ref is None and ring.our_id is None:
        raise Unbelieved("unreadable")
    if not _signed(_text(fields.get("signature")), settings.campay_webhook_key, now):
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


def _fields(callback: Callback) -> dict[str, Any]:
    """Query, JSON or form: CamPay's dashboard offers all three."""
    if not callback.body:
        return dict(parse_qsl(callback.query))
    try:
        parsed = msgspec.json.decode(callback.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        parsed = dict(parse_qsl(callback.body.decode(errors="replace")))
    return parsed if isinstance(parsed, dict) else {}


def _references(rows: list[dict[str, Any]], our_id: str) -> Iterator[str]:
    """The references of the history's rows that carry our id."""
    for row in rows:
        ref = _ref(row.get("reference_uuid"))
        if ref and our_id == _our_id(row):
            yield ref


def _line(row: dict[str, Any]) -> HistoryLine | None:
    """A row of the history; None when it is not one. It tells the direction only of what moved."""
    ref, amount, at = _ref(row.get("reference_uuid")), _decimal(row.get("amount")), _instant(_text(row.get("datetime")))
    if ref is None or amount is None or at is None:
        return None
    status = _text(row.get("status")) or ""
    credit, debit = bool(_decimal(row.get("credit"))), bool(_decimal(row.get("debit")))
    return HistoryLine(
        ref=ref,
        our_id=_our_id(row),
        at=at,
        word=Word(status) if status in Word.__members__ else Word.PENDING,
        collects=credit if credit != debit else None,
        amount=amount,
        fee=_decimal(row.get("charge_amount")),
        phone=_phone(_text(row.get("phone_number"))),
        carrier=_CARRIERS.get((_text(row.get("operator")) or "").lower()),
    )


def _our_id(row: dict[str, Any]) -> str | None:
    """What `send` wrote into the two fields that the history gives back."""
    found = _OUR_ID.match(_text(row.get("description")) or "") or _OUR_ID.match(_text(row.get("external_user")) or "")
    return found[0] if found else None


def _instant(raw: str | None) -> datetime | None:
    """`2026-11-21 11:00:00`, in a zone that nobody documents: taken as UTC."""
    try:
        told = datetime.fromisoformat(raw or "")
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _text(raw: object) -> str | None:
    """A value that is there: CamPay writes what is absent as "None" or ""."""
    text = str(raw).strip() if isinstance(raw, str | int | Decimal) else ""
    return text if text not in ("", "None") else None


def _ref(raw: object) -> str | None:
    """A reference of CamPay's. It becomes part of a path, so nothing else than an id may pass."""
    text = _text(raw)
    return text if text and _REFERENCE.fullmatch(text) else None


def _decimal(raw: object) -> Decimal | None:
    """The raw literal, `"5.00"` or `2.0` or `1`, without a detour through a float; None when it is no amount."""
    try:
        value = Decimal(_text(raw) or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 <= value < _NO_AMOUNT else None


def _phone(raw: str | None) -> str | None:
    try:
        return parse_phone(raw) if raw else None
    except InvalidPhone:
        return None


def _failure(reason: str | None) -> Failure:
    told = (reason or "").lower()
    return next((failure for word, failure in REASONS if word in told), Failure.UNSTATED)
