"""A CamPay at the HTTP edge: payloads spelled as contracts/campay.md has them, and a script of what goes wrong."""

import json
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt

from core.clock import ManualClock
from core.http import HttpClient
from tests.support.http import Through

OPERATORS = {"7": "MTN", "9": "Orange"}

Spoiler = Callable[[], httpx.Response]


class FakeCampay:
    """The provider's truth. `before` and `after` spoil the answers of one path, before or after the effect."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.transactions: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: dict[str, deque[Spoiler]] = defaultdict(deque)
        self.after: dict[str, deque[Spoiler]] = defaultdict(deque)
        self.floats = {"mtn_balance": 1_000_000.75, "orange_balance": 1_000_000}
        self.holder = "NGO BIYONG Esther"
        self.tokens = 0

    def client(self) -> HttpClient:
        exchange = Through(self.answer)
        return HttpClient("https://campay.test/api", connect_seconds=1, read_seconds=1, exchange=exchange)

    def count(self, path: str) -> int:
        return sum(called == path for called, _ in self.calls)

    # -- the provider's side

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api").replace("//", "/")
        path = "/transaction/" if path.startswith("/transaction/") else path
        body = json.loads(request.content) if request.content else dict(request.url.params)
        self.calls.append((path, body))
        if self.before[path]:
            return self.before[path].popleft()()
        made = self._effect(path, request, body)
        return self.after[path].popleft()() if self.after[path] else made

    def _effect(self, path: str, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        if path == "/token/":
            self.tokens += 1
            return httpx.Response(200, json={"token": f"t{self.tokens}", "expires_in": 3600})
        if request.headers.get("Authorization") != f"Token t{self.tokens}":
            return httpx.Response(401, json={"detail": "Invalid token."})
        match path:
            case "/collect/":
                ref = self._record("collect", body["from"], body)
                return httpx.Response(200, json={"reference": ref, "ussd_code": "*126#", "operator": "mtn"})
            case "/withdraw/":
                ref = self._record("withdraw", body["to"], body)
                return httpx.Response(200, json={"reference": ref, "status": "PENDING"})
            case "/transaction/":
                found = self.transactions.get(request.url.path.rstrip("/").rsplit("/", 1)[1])
                return httpx.Response(200, json=found) if found else httpx.Response(404, json={"detail": "Not found."})
            case "/history/":
                rows = [row for row in self.transactions.values() if row["status"] != "PENDING"]
                return httpx.Response(200, json={"data": [_line(row) for row in rows]})
            case "/balance/":
                return httpx.Response(200, json={"total_balance": 2_000_000, "currency": "XAF", **self.floats})
            case "/holder_info/":
                return httpx.Response(200, json={"full_name": self.holder})
        return httpx.Response(404, text="<html>nothing here</html>")

    def _record(self, endpoint: str, phone: str, body: dict[str, Any]) -> str:
        ref = str(uuid4())
        self.transactions[ref] = {
            "reference": ref,
            "status": "PENDING",
            "amount": f"{body['amount']}.00",
            "app_amount": "None",
            "currency": "XAF",
            "operator": OPERATORS[phone[4]],
            "code": "CP201027T00005",
            "operator_reference": "",
            "endpoint": endpoint,
            "signature": "x",
            "external_reference": body["external_reference"],
            "external_user": body["external_user"],
            "extra_first_name": "None",
            "phone_number": phone,
            "description": body["description"],
            "reason": "None",
        }
        return ref

    # -- what a test does to it

    def only(self) -> dict[str, Any]:
        """The one transaction there is."""
        (transaction,) = self.transactions.values()
        return transaction

    def only_withdrawal(self) -> dict[str, Any]:
        (transaction,) = (row for row in self.transactions.values() if row["endpoint"] == "withdraw")
        return transaction

    def decide(self, status: str, **changes: Any) -> dict[str, Any]:
        """The newest transaction becomes final."""
        transaction = list(self.transactions.values())[-1]
        transaction.update(status=status, **changes)
        return transaction

    def callback(self, transaction: dict[str, Any], *, key: str, at: datetime | None = None) -> dict[str, str]:
        """The fields of the callback for a transaction, signed at `at`."""
        start = at or self.clock.now()
        claims = {"iat": start, "nbf": start, "exp": start + timedelta(hours=1), "source": "CamPay"}
        names = ("status", "reference", "currency", "operator", "code", "operator_reference", "external_reference")
        named = {name: str(transaction[name]) for name in names}
        return named | {"amount": "3800", "signature": jwt.encode(claims, key, algorithm="HS256")}


def _line(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "datetime": "2026-11-21 11:00:00",
        "code": row["code"],
        "operator": row["operator"],
        "phone_number": row["phone_number"],
        "description": row["description"],
        "external_user": row["external_user"],
        "amount": 3800.0,
        "status": row["status"],
        "reference_uuid": row["reference"],
    }


def lost() -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


def refused_connection() -> httpx.Response:
    raise httpx.ConnectError("refused")


def html(status: int) -> Spoiler:
    return lambda: httpx.Response(status, text="<html><h1>502 Bad Gateway</h1></html>")


def says(http_status: int, **body: Any) -> Spoiler:
    return lambda: httpx.Response(http_status, json=body)
