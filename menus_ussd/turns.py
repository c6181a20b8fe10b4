"""The normal form of a turn: what every aggregator's dialect is decoded into, and the reply it encodes.

No dialect knows a menu; no menu knows `CON` (contracts/ussd-dialects.md).
"""

from typing import Literal

from msgspec import Struct

Kind = Literal["begin", "opening", "input"]
Ending = Literal["abort", "timeout"]


class Turn(Struct, frozen=True, kw_only=True):
    """One request of a handset.

    A cumulative dialect sends a `transcript`: everything typed since the dial, joined by `*`. All others send one
    input, `typed`. Their first request says so (`begin`), or only looks like it (`opening`: it begins a session unless
    that is known), and `dialled` is then what was dialled after the code, joined by `*`.
    """

    dialect: str
    session_id: str | None  # None: the aggregator names no session, so a phone has one
    phone: str  # E.164
    kind: Kind = "input"
    transcript: str | None = None
    typed: str = ""
    dialled: str = ""
    sequence: int | None = None  # the request's place in its session, from aggregators that count
    network: str | None = None  # in the aggregator's words
    language: str | None = None  # a hint of the network's, for callers we know nothing of
    service_code: str | None = None  # what to dial again; None: the settings' own
    page_septets: int = 160  # what one page may hold on this caller's network
    draws_forms: bool = False  # the dialect needs to know how a page is answered


class Ended(Struct, frozen=True, kw_only=True):
    """News that a session is over: nothing is shown any more, and the conversation can be taken up again."""

    dialect: str
    session_id: str | None  # None: the newest one of `phone`
    phone: str | None = None
    kind: Ending = "abort"


class Form(Struct, frozen=True, array_like=True):
    """How a page is answered."""

    secret: bool  # digits that a dialect hides, if it can
    keys: list[str]  # of the lines to pick; none where the answer is typed


class Reply(Struct, frozen=True, kw_only=True):
    """One page for the handset. `text` is folded, inside the budget and may still hold sealed codes."""

    text: str
    expects_input: bool
    step: str = ""  # the question's id: a label for drop-off reports, never data
    form: Form | None = None  # only where the turn asked for it
