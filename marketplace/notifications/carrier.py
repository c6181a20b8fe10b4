"""What an SMS carrier must do, and the four things that can come of it."""

from typing import Literal, Protocol
from uuid import UUID

import msgspec

Outcome = Literal[
    "accepted",  # the carrier has it and gave it an id
    "transient",  # the carrier certainly did not take it, a later try may succeed
    "refused",  # the carrier never will: a bad number, a blocked sender
    "unknown",  # no readable answer: it may have gone out
]


class SendResult(msgspec.Struct, frozen=True):
    """The carrier's answer for one recipient; `word` is its own name for it (`Queued`, `InvalidSenderId`)."""

    outcome: Outcome
    word: str
    provider_message_id: str | None = None


class Carrier(Protocol):
    """One SMS provider. Never raises for what the provider does; says so in the result."""

    @property
    def name(self) -> str: ...

    @property
    def budget_seconds(self) -> float:
        """The longest that one `send` takes, time-outs included."""
        ...

    async def send(self, *, phone: str, text: str, message_id: UUID) -> SendResult: ...
