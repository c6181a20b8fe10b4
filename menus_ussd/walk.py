"""Walks every journey by answering every question: the proof that no page is too long and no caller is stuck.

From each screen the walker forks the session and tries all lines of a short menu and the first and last of a long
list's pages, the keys that are on every page, sample answers for free text, wrong input and hostile input. What it
finds wrong is a finding; a clean walk has none.
"""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field, structs

from core import sealed
from menus_ussd import session as codec
from menus_ussd.engine import Engine
from menus_ussd.pages import BACK, HOME, MORE, width
from menus_ussd.positions import transcript_position
from menus_ussd.session import Receipt, Session
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.turns import Reply, Turn

DIALECT = "walk"
HOSTILE = (
    "",
    " ",
    "1abc",
    "0x1",
    "999999999",
    "1.5",
    "-1",
    "é",
    "😀",
    "\x00\x1b",
    "\x02delivery_code:x\x03",
    "*",
    "#",
    "z" * 161,
)
# Ids, hashes and what is encrypted: any six digits stand in one of them now and then.
_RANDOM = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}")
MENU_LINES = 7
DIALS = ("1", "3", "3*4821", "6", "6*4821", "45", "45*1*2", "77", "99999999999", "²³", "2*1*1", "98", "00", *HOSTILE)
VISITS = 2  # by how many paths each phone leaves each question; hostile input is tried at the first of them


class Fork(NamedTuple):
    """A screen to go on from: the session as it stood there, and whose phone it is on."""

    session: Session
    phone: str


class Walked(Struct):
    """What a walk saw."""

    screens: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    longest_septets: int = 0
    longest_page: str = ""
    arrows: set[tuple[str, str, str]] = set()  # (question, input, next question or ending)
    findings: list[str] = []


class Walker:
    """Walks the engine's conversation for some phones; the store must be the engine's own."""

    def __init__(
        self, engine: Engine, store: MemorySessionStore, *, samples: Mapping[str, Sequence[str]], secrets: Sequence[str]
    ) -> None:
        self._engine = engine
        self._store = store
        self._samples = samples  # by question: what people answer there, for questions without a menu
        self._secrets = secrets  # sample answers that must be found in no session
        self._number = 0
        self._queue: deque[Fork] = deque()
        self._visits: Counter[tuple[str, str]] = Counter()  # by phone and question
        self._tortured: set[str] = set()  # questions that have seen hostile input
        self.walked = Walked()

    async def walk(self, phones: Sequence[str]) -> Walked:
        """Everything that can be reached by dialling from `phones`, each with its own past."""
        for phone in phones:
            for dialled in ("", *DIALS):
                await self._dial(phone, dialled)
            while self._queue:
                await self._try_all(self._queue.popleft())
        return self.walked

    async def _dial(self, phone: str, dialled: str) -> None:
        self._number += 1
        session_id = f"dial-{self._number}"
        reply = await self._say(session_id, phone, dialled)
        self._arrive(None, dialled or "dial", session_id, phone, reply)

    async def _say(self, session_id: str, phone: str, transcript: str) -> Reply:
        budget = self._engine.database.settings.ussd_page_septets
        turn = Turn(dialect=DIALECT, session_id=session_id, phone=phone, transcript=transcript, page_septets=budget)
        return await self._engine.turn(turn)

    async def _try_all(self, fork: Fork) -> None:
        for typed in self._inputs(fork):
            session_id = self._copy(fork.session)
            reply = await self._say(session_id, fork.phone, typed)
            self._arrive(fork.session, typed, session_id, fork.phone, reply)

    def _inputs(self, fork: Fork) -> list[str]:
        shown = fork.session.shown
        assert shown is not None
        lines = [key for page in shown.pages for key in _worth_trying([key for key, _ in page.options])]
        name = shown.id.partition("#")[0]
        more = [MORE] if len(shown.pages) > 1 else []
        hostile = HOSTILE if name not in self._tortured else ()
        self._tortured.add(name)
        every = [*lines, *self._samples.get(name, ()), BACK, HOME, *more, *hostile]
        return list(dict.fromkeys(every))

    def _copy(self, session: Session) -> str:
        """The same session under a new id, as if nothing had been typed yet."""
        self._number += 1
        session_id = f"fork-{self._number}"
        last = session.receipts[-1]
        start = transcript_position(self._engine.database.keys, session_id, "")
        receipt = Receipt(*start, last.text, last.expects_input, last.step)
        self._store.write(structs.replace(session, id=f"{DIALECT}:{session_id}", receipts=[receipt]))
        return session_id

    def _arrive(self, before: Session | None, typed: str, session_id: str, phone: str, reply: Reply) -> None:
        """Look at one screen; go on from it if this question is not yet known well."""
        walked = self.walked
        walked.screens += 1
        self._check(typed, session_id, reply)
        origin = before.shown.id.partition("#")[0] if before and before.shown else "dial"
        step = reply.step.partition("#")[0]
        if typed not in HOSTILE:
            walked.arrows.add((origin, typed, step))
        session = self._store.read(f"{DIALECT}:{session_id}")
        moved = before is None or session is None or session.shown != before.shown
        if reply.expects_input and session and moved and self._visits[phone, step] < VISITS:
            self._visits[phone, step] += 1
            walked.questions[step] += 1
            self._queue.append(Fork(session, phone))

    def _check(self, typed: str, session_id: str, reply: Reply) -> None:
        where = f"{reply.step} after {typed[:20]!r}"
        septets = width(reply.text)
        if septets > self.walked.longest_septets:
            self.walked.longest_septets, self.walked.longest_page = septets, sealed.conceal(reply.text)
        if septets > self._engine.database.settings.ussd_page_septets:
            self._find(f"{where}: {septets} septets")
        if not reply.text.strip():
            self._find(f"{where}: an empty page")
        if reply.step in ("ussd.trouble", "ussd.slow", "ussd.dial_again"):
            self._find(f"{where}: the caller is thrown out")
        session = self._store.read(f"{DIALECT}:{session_id}")
        if session is None:
            return
        if reply.expects_input and not _has_way_out(session):
            self._find(f"{where}: no way out")
        packed = _RANDOM.sub(b"", codec.encode(session))
        if any(secret.encode() in packed for secret in self._secrets):
            self._find(f"{where}: a secret is in the session")

    def _find(self, finding: str) -> None:
        self.walked.findings.append(finding)


def _worth_trying(keys: list[str]) -> list[str]:
    """A menu's lines lead to different places; a long list's do not."""
    return keys if len(keys) <= MENU_LINES else [keys[0], keys[-1]]


def _has_way_out(session: Session) -> bool:
    """A menu has lines to pick; every other page can be left by going back."""
    shown = session.shown
    return shown is not None and (bool(shown.pages[shown.visible].options) or session.answers > 0 or shown.visible > 0)
