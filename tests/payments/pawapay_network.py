"""A pawaPay at the HTTP edge: it takes our id, knows what it has by it, and refunds by itself."""

import json
from collections import defaultdict, deque
from typing import Any

import httpx

from core.http import HttpClient
from tests.payments.network import Spoiler
from tests.support.http import Through

IDS = {"deposits": "depositId", "payouts": "payoutId", "refunds": "refundId"}


class FakePawapay:
    """The provider's truth. `before` and `after` spoil the answers of one call, before or after the effect."""

    def __init__(self) -> None:
        self.movements: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.before: dict[str, deque[Spoiler]] = defaultdict(deque)
        self.after: dict[str, deque[Spoiler]] = defaultdict(deque)
        self.balance = "1000000.00"

    def client(self) -> HttpClient:
        exchange = Through(self._answer)
        return HttpClient("https://pawapay.test", connect_seconds=1, read_seconds=1, exchange=exchange)

    def count(self, call: str) -> int:
        return self.calls.count(call)

    def decide(self, status: str, code: str | None = None) -> dict[str, Any]:
        """The newest movement becomes final."""
        movement = list(self.movements.values())[-1]
        movement["status"] = status
        if code:
            movement["failureReason"] = {"failureCode": code, "failureMessage": "as documented"}
        return movement

    def _answer(self, request: httpx.Request) -> httpx.Response:
        noun, _, ref = request.url.path.removeprefix("/v2/").partition("/")
        call = f"{request.method} {noun}"
        self.calls.append(call)
        if self.before[call]:
            return self.before[call].popleft()()
        made = self._effect(call, noun, ref, json.loads(request.content or "{}"))
        return self.after[call].popleft()() if self.after[call] else made

    def _effect(self, call: str, noun: str, ref: str, body: dict[str, Any]) -> httpx.Response:
        if noun == "wallet-balances":
            wallet = {"country": "CMR", "currency": "XAF", "balance": self.balance, "provider": ""}
            return httpx.Response(200, json={"balances": [wallet]})
        if call.startswith("GET"):
            found = self.movements.get(f"{noun}/{ref}")
            shown = {"status": "FOUND", "data": found} if found else {"status": "NOT_FOUND"}
            return httpx.Response(200, json=shown)
        ref = body[IDS[noun]]
        if f"{noun}/{ref}" in self.movements:
            return httpx.Response(200, json={IDS[noun]: ref, "status": "DUPLICATE_IGNORED"})
        if noun == "refunds":
            collected = self.movements[f"deposits/{body['depositId']}"]
            body |= {"recipient": collected["payer"]}
        self.movements[f"{noun}/{ref}"] = {**body, "status": "PROCESSING"}
        return httpx.Response(200, json={IDS[noun]: ref, "status": "ACCEPTED"})
