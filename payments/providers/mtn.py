"""MTN MoMo Open API (contracts/pawapay-and-mtn.md; https://momodeveloper.mtn.com). It takes our id as the payment's.

Two products with tokens of their own: money comes in by collection and goes out by disbursement. Callbacks are
not signed, so they only ring. There is no list of movements.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from core import http
from core.http import HttpClient
from core.phones import MTN
from core.settings import Settings
from payments.providers import fields, wire
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
from payments.providers.wire import FreshToken, RenewedToken, Wire
from payments.states import Failure, Kind

CAPABILITIES = Capabilities(
    name="mtn",
    carriers=frozenset({MTN}),
    idempotent_create=True,
    lookup_by_our_id=True,
    native_refund=True,
    tells_holder=True,
    tells_whole_float=False,  # the disbursement account alone
    reads_per_second=10.0,
)

# Why a movement that was taken came to nothing. INTERNAL_PROCESSING_ERROR is most often an empty wallet, and
# COULD_NOT_PERFORM_TRANSACTION a prompt that nobody approved (MTN's list of common errors): neither is technical.
FAILURES = {
    "APPROVAL_REJECTED": Failure.REJECTED,
    "EXPIRED": Failure.REJECTED,
    "COULD_NOT_PERFORM_TRANSACTION": Failure.REJECTED,
    "NOT_ENOUGH_FUNDS": Failure.INSUFFICIENT_FUNDS,
    "PAYER_NOT_FOUND": Failure.WRONG_NUMBER,
    "PAYEE_NOT_FOUND": Failure.WRONG_NUMBER,
    "SENDER_ACCOUNT_NOT_ACTIVE": Failure.WRONG_NUMBER,
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": Failure.WRONG_NUMBER,
    "PAYER_LIMIT_REACHED": Failure.LIMIT,
    "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED": Failure.LIMIT,
    "SERVICE_UNAVAILABLE": Failure.TECHNICAL,
}
# Going out, the payer is us.
_OWN_FAILURES = {
    "NOT_ENOUGH_FUNDS": Failure.LOW_FLOAT,
    "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED": Failure.LOW_FLOAT,
}
# Said of the number or of our account before anything is asked of anybody; with a status from 500 they prove nothing.
REFUSALS = {
    "PAYER_NOT_FOUND": Failure.WRONG_NUMBER,
    "PAYEE_NOT_FOUND": Failure.WRONG_NUMBER,
    "PAYER_LIMIT_REACHED": Failure.LIMIT,
    "NOT_ALLOWED": Failure.TECHNICAL,
    "NOT_ALLOWED_TARGET_ENVIRONMENT": Failure.TECHNICAL,
    "INVALID_CALLBACK_URL_HOST": Failure.TECHNICAL,
    "INVALID_CURRENCY": Failure.UNSUPPORTED,
}
WORDS = {"PENDING": Word.PENDING, "SUCCESSFUL": Word.SUCCESSFUL, "FAILED": Word.FAILED}
ABSENT = "RESOURCE_NOT_FOUND"

_NOTE_LENGTH = 160


class Way(msgspec.Struct, frozen=True):
    """Where a movement lives, and what its other party is called there."""

    path: str
    party: str


COLLECTION = Way("/collection/v1_0/requesttopay", "payer")
TRANSFER = Way("/disbursement/v1_0/transfer", "payee")
REFUND = Way("/disbursement/v1_0/refund", "payee")


class Mtn(KnowsOurId[Way]):
    """The adapter. One per process: it holds the connection pool and a token for each product."""

    capabilities = CAPABILITIES
    ways: Mapping[Kind, tuple[Way, ...]] = {
        Kind.COLLECT: (COLLECTION,),
        Kind.PAYOUT: (TRANSFER,),
        Kind.REFUND: (REFUND, TRANSFER),
    }

    def __init__(self, settings: Settings, *, http_client: HttpClient | None = None) -> None:
        super().__init__(
            settings,
            url=settings.mtn_url,
            collect_fee_bp=settings.mtn_collect_fee_bp,
            payout_fee_bp=settings.mtn_payout_fee_bp,
            http_client=http_client,
        )
        self._collection = self._product(
            "collection",
            settings.mtn_collection_user,
            settings.mtn_collection_key,
            settings.mtn_collection_subscription,
        )
        self._disbursement = self._product(
            "disbursement",
            settings.mtn_disbursement_user,
            settings.mtn_disbursement_key,
            settings.mtn_disbursement_subscription,
        )

    def _product(self, name: str, user: str, key: str, subscription: str) -> Wire:
        subscribed = {"Ocp-Apim-Subscription-Key": subscription}

        async def fetch() -> FreshToken | None:
            answer = await self._http.request("POST", f"/{name}/token/", headers=subscribed, auth=(user, key))
            body = answer.json()
            token, lasts = fields.text(body.get("access_token")), fields.decimal(body.get("expires_in"))
            return FreshToken(token, int(lasts or 0)) if answer.status == 200 and token else None

        headers = {**subscribed, "X-Target-Environment": self._settings.mtn_target_environment}
        return Wire(self._settings, self._http, RenewedToken(fetch), "Authorization: Bearer ", headers)

    # -- money

    async def send(self, request: Request) -> Answer:
        """`POST` a requesttopay, a transfer or a refund; see `classify` for what an answer proves."""
        way, ref = _way(request), str(request.attempt_id)
        note = fields.plain(f"Mboa {request.purpose}", _NOTE_LENGTH)
        body = {
            "amount": str(request.amount_xaf),
            "currency": self._settings.mtn_currency,
            "externalId": ref,
            "payerMessage": note,
            "payeeNote": note,
            **_terms(request, way),
        }
        headers = {"X-Reference-Id": ref, "X-Callback-Url": wire.callback_url(self._settings, CAPABILITIES.name)}
        line = self._line(way)
        return await line.send(lambda answer: classify(answer, ref), "POST", way.path, json=body, headers=headers)

    def _line(self, way: Way) -> Wire:
        return self._collection if way is COLLECTION else self._disbursement

    # -- reads

    async def _ask(self, way: Way, ref: str) -> http.Answer | None:
        """`GET` by the id that the request went out with."""
        return await self._line(way).read(f"{way.path}/{ref}")

    def _finding(self, answer: http.Answer, way: Way, ref: str) -> Record | Absence | None:
        return finding(answer, way, ref, self._settings.mtn_currency)

    async def floats(self) -> dict[str, int] | None:
        """`GET /disbursement/v1_0/account/balance`, floored: what payouts draw on."""
        body = await self._disbursement.body("/disbursement/v1_0/account/balance")
        amount = fields.decimal(body.get("availableBalance"))
        return None if amount is None else {MTN: int(amount)}

    async def holder(self, phone: str) -> str | None:
        """`GET …/accountholder/msisdn/{msisdn}/basicuserinfo`"""
        account = f"/disbursement/v1_0/accountholder/msisdn/{phone.removeprefix('+')}/basicuserinfo"
        body = await self._disbursement.body(account)
        parts = [fields.text(body.get(name)) for name in ("given_name", "family_name")]
        return fields.text(body.get("name")) or " ".join(part for part in parts if part) or None


def _way(request: Request) -> Way:
    """A refund of what MTN itself collected is one; all other money out is a transfer."""
    if request.kind is Kind.COLLECT:
        return COLLECTION
    return REFUND if request.returns_ref else TRANSFER


def _terms(request: Request, way: Way) -> dict[str, Any]:
    """What the ways do not have in common."""
    if way is REFUND:
        return {"referenceIdToRefund": request.returns_ref}
    return {way.party: {"partyIdType": "MSISDN", "partyId": request.phone.removeprefix("+")}}


def classify(answer: http.Answer, ref: str) -> Answer:
    """What MTN's answer to a request for money proves. The same id sent again has no effect."""
    code = fields.text(answer.json().get("code"))
    if answer.status in (202, 409):  # RESOURCE_ALREADY_EXIST
        return Answer(Proof.ACCEPTED, code or f"HTTP {answer.status}", ref=ref)
    if code in REFUSALS and 400 <= answer.status < 500:
        return Answer(Proof.REFUSED, code, failure=REFUSALS[code])
    return Answer(Proof.UNKNOWN, f"HTTP {answer.status}")


