"""What a provider of mobile money must be able to do, and the words in which it answers."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from payments.states import Failure, Kind


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the router goes by; never a provider's name."""

    name: str
    carriers: frozenset[str]
    idempotent_create: bool = False  # the same id sent again is proven to have no second effect
    lookup_by_our_id: bool = False  # `lookup` can prove that nothing is there
    history: bool = False  # `history` lists what moved; else reconciliation reads attempt by attempt
    native_refund: bool = False  # money goes back by a refund of the collection, not by a payout to the same phone
    tells_holder: bool = False  # `holder` can know in whose name an account is
    tells_whole_float: bool = True  # `floats` is all that our books hold there, carrier by carrier
    reads_per_second: float | None = None  # documented limit, None where there is none


class Request(msgspec.Struct, frozen=True):
    """One movement of money to ask for. `attempt_id` is our id at the provider."""

    attempt_id: UUID
    kind: Kind
    amount_xaf: int
    phone: str
    carrier: str
    purpose: str
    returns: UUID | None = None  # a refund: the attempt that collected the money
    returns_ref: str | None = None  # the same, by its reference at THIS provider; None when another one collected it


class Proof(StrEnum):
    """What the answer to a request proves. Everything that is not certain is UNKNOWN."""

    NOT_SENT = "NOT_SENT"  # it never reached the provider
    REFUSED = "REFUSED"  # a documented business code, before any effect
    ACCEPTED = "ACCEPTED"  # the provider has it and named its reference
    UNKNOWN = "UNKNOWN"


class Answer(msgspec.Struct, frozen=True):
    """A classified answer. `detail` is a short word for the record (an error code), never a body."""

    proof: Proof
    detail: str
    ref: str | None = None
    failure: Failure | None = None


class Word(StrEnum):
    """What a provider says about a movement. A word it never documented is PENDING: still unknown."""

    PENDING = "PENDING"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"


class Record(msgspec.Struct, frozen=True):
    """One movement as the provider reads it back; None where it says nothing."""

    ref: str
    word: Word
    our_id: str | None
    collects: bool | None  # True: money in; False: money out
    amount: Decimal | None
    net: Decimal | None  # what is left of a collection after the provider's fee
    currency: str | None
    phone: str | None  # E.164
    carrier: str | None
    failure: Failure | None


class Absence(msgspec.Struct, frozen=True):
    """The provider answered that it holds nothing under our id."""


class HistoryLine(msgspec.Struct, frozen=True):
    """One movement in a provider's own list, for reconciliation. `fee` as the provider charged it."""

    ref: str
    our_id: str | None
    at: datetime
    word: Word
    collects: bool | None  # None where the list does not say, as for what failed
    amount: Decimal
    fee: Decimal | None
    phone: str | None  # E.164
    carrier: str | None


class Callback(msgspec.Struct, frozen=True):
    """What came in at a provider's callback address, read by nobody yet."""

    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = {}  # names in lower case
    method: str = "POST"
    path: str = ""  # with our secret: signed by some, stored by nobody


class Unbelieved(Exception):
    """A callback that changes nothing; `verdict` says why: "unreadable" or "forged"."""

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class Ring(msgspec.Struct, frozen=True):
    """All that a callback is believed to say: "look at this one now"."""

    ref: str | None
    our_id: str | None


class Provider(Protocol):
    """An adapter. No method raises for anything the other side may do."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def send(self, request: Request) -> Answer:
        """Ask once for the movement. Called at most once per attempt.

        Answers within the time budget of the settings: NOT_SENT when that ends before the request begins.
        """
        ...

    async def read(self, ref: str, kind: Kind) -> Record | None:
        """The movement behind the provider's reference; None when no answer could be read."""
        ...

    async def lookup(self, attempt_id: UUID, kind: Kind) -> Record | Absence | None:
        """The movement behind OUR id (`lookup_by_our_id`); None when no answer could be read."""
        ...

    async def locate(self, attempt_id: UUID, *, since: date, until: date) -> list[str]:
        """References under which the provider may hold our attempt. Each needs a `read` before it is believed."""
        ...

    async def history(self, *, since: date, until: date) -> list[HistoryLine] | None:
        """What moved on the days from `since` to `until`, both included; None when no answer could be read.

        Empty for a provider without the capability. Which zone the days are counted in is the provider's secret:
        ask for a day more on both sides, and match by `ref` and `our_id`.
        """
        ...

    async def close(self) -> None: ...

    async def floats(self) -> dict[str, int] | None:
        """Our balance per carrier in whole XAF; None when no answer could be read."""
        ...

    async def holder(self, phone: str) -> str | None:
        """The name an account is held under, where the provider tells it."""
        ...

    def fee_xaf(self, kind: Kind, carrier: str, amount_xaf: int) -> int:
        """The fee by the agreed rate, rounded up to 1 XAF (D10)."""
        ...
