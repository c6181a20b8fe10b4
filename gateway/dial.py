"""A phone in the terminal: `gateway dial '*237*1#' --from +237670000001`."""

import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.http import Answer, HttpClient, NoAnswer, NotSent
from gateway.errors import CannotRun

_COLUMNS = 40
_NETWORK_SECONDS = 15.0  # the network itself gives up after 10


async def dial(base_url: str, dialled: str, msisdn: str) -> None:
    """Talk to the service behind `base_url` until either side hangs up; the end of the input hangs up.

    Raises CannotRun when there is no simulated network, or it does not take the number or the code.
    """
    phone = _Phone(HttpClient(base_url, connect_seconds=3.0, read_seconds=_NETWORK_SECONDS))
    try:
        with _interruptible():
            await _talk(phone, dialled, msisdn)
    finally:
        await phone.network.close()
    _write(f"Payment prompts and SMS arrive on the phone at {base_url}/phone.\n")


async def _talk(phone: "_Phone", dialled: str, msisdn: str) -> None:
    screen = await phone.dial(dialled, msisdn)
    while True:
        _write(_frame(screen))
        if not screen["open"]:
            return
        typed = _read()
        if typed is None:
            await phone.hang_up(screen["session"])
            _write("\nHung up.\n")
            return
        screen = await phone.key_in(screen["session"], typed)


class _Phone:
    """The simulated network's door for phones."""

    def __init__(self, network: HttpClient) -> None:
        self.network = network

    async def dial(self, dialled: str, msisdn: str) -> dict[str, Any]:
        return _screen(await self._ask("POST", "/simulator/ussd", {"from": msisdn, "dial": dialled}))

    async def key_in(self, session: str, typed: str) -> dict[str, Any]:
        return _screen(await self._ask("POST", f"/simulator/ussd/{session}", {"input": typed}))

    async def hang_up(self, session: str) -> None:
        await self._ask("DELETE", f"/simulator/ussd/{session}", None)

    async def _ask(self, method: str, path: str, body: dict[str, str] | None) -> Answer:
        try:
            return await self.network.request(method, path, json=body)
        except (NotSent, NoAnswer):
            raise CannotRun("No network: is `gateway demo` running on that port?") from None


def _screen(answer: Answer) -> dict[str, Any]:
    """What the phone shows; raises CannotRun with the network's own reason."""
    screen = answer.json()
    if answer.status != 200 or "text" not in screen:
        reason = screen.get("detail", "there are no simulated networks here")
        raise CannotRun(f"The network refuses ({answer.status}): {reason}")
    return screen


def _frame(screen: dict[str, Any]) -> str:
    """The page in a frame, with its width in septets."""
    lines = [piece for line in screen["text"].split("\n") for piece in textwrap.wrap(line, _COLUMNS) or [""]]
    foot = f" {screen['septets']} septets "
    top = f"┌{'─' * (_COLUMNS + 2)}┐"
    body = [f"│ {line:<{_COLUMNS}} │" for line in lines]
    return "\n".join([top, *body, f"└{foot:─>{_COLUMNS + 1}}─┘"]) + "\n"


def _read() -> str | None:
    """One line from the keyboard or a pipe; None at its end, or on Ctrl-C."""
    _write("> ")
    try:
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        return None
    if not sys.stdin.isatty():
        _write(line)  # a piped talk reads like a typed one
    return line.rstrip("\r\n") if line else None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C break the blocking read: nothing else runs on this loop, and asyncio's own handler would wait."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
