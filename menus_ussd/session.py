"""What is kept of a conversation between two turns. No digit of a secret and no phone number is in here."""

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from core.logs import logger
from menus_ussd.turns import Form

log = logger(__name__)

Asks = Literal["line", "text", "secret"]  # what answers a question: one of its lines, something typed, digits to hide


# Of a session whose turns have no end, the first answer and so many of the newest are kept for those who ask again.
MOST_RECEIPTS = 50

ANSWERS = ("answer", "agreed", "secret")  # what a caller has said; "agreed": to something that commits them


class Entry(Struct, array_like=True):
    """One line of the journal: what was said, a look, an effect, or the refusal of an effect."""

    id: str
    kind: str  # of ANSWERS, or "look" | "effect" | "refused"
    value: Any = None


class Policy(NamedTuple):
    """What becomes of a journey that was cut short: for so many `minutes` it may be taken up again.

    "resume" goes on at the very question, "confirm" before what was agreed to, "restart" never.
    """

    how: Literal["resume", "confirm", "restart"] = "resume"
    minutes: int = 30


class Page(Struct, array_like=True):
    """One page as it was shown, with the values its numbers stood for."""

    text: str
    options: list[tuple[str, Any]] = []


class Shown(Struct, array_like=True):
    """The question on the screen: all its pages, and which of them is visible."""

    id: str
    pages: list[Page]
    visible: int = 0
    asks: Asks = "text"


class Receipt(Struct, array_like=True):
    """The answer to one position, so that a repeated request gets the same bytes."""

    length: int  # of the transcript in characters, or the number of the turn
    fingerprint: str  # keyed hash of what was typed
    text: str  # sealed codes stay sealed
    expects_input: bool
    step: str
    form: Form | None = None


class Unfinished(Struct, array_like=True):
    """A conversation that a lost connection cut short and its caller may take up again."""

    run_id: str
    journal: list[Entry]
    skips_cart: bool
    remembered: bool
    expires_ms: int = 0  # since the epoch


class Session(Struct, kw_only=True, omit_defaults=True):
    """One network session and the conversation it carries."""

    id: str
    nonce: str = ""  # tells sessions apart that an aggregator gives one id
    phone_index: bytes
    person_id: str
    language: str | None
    run_id: str
    journal: list[Entry] = []
    shown: Shown | None = None
    receipts: list[Receipt] = []
    answered_ms: int = 0  # when the newest receipt was written, since the epoch: of two copies the later counts
    journey: str = ""  # the one that its last question belongs to
    ended: bool = False
    skips_cart: bool = False  # a deep dial goes where it says; the cart stays for the next plain dial
    remembered: bool = False  # the store knew this phone's last session, so its last page was not lost with it
    presets: dict[str, Any] = {}  # answers by question id, from a deep dial
    prior: Unfinished | None = None  # offered by this session
    aside: Unfinished | None = None  # not offered, because a number was dialled that goes elsewhere; for the next one

    @property
    def ref(self) -> str:
        """Names this network session and no other."""
        return self.id + self.nonce

    @property
    def answers(self) -> int:
        """How many questions were answered: zero means home."""
        return sum(1 for entry in self.journal if entry.kind in ANSWERS)

    def answer(self, receipt: Receipt) -> None:
        """Keep what was answered to the newest request."""
        self.receipts.append(receipt)
        if len(self.receipts) > MOST_RECEIPTS + 1:
            del self.receipts[1]

    def step_back(self) -> bool:
        """Drop the last answer and the looks after it. False when there is none, or an effect is in the way."""
        for position in range(len(self.journal) - 1, -1, -1):
            if self.journal[position].kind == "effect":
                return False
            if self.journal[position].kind in ANSWERS:
                del self.journal[position:]
                return True
        return False

    def begin_anew(self, run_id: str) -> None:
        """An empty journal under a new run id, so that what is done again is done."""
        self.prior = None
        self.journal = []
        self.journey = ""
        self.run_id = run_id

    def go_on(self, unfinished: Unfinished) -> None:
        """The journal of a dropped session, under its own run id: what it had done is not done again."""
        self.prior = self.aside = None
        self.presets = {}
        self.journal = unfinished.journal
        self.run_id = unfinished.run_id
        self.skips_cart, self.remembered = unfinished.skips_cart, unfinished.remembered

    def unfinished(self, root: str, policy: Policy, now_ms: int) -> Unfinished | None:
        """What a later session may take up: this one's own talk, or what it was offered and has not answered."""
        found = self._own(policy) if self.answers and self.shown and self.shown.id != root else None
        found = found or self.prior or self.aside
        return found if found and now_ms <= found.expires_ms else None

    def _own(self, policy: Policy) -> Unfinished | None:
        """The answers up to the first secret, and the looks between them.

        A passed PIN dies with its session, and what was looked up just before it is looked up again.
        """
        if self.ended or policy.how == "restart":
            return None
        again = ("secret", "agreed") if policy.how == "confirm" else ("secret",)
        first = next((i for i, entry in enumerate(self.journal) if entry.kind in again), len(self.journal))
        if first < len(self.journal):
            while first and self.journal[first - 1].kind == "look":
                first -= 1
        expires_ms = self.answered_ms + policy.minutes * 60_000
        return Unfinished(self.run_id, self.journal[:first], self.skips_cart, self.remembered, expires_ms)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Session).decode


def readable(packed: bytes | None) -> Session | None:
    """What a store shared with other code holds; None for what this code cannot read, whose caller begins anew."""
    try:
        return decode(packed) if packed else None
    except msgspec.DecodeError as problem:
        log.warning("ussd_session_unreadable", problem=type(problem).__name__)
        return None
