"""A phone in the terminal: `gateway dial '*237*1#' --from +237670000001 --dialect mtn_madapi`.

What is typed answers the page. `!repeat` has the network send its last request again, `!delay 3` makes it slow from
then on, `!drop` loses the connection.
"""

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
_MOST_DELAY_SECONDS = 30


async def dial(
    base_url: str, dialled: str, msisdn: str, *, dialect: str = "africastalking", delay_seconds: float = 0
) -> None:
    """Talk to the service behind `base_url` until either side hangs up; the end of the input hangs up.

    `dialect` is the aggregator's, `delay_seconds` how long it holds each request back. Raises CannotRun when there is
    no simulated network, or it does not take the number, the code or the dialect.
    """
    network = HttpClient(base_url, connect_seconds=3.0, read_seconds=_NETWORK_SECONDS + _MOST_DELAY_SECONDS)
    phone = _Phone(network, dialect, delay_seconds)
    try:
        with _interruptible():
            await _talk(phone, dialled, msisdn)
    finally:
        await phone.network.close()
    _write(f"Payment prompts and SMS arrive on the phone at {base_url}/phone.\n")


async def _talk(phone: "_Phone", dialled: str, msisdn: str) -> None:
    screen = await phone.dial(dialled, msisdn)
    _write(_frame(screen))
    while screen["open"]:
        typed = _read()
        if typed is None or typed == "!drop":
            await phone.hang_up(screen["session"])
            _write("\nHung up.\n" if typed is None else "Connection lost.\n")
            return
        if typed == "!repeat":
            _write(await phone.repeat(screen["session"]))
        elif typed.startswith("!delay"):
            _write(phone.slow_down(typed.removeprefix("!delay").strip()))
        else:
            screen = await phone.key_in(screen["session"], typed)
            _write(_frame(screen))


class _Phone:
    """The simulated network's door for phones."""

    def __init__(self, network: HttpClient, dialect: str, delay_seconds: float) -> None:
        self.network = network
        self._dialect = dialect
        self._delay_seconds = delay_seconds

    async def dial(self, dialled: str, msisdn: str) -> dict[str, Any]:
        asked = {"from": msisdn, "dial": dialled, "dialect": self._dialect, "delay_seconds": self._delay_seconds}
        return _screen(await self._ask("POST", "/simulator/ussd", asked))

    async def key_in(self, session: str, typed: str) -> dict[str, Any]:
        asked = {"input": typed, "delay_seconds": self._delay_seconds}
        return _screen(await self._ask("POST", f"/simulator/ussd/{session}", asked))

    async def repeat(self, session: str) -> str:
        """What to tell of the last request sent once more."""
        answer = await self._ask("POST", f"/simulator/ussd/{session}/repeat", None)
        if answer.status != 200:
            return f"The repeat failed: {answer.json().get('detail', answer.status)}\n"
        same = answer.json()["same"]
        return "Sent again: the same bytes came back.\n" if same else "Sent again: another answer came back.\n"

    def slow_down(self, seconds: str) -> str:
        """Hold back what follows for so long, and what to tell of it."""
        if not seconds.isdecimal() or int(seconds) > _MOST_DELAY_SECONDS:
            return f"!delay takes 0 to {_MOST_DELAY_SECONDS} seconds.\n"
        self._delay_seconds = float(seconds)
        return f"From now on each request takes {seconds} s longer.\n"

    async def hang_up(self, session: str) -> None:
        await self._ask("DELETE", f"/simulator/ussd/{session}", None)

    async def _ask(self, method: str, path: str, body: dict[str, object] | None) -> Answer:
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
    """The page in a frame: below it what the product calls it, its width, and how long the phone waited."""
    lines = [piece for line in screen["text"].split("\n") for piece in textwrap.wrap(line, _COLUMNS) or [""]]
    step = f"{screen['step']} · " if screen["step"] else ""
    foot = f" {step}{screen['septets']} septets · {screen['round_trip_ms']} ms "
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
