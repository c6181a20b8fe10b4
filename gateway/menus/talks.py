"""Talks: what a caller dials and says and what they should read, in YAML, played against a real service over HTTP.

    talk: A first order
    phone: "+237670000200"
    screens: 6                 # from home to the confirmation; left out: anything
    steps:
    - dial: "*237*1*45#"
      step: order.dishes       # left out: any
      expect: |-
        Chez Mama Ndole
        1 Ndole {money}
    - say: "{pin}"             # filled in by whoever plays it

In what is expected `{digits}` stands for digits, `{money}` for an amount, `{text}` for the rest of a line. A recorded
talk has them where numbers, codes and PINs were.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec
import yaml
from msgspec import Struct

from core.http import HttpClient, NoAnswer, NotSent
from gateway.errors import CannotRun

STEP_HEADER = "at-ussd-hop-metadata"
# What is typed there is no one's to keep.
SECRETS = {"pin.enter": "{pin}", "pin.choose": "{pin}", "staff.counter": "{counter}", "staff.code": "{code}"}
_FIRST, _LAST = "home", "order.confirm"  # between them the screens are counted
_PLACEHOLDERS = {"digits": r"\d+", "money": r"\d[\d ]*", "text": r"[^\n]*"}


class Step(Struct, omit_defaults=True):
    """One thing that the caller does, and the page that answers it. `expect` begins with CON or END."""

    dial: str | None = None  # a whole code, as on a keypad
    say: str | None = None
    step: str | None = None
    expect: str | None = None


class Talk(Struct, omit_defaults=True):
    """A conversation from one phone; a second dial begins a new session."""

    talk: str
    phone: str
    steps: list[Step]
    screens: int | None = None


class Page(Struct, frozen=True):
    """What came back: the text with its CON or END, and the name of the question."""

    text: str
    step: str


def read(path: Path) -> Talk:
    """Raises CannotRun for a file that holds no talk."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), Talk)
    except (OSError, yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as problem:
        raise CannotRun(f"{path} holds no talk: {problem}") from None


def write(path: Path, talk: Talk) -> None:
    path.write_text(written(talk))


def written(talk: Talk) -> str:
    """As YAML, pages as they read."""
    return yaml.dump(msgspec.to_builtins(talk), Dumper=_Readable, sort_keys=False, allow_unicode=True, width=200)


class _Readable(yaml.SafeDumper):
    """Pages of several lines as blocks, not as one line full of escapes."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _as_block)


class Line:
    """A phone's line to the service, through the door of Africa's Talking."""

    def __init__(self, http: HttpClient, *, secret: str, service_code: str, phone: str) -> None:
        self._http = http
        self._path = f"/ussd/africastalking/{secret}"
        self._code = service_code
        self._phone = phone
        self._session, self._transcript = "", ""

    async def dial(self, dialled: str) -> Page:
        """Begin a session. Raises CannotRun for a code that is not the service's."""
        own = self._code.rstrip("#")
        if not dialled.startswith(own):
            raise CannotRun(f"{dialled} does not begin with {own}.")
        self._session, self._transcript = uuid4().hex, dialled.removeprefix(own).strip("*#")
        return await self._ask()

    async def say(self, typed: str) -> Page:
        self._transcript = f"{self._transcript}*{typed}" if self._transcript else typed
        return await self._ask()

    async def _ask(self) -> Page:
        form = {"sessionId": self._session, "phoneNumber": self._phone, "serviceCode": self._code}
        try:
            answer = await self._http.request("POST", self._path, data={**form, "text": self._transcript})
        except (NotSent, NoAnswer) as problem:
            raise CannotRun(f"The service does not answer: {problem}.") from None
        if answer.status != 200:
            raise CannotRun(f"The service refuses ({answer.status}): is the secret of its USSD door right?")
        return Page(answer.body.decode(), answer.headers.get(STEP_HEADER, ""))


async def play(talk: Talk, line: Line, values: Mapping[str, str] = {}) -> list[Page]:
    """The pages, one for each step. `values` are what stands for `{pin}` and its like in what is said."""
    pages = []
    for step in talk.steps:
        if step.dial is not None:
            pages.append(await line.dial(step.dial))
        else:
            pages.append(await line.say(fill_in(step.say or "", values)))
    return pages


def fill_in(said: str, values: Mapping[str, str]) -> str:
    """Raises CannotRun for a name without a value."""
    try:
        return said.format(**values)
    except (KeyError, IndexError, ValueError) as missing:
        raise CannotRun(f"What stands for {missing} in {said!r}? Give it with --set NAME=VALUE.") from None


def differences(talk: Talk, pages: Sequence[Page]) -> Iterator[str]:
    """What was expected otherwise, a text for each."""
    for number, (step, page) in enumerate(zip(talk.steps, pages, strict=True), 1):
        did = f"{number}. {f'say {step.say}' if step.dial is None else f'dial {step.dial}'}"
        if step.step is not None and step.step != page.step:
            yield f"{did}: the question is {page.step}, should be {step.step}"
        if step.expect is not None and not _fits(step.expect, page.text):
            yield f"{did}: reads\n{page.text}\nshould read\n{step.expect}"
    if talk.screens is not None and (shown := screens(pages)) != talk.screens:
        yield f"{shown} screens from {_FIRST} to {_LAST}, should be {talk.screens}"


def _fits(expected: str, text: str) -> bool:
    pattern = re.escape(expected.strip())
    for name, stands_for in _PLACEHOLDERS.items():
        pattern = pattern.replace(rf"\{{{name}\}}", stands_for)
    return re.fullmatch(pattern, text.strip()) is not None


def screens(pages: Sequence[Page]) -> int:
    """Pages that ask, from the first that is home, or the first of all, up to the confirmation."""
    asked = [page.step.partition("#")[0] for page in pages if page.text.startswith("CON ")]
    begin = asked.index(_FIRST) if _FIRST in asked else 0
    return len(asked[begin : asked.index(_LAST) + 1 if _LAST in asked else None])


def accepted(talk: Talk, pages: Sequence[Page]) -> Talk:
    """The talk with the pages as they came, numbers masked: what was right today is what to expect tomorrow."""
    steps = [
        msgspec.structs.replace(step, step=page.step, expect=masked(page.text))
        for step, page in zip(talk.steps, pages, strict=True)
    ]
    return msgspec.structs.replace(talk, steps=steps)


def masked(text: str) -> str:
    """A page without what is one caller's own: order numbers, codes, phone numbers. Amounts and dials stay."""
    return re.sub(r"(?<![\d*#])\d{4,}(?![\d*#F])", "{digits}", text)


class Recorder:
    """Makes a talk of what a phone does while it does it; whose phone it was is not written down."""

    def __init__(self, title: str) -> None:
        self.talk = Talk(title, "{phone}", [])

    def dialled(self, dialled: str, page: Page) -> None:
        self.talk.steps.append(Step(dial=dialled, step=page.step, expect=masked(page.text)))

    def said(self, typed: str, page: Page) -> None:
        """The PIN that answered a secret's page is not written down, nor are phone numbers and codes."""
        asked = self.talk.steps[-1].step or ""
        said = SECRETS.get(asked.partition("#")[0]) or masked(typed)
        self.talk.steps.append(Step(say=said, step=page.step, expect=masked(page.text)))
