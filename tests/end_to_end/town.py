"""Drives a running gateway the way the outside does: over HTTP, as handsets, subscribers and the payer."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx

T = TypeVar("T")

SECRET = "demo"
SERVICE_CODE = "*237*1#"
SHORT_CODE = "8237"
PATIENCE_SECONDS = 40.0


def eventually(look: Callable[[], T], *, what: str) -> T:
    """The first truthy answer of `look`, asked again and again; fails with `what` when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"never happened: {what}")


class Town:
    """One running gateway with its simulated networks."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, timeout=20, trust_env=False)

    def handset(self, phone: str) -> "Handset":
        return Handset(self.http, phone)

    def text(self, phone: str, words: str) -> None:
        """A subscriber sends an SMS to the short code."""
        self.http.post("/simulator/sms", json={"from": phone, "to": SHORT_CODE, "text": words}).raise_for_status()

    def inbox(self, phone: str) -> list[str]:
        """The texts a phone has received, newest first."""
        answer = self.http.get("/simulator/sms", params={"to": phone.removeprefix("+")}).raise_for_status()
        return [message["text"] for message in answer.json()]

    def await_text(self, phone: str, *words: str, after: int = 0) -> str:
        """The newest text on `phone` that holds all `words`, beyond the first `after` texts it ever got."""

        def look() -> str | None:
            texts = self.inbox(phone)
            fresh = texts[: len(texts) - after]
            return next((text for text in fresh if all(word in text for word in words)), None)

        return eventually(look, what=f"a text with {words} on {phone[-4:]}; it got {self.inbox(phone)[:4]}")

    def prompts(self, phone: str) -> list[dict[str, Any]]:
        answer = self.http.get(f"/simulator/prompts/{phone.removeprefix('+')}").raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def approve(self, phone: str) -> None:
        """Approve the payment prompt on a phone, once it is there."""
        eventually(lambda: self.prompts(phone), what=f"a payment prompt on {phone[-4:]}")
        self.http.post(f"/simulator/prompts/{phone.removeprefix('+')}/approve").raise_for_status()

    def state(self) -> dict[str, Any]:
        """The simulated networks' own view: what was really charged and sent."""
        found: dict[str, Any] = self.http.get("/simulator/state").raise_for_status().json()
        return found

    def close(self) -> None:
        self.http.close()


class Handset:
    """A phone on Africa's Talking: its callbacks carry everything typed since the dial."""

    def __init__(self, http: httpx.Client, phone: str) -> None:
        self.http = http
        self.phone = phone
        self.session_id = ""
        self.transcript = ""

    def dial(self, digits: str = "") -> str:
        """Dial the service code, with more digits perhaps; the page."""
        self.session_id, self.transcript = f"ATUid_{uuid4().hex}", digits
        return self.send()

    def say(self, *inputs: str) -> str:
        """Type answers one after the other; the last page."""
        for typed in inputs:
            self.transcript = f"{self.transcript}*{typed}" if self.transcript else typed
            page = self.send()
        return page

    def send(self, session_id: str | None = None) -> str:
        """One callback as the aggregator sends it; may be repeated."""
        form = {
            "sessionId": session_id or self.session_id,
            "phoneNumber": self.phone,
            "networkCode": "99999",
            "serviceCode": SERVICE_CODE,
            "text": self.transcript,
        }
        answer = self.http.post(f"/ussd/africastalking/{SECRET}", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.text[:4] in ("CON ", "END "), answer.text
        return answer.text

    def hang_up(self, status: str = "Success") -> None:
        """The aggregator's end event."""
        form = {"sessionId": self.session_id, "phoneNumber": self.phone, "status": status, "input": self.transcript}
        self.http.post(f"/ussd/africastalking/{SECRET}/events", data=form).raise_for_status()
