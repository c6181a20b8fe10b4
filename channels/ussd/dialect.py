"""What a dialect is: how one aggregator tells a turn and hears a page. How to add one: docs/ussd-dialects.md."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from menus_ussd.turns import Ended, Reply, Turn

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Capabilities(Struct, frozen=True, kw_only=True):
    """What an aggregator can do, declared so that nobody asks for its name."""

    method: Literal["GET", "POST"]
    sends: Literal["query", "form", "json", "xml"]
    closes_by: Literal["prefix", "field", "header", "absence"]  # absence: a page that offers nothing to answer with
    full_transcript: bool = False  # each request repeats all that was typed; else it holds the newest input alone
    names_sessions: bool = True  # else a phone has one session at a time
    counts_turns: bool = False  # else a repeat is told from a new input by its time
    tells_end: bool = False  # an event says that a session is over, perhaps late, twice or never
    sub_paths: bool = False  # what is asked also stands in the path, behind the secret
    page: int = 160
    # A text of so many septets never has more characters: pages are planned in septets for both.
    page_unit: Literal["septets", "characters"] = "septets"


class Service(Struct, frozen=True):
    """What a dialect needs to know of us."""

    code: str  # what is dialled
    page_septets: int
    by_network: Mapping[str, int] = {}  # septets, by the aggregator's word for a network in lower case

    def septets(self, network: str | None) -> int:
        """What one page may hold on `network`; an unknown one is like any other."""
        if not network or not self.by_network:
            return self.page_septets
        return self.by_network.get(network.lower(), self.page_septets)


class Callback(Struct):
    """One request of an aggregator's: flat fields, whatever they came in."""

    fields: Mapping[str, str] = {}
    sub_path: str = ""
    headers: Iterable[tuple[bytes, bytes]] = ()

    def header(self, name: bytes) -> str:
        """A header by its name in lower case."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


class Answer(NamedTuple):
    """What goes back, always with status 200: any other would end the session without a word to its caller."""

    body: bytes
    content_type: str = TEXT
    header: tuple[str, str] | None = None


class Dialect(Protocol):
    """One aggregator. Knows no menu, keeps nothing, and is made once."""

    name: str  # of its path, its sessions and its settings
    can: Capabilities

    def decode(self, callback: Callback, service: Service) -> Turn | Ended | None:
        """What the request means; None for what needs no more than `acknowledge`. Raises Refusal."""

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        """The page, for a caller whose request may have been refused: any of its fields may be missing."""

    def acknowledge(self, callback: Callback) -> Answer:
        """The answer to what is no turn; nobody reads it."""