def finding(answer: http.Answer, way: Way, ref: str, currency: str) -> Record | Absence | None:
    """What a read shows; None when it cannot be read. A proxy's 404 is no proof of absence."""
    body = answer.json()
    word = fields.word(body.get("status"), WORDS)
    if answer.status == 404 and body.get("code") == ABSENT:
        return Absence()
    if answer.status != 200 or word is None:
        return None
    told = fields.text(body.get("currency"))
    return Record(
        ref=ref,
        word=word,
        our_id=fields.text(body.get("externalId")),
        collects=way is COLLECTION,
        amount=fields.decimal(body.get("amount")),
        net=None,
        currency="XAF" if told == currency else told,  # the sandbox counts in EUR
        phone=fields.phone(fields.inner(body, way.party).get("partyId")),
        carrier=MTN,
        failure=_failure(body, way) if word is Word.FAILED else None,
    )


def _failure(body: dict[str, Any], way: Way) -> Failure:
    """`reason` is a word, or an object with that word as its `code`."""
    code = fields.text(fields.inner(body, "reason").get("code")) or fields.text(body.get("reason")) or ""
    meanings = FAILURES if way is COLLECTION else {**FAILURES, **_OWN_FAILURES}
    return meanings.get(code, Failure.UNSTATED)


def build(settings: Settings) -> Mtn:
    return Mtn(settings)


def configured(settings: Settings) -> bool:
    """Both products: what came in by one must be able to go back by the other."""
    return bool(settings.mtn_collection_user and settings.mtn_disbursement_user)


def hear(callback: Callback, settings: Settings, now: datetime) -> Ring:
    """Which movement to look at. Raises Unbelieved when it cannot be read; nobody signs it."""
    told = fields.json_object(callback.body) or {}
    our_id = fields.our_ref(told.get("externalId"))
    if our_id is None:
        raise Unbelieved("unreadable")
    return Ring(ref=our_id, our_id=our_id)
