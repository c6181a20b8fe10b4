"""Clients of the compact API: a customer with a phone, and a finance user with a password and a one-time code."""

import re
import time
from typing import Any

import httpx
import pyotp

from tests.end_to_end.running import Demo
from tests.end_to_end.town import Town


class CustomerApi:
    """An app on a customer's smartphone, logged in by the code in its SMS."""

    def __init__(self, town: Town, phone: str) -> None:
        self.http = town.http
        challenge = self.http.post("/api/v1/login", json={"phone": phone}).raise_for_status().json()
        code = re.search(r"\b(\d{6})\b", town.await_text(phone, "code"))
        assert code
        verify = f"/api/v1/login/{challenge['id']}/verify"
        self.tokens = self.http.post(verify, json={"code": code[1]}).raise_for_status().json()

    def send(self, method: str, path: str, *, key: str | None = None, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        if key:
            headers["Idempotency-Key"] = key
        return self.http.request(method, path, json=body, headers=headers)


class FinanceApi:
    """A finance user, found in what the demo printed."""

    def __init__(self, demo: Demo) -> None:
        self.http = demo.town.http
        found = re.search(r"^\s*finance\s.*password (\S+)\s+TOTP (\S+)", demo.output.read_text(), re.MULTILINE)
        assert found, demo.output.read_text()
        login = {"username": "finance", "password": found[1], "totp": pyotp.TOTP(found[2]).at(int(time.time()))}
        tokens = self.http.post("/api/v1/staff/login", json=login).raise_for_status().json()
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    def get(self, path: str) -> Any:
        return self.http.get(path, headers=self.headers).raise_for_status().json()
