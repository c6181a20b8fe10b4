"""pawaPay v2 (contracts/pawapay-and-mtn.md; https://docs.pawapay.io/v2). It takes our id as the payment's.

A lost answer is looked up by our id; what is not there after 15 minutes never was. Statements come as files by
callback only, so there is no history to ask for.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from core import http
from core.http import HttpClient
from core.phones import MTN, ORANGE
from core.settings import Settings
from payments.providers import fields
from payments.providers.adapter import KnowsOurId
from payments.providers.protocol import (
    Absence,
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
from payments.providers.signatures import signed
from payments.providers.wire import FixedCredential, Wire
from payments.states import Failure, Kind

CAPABILITIES = Capabilities(
    name="pawapay",
    carriers=frozenset({MTN, ORANGE}),
    idempotent_create=True,
    lookup_by_our_id=True,
    native_refund=True,
    tells_whole_float=False,  # one wallet may serve several carriers
)

# Refusals before any effect. Those of refunds that may hide an earlier refund (DEPOSIT_ALREADY_REFUNDED,
# REFUND_IN_PROGRESS) are not technical: another way must not be tried by itself.
REFUSALS = {
    "NO_AUTHENTICATION": Failure.TECHNICAL,
    "AUTHENTICATION_ERROR": Failure.TECHNICAL,
    "AUTHORISATION_ERROR": Failure.TECHNICAL,
    "HTTP_SIGNATURE_ERROR": Failure.TECHNICAL,
    "INVALID_INPUT": Failure.TECHNICAL,
    "MISSING_PARAMETER": Failure.TECHNICAL,
    "UNSUPPORTED_PARAMETER": Failure.TECHNICAL,
    "INVALID_PARAMETER": Failure.TECHNICAL,
    "DUPLICATE_METADATA_FIELD": Failure.TECHNICAL,
    "DEPOSITS_NOT_ALLOWED": Failure.TECHNICAL,
    "PAYOUTS_NOT_ALLOWED": Failure.TECHNICAL,
    "REFUNDS_NOT_ALLOWED": Failure.TECHNICAL,
    "PROVIDER_TEMPORARILY_UNAVAILABLE": Failure.TECHNICAL,
    "INVALID_PROVIDER": Failure.UNSUPPORTED,
    "INVALID_CURRENCY": Failure.UNSUPPORTED,
    "INVALID_PHONE_NUMBER": Failure.WRONG_NUMBER,
    "INVALID_AMOUNT": Failure.LIMIT,
    "AMOUNT_OUT_OF_BOUNDS": Failure.LIMIT,
    "AMOUNT_TOO_LARGE": Failure.LIMIT,
    "PAWAPAY_WALLET_OUT_OF_FUNDS": Failure.LOW_FLOAT,
}
# Why a movement that was taken came to nothing. "Unspecified" may be the payer's doing: it is not technical.
FAILURES = {
    "PAYMENT_NOT_APPROVED": Failure.REJECTED,
    "INSUFFICIENT_BALANCE": Failure.INSUFFICIENT_FUNDS,
    "PAYER_NOT_FOUND": Failure.WRONG_NUMBER,
    "RECIPIENT_NOT_FOUND": Failure.WRONG_NUMBER,
    "PAYER_LIMIT_REACHED": Failure.LIMIT,
    "RECIPIENT_LIMIT_REACHED": Failure.LIMIT,
    "WALLET_LIMIT_REACHED": Failure.LIMIT,
    "AMOUNT_TOO_LARGE": Failure.LIMIT,
    "PAWAPAY_WALLET_OUT_OF_FUNDS": Failure.LOW_FLOAT,
    "PROVIDER_TEMPORARILY_UNAVAILABLE": Failure.TECHNICAL,
}
WORDS = {"COMPLETED": Word.SUCCESSFUL, "FAILED": Word.FAILED}  # all the others are still under way
TAKEN = ("ACCEPTED", "ENQUEUED", "DUPLICATE_IGNORED")

_PROVIDERS = {MTN: "MTN_MOMO_CMR", ORANGE: "ORANGE_CMR"}
_CARRIERS = {provider: carrier for carrier, provider in _PROVIDERS.items()}
_COUNTRY = "CMR"
_MESSAGE_LENGTH = 22  # at least 4: the brand sees to that


class Way(msgspec.Struct, frozen=True):
    """Where a movement lives, and what its id and its other party are called there."""

    path: str
    id: str
    party: str


DEPOSIT = Way("/v2/deposits", "depositId", "payer")
PAYOUT = Way("/v2/payouts", "payoutId", "recipient")
REFUND = Way("/v2/refunds", "refundId", "recipient")


class Pawapay(KnowsOurId[Way]):
    """The adapter. It tells no names, and lists what moved only in files."""

    capabilities = CAPABILITIES
    ways: Mapping[Kind, tuple[Way, ...]] = {
        Kind.COLLECT: (DEPOSIT,),
        Kind.PAYOUT: (PAYOUT,),
        Kind.REFUND: (REFUND, PAYOUT),
    }

    def __init__(self, settings: Settings, *, http_client: HttpClient | None = None) -> None:
        super().__init__(
            settings,
            url=settings.pawapay_url,
            collect_fee_bp=settings.pawapay_collect_fee_bp,
            payout_fee_bp=settings.pawapay_payout_fee_bp,
            http_client=http_client,
        )
        self._wire = Wire(settings, self._http, FixedCredential(settings.pawapay_token), "Authorization: Bearer ")

    # -- money

    async def send(self, request: Request) -> Answer:
        """`POST /v2/deposits`, `/v2/payouts` or `/v2/refunds`; see `classify` for what an answer proves."""
        way, ref = _way(request), str(request.attempt_id)
        body = {
            way.id: ref,
            "amount": str(request.amount_xaf),
            "currency": "XAF",
            "clientReferenceId": ref,
            **_terms(request, way),
        }
        return await self._wire.send(lambda answer: classify(answer, way, ref), "POST", way.path, json=body)

    # -- reads

    async def _ask(self, way: Way, ref: str) -> http.Answer | None:
        """`GET /v2/deposits/{ref}` and its like"""
        return await self._wire.read(f"{way.path}/{ref}")

    def _finding(self, answer: http.Answer, way: Way, ref: str) -> Record | Absence | None:
        return finding(answer, way, ref)

    async def floats(self) -> dict[str, int] | None:
        """`GET /v2/wallet-balances`, floored. A wallet that names no provider serves all of its country."""
        query = {"country": _COUNTRY}
        wallets = fields.rows(await self._wire.body("/v2/wallet-balances", params=query), "balances") or []
        return dict(_held(wallets)) or None


def _way(request: Request) -> Way:
    """A refund of what pawaPay itself collected is one; all other money out is a payout."""
    if request.kind is Kind.COLLECT:
        return DEPOSIT
    return REFUND if request.returns_ref else PAYOUT


def _terms(request: Request, way: Way) -> dict[str, Any]:
    """What the ways do not have in common."""
    if way is REFUND:
        return {DEPOSIT.id: request.returns_ref}
    account = {"phoneNumber": request.phone.removeprefix("+"), "provider": _PROVIDERS[request.carrier]}
    return {
        way.party: {"type": "MMO", "accountDetails": account},
        "customerMessage": fields.plain(f"Mboa {request.purpose}", _MESSAGE_LENGTH),
    }


def classify(answer: http.Answer, way: Way, ref: str) -> Answer:
    """What pawaPay's answer to a request for money proves. The same id sent again has no effect."""
    body = answer.json()
    status = fields.text(body.get("status"))
    code = fields.text(fields.inner(body, "failureReason").get("failureCode"))
    if fields.text(body.get(way.id)) not in (None, ref) or answer.status >= 500 or code == "UNKNOWN_ERROR":
        return Answer(Proof.UNKNOWN, f"HTTP {answer.status}")
    if (status in TAKEN and answer.status < 300) or answer.status == 409:
        return Answer(Proof.ACCEPTED, status or f"HTTP {answer.status}", ref=ref)
    if status == "REJECTED" or code in REFUSALS:
        return Answer(Proof.REFUSED, code or "REJECTED", failure=REFUSALS.get(code or "", Failure.UNSTATED))
    return Answer(Proof.UNKNOWN, f"HTTP {answer.status}")


