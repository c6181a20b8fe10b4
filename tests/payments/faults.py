"""What a provider may answer instead of what it should, by the name of the fault, and how a worker dies of it."""

from collections.abc import Mapping

import httpx

from tests.payments.network import Spoiler, html, lost, refused_connection, says
from tests.payments.pawapay_network import IDS

CAMPAY_CALLS = ("/collect/", "/withdraw/", "/transaction/", "/history/", "/balance/", "/token/")
PAWAPAY_CALLS = (*(f"{verb} {noun}" for verb in ("POST", "GET") for noun in IDS), "GET wallet-balances")
MONEY_CALLS = ("/collect/", "/withdraw/", *(f"POST {noun}" for noun in IDS))

TECHNICAL = "PROVIDER_TEMPORARILY_UNAVAILABLE"


def _rejected(code: str) -> Spoiler:
    return says(200, status="REJECTED", failureReason={"failureCode": code})


# What a call is answered instead, by the name of the fault.
_ANYWHERE: Mapping[str, Spoiler] = {
    "lost": lost,
    "html": html(502),
    "empty": says(200),
    "broken": says(500, message="x"),
    "conflict": says(409),
    "unlisted": says(400, error_code="ER999", message="x"),
    "unreachable": refused_connection,
    "token": says(401, detail="Invalid token."),
}
_CAMPAY: Mapping[str, Spoiler] = {
    "refused": says(400, error_code="ER201", message="x"),
    "technical": says(403, detail="Withdrawals are off."),
    "low_float": says(400, error_code="ER301", message="x"),
}
_PAWAPAY: Mapping[str, Spoiler] = {
    "refused": _rejected("AMOUNT_OUT_OF_BOUNDS"),
    "technical": _rejected(TECHNICAL),
    "low_float": _rejected("PAWAPAY_WALLET_OUT_OF_FUNDS"),
}
BEFORE = (*_ANYWHERE, *_CAMPAY)
# After the effect. A refusal that lets another provider try at once must be true: nothing could guard against it.
AFTER = ("lost", "html", "empty", "broken", "conflict", "unlisted", "refused")


def answer(call: str, fault: str) -> Spoiler:
    """What `call` is answered."""
    own = _CAMPAY if call in CAMPAY_CALLS else _PAWAPAY
    return _ANYWHERE.get(fault) or own[fault]


class Killed(BaseException):
    """The worker ends here."""


def kill() -> httpx.Response:
    raise Killed
