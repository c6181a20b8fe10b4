"""The normal form of a turn: what every aggregator's dialect is decoded into, and the reply it encodes.

No dialect knows a menu; no menu knows `CON` (contracts/ussd-dialects.md).
"""

from msgspec import Struct


class Turn(Struct, frozen=True, kw_only=True):
    """One request of a handset.

    `transcript` is everything typed since the dial, joined by `*`, as cumulative dialects send it.
    """

    dialect: str
    session_id: str
    phone: str  # E.164
    transcript: str = ""
    network: str | None = None


class Reply(Struct, frozen=True, kw_only=True):
    """One page for the handset. `text` is folded, inside the budget and may still hold sealed codes."""

    text: str
    expects_input: bool
    step: str = ""  # the question's id: a label for drop-off reports, never data
