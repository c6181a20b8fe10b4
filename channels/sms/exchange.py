"""What a command is given, and what it gives back."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import msgspec

from core.database import Tx
from core.texts import say
from marketplace.notifications.rendering import Params
from marketplace.people.service import Person

Role = Literal["customer", "restaurant", "driver"]

# Said first, they choose among several roles of one phone: `LIVREUR PAYE`, `CLIENT SOLDE`.
ROLE_WORDS: dict[Role, tuple[str, str]] = {
    "restaurant": ("resto", "restaurant"),
    "driver": ("livreur", "driver"),
    "customer": ("client", "customer"),
}


class Reply(msgspec.Struct, frozen=True):
    """The text to answer with; None as key where the use case itself tells the sender.

    `changed` is False when nothing happened, so that the same words a moment later are no echo.
    """

    key: str | None
    params: Params = {}
    changed: bool = True


class Ask(msgspec.Struct, frozen=True):
    """One command: who sent it, as what, and its parts by name."""

    tx: Tx
    person: Person
    role: Role
    subject_id: UUID  # the person, restaurant or driver that it is about
    language: str
    parts: Mapping[str, str]
    key: str  # unique to this message, for use cases that want one

    @property
    def number(self) -> int:
        """The order that the command names."""
        return int(self.parts["number"])

    def say(self, key: str) -> str:
        """A word of the answer, in its language."""
        return say(self.language, key)


def which(options: list[str]) -> Reply:
    """An ambiguous command gets the list of what it could mean, never a guess."""
    return Reply("sms.which", {"options": ", ".join(options)}, changed=False)