def finding(answer: http.Answer, way: Way, ref: str) -> Record | Absence | None:
    """What `{"status": "FOUND", "data": {...}}` shows; None when it cannot be read."""
    body = answer.json()
    status = fields.text(body.get("status"))
    if status == "NOT_FOUND" and answer.status in (200, 404):
        return Absence()
    data = fields.inner(body, "data")
    word = fields.word(data.get("status"), WORDS)
    if status != "FOUND" or answer.status != 200 or word is None or fields.text(data.get(way.id)) != ref:
        return None
    return _record(data, way, ref, word)


def _record(data: dict[str, Any], way: Way, ref: str, word: Word) -> Record:
    account = fields.inner(data, way.party, "accountDetails")
    code = fields.text(fields.inner(data, "failureReason").get("failureCode"))
    return Record(
        ref=ref,
        word=word,
        our_id=ref,
        collects=way is DEPOSIT,
        amount=fields.decimal(data.get("amount")),
        net=None,
        currency=fields.text(data.get("currency")),
        phone=fields.phone(account.get("phoneNumber")),
        carrier=_CARRIERS.get(fields.text(account.get("provider")) or ""),
        failure=FAILURES.get(code or "", Failure.UNSTATED) if word is Word.FAILED else None,
    )


def _held(wallets: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Carriers and their floats, a carrier's own wallet after the common one."""
    ours = [wallet for wallet in wallets if (wallet.get("country"), wallet.get("currency")) == (_COUNTRY, "XAF")]
    for wallet in sorted(ours, key=lambda wallet: fields.text(wallet.get("provider")) is not None):
        amount, provider = fields.decimal(wallet.get("balance")), fields.text(wallet.get("provider"))
        served = tuple(_PROVIDERS) if provider is None else (_CARRIERS.get(provider),)
        yield from ((carrier, int(amount)) for carrier in served if carrier and amount is not None)


def build(settings: Settings) -> Pawapay:
    return Pawapay(settings)


def configured(settings: Settings) -> bool:
    return bool(settings.pawapay_token)


def hear(callback: Callback, settings: Settings, now: datetime) -> Ring:
    """Which movement to look at. Raises Unbelieved when it cannot be read, or is not pawaPay's.

    Signing is an option of theirs: without their key in our settings nothing can be checked, and a callback
    still only rings. The refund's id goes first, since a refund names its deposit as well.
    """
    told = fields.json_object(callback.body) or {}
    named = (fields.our_ref(told.get(way.id)) for way in (REFUND, PAYOUT, DEPOSIT))
    ref = next((found for found in named if found), None)
    if ref is None:
        raise Unbelieved("unreadable")
    key, authority = settings.pawapay_callback_key, urlsplit(settings.base_url).netloc
    if key and not signed(callback, key_pem=key, authority=authority, now=now):
        raise Unbelieved("forged")
    return Ring(ref=ref, our_id=ref)
