"""Where sessions live between two turns: one small protocol, one file per place."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from menus_ussd.session import Session

# Longer than any turn may take (settings.ussd_hard_deadline_seconds), shorter than a caller's patience.
LEASE_SECONDS = 9.0
# How often a turn asks whether the one before it is over, where nobody tells.
WAIT_STEP_SECONDS = 0.015


class LeaseLost(Exception):
    """The turn took longer than its lease; another one may have answered."""


class StoreAway(Exception):
    """The store does not answer, or answers that it cannot. Whether it kept what it was sent, nobody knows."""


class Claim(Protocol):
    """One turn's exclusive hold on a session; others with the same session id wait until it ends.

    Where several processes share the store, the hold is a lease: it outlives a killed process, but not for long.
    """

    session: Session | None  # as last committed

    async def prior(self) -> Session | None:
        """The phone's newest session, for resuming; None when it is too old."""

    async def commit(self, session: Session) -> None:
        """Keep the session, and make it its phone's newest, both or neither; done once, as a turn's last act.

        Raises LeaseLost, and nothing is kept, when the turn took longer than its lease.
        """


class SessionStore(Protocol):
    """Keeps sessions for as long as a caller may come back."""

    def claim(self, session_id: str, phone_index: bytes = b"") -> AbstractAsyncContextManager[Claim]:
        """Hold a session, of that phone, for the length of one turn. A turn without `commit` leaves no trace.

        Raises StoreAway.
        """

    async def close(self) -> None: ...
