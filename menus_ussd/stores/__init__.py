"""Where sessions live between two turns: one small protocol, one file per place."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from menus_ussd.session import Session


class Claim(Protocol):
    """One turn's exclusive hold on a session; others with the same session id wait until it ends."""

    session: Session | None  # as last committed

    async def prior(self, phone_index: bytes) -> Session | None:
        """The newest session of that phone, for resuming; None when it is too old."""

    async def commit(self, session: Session) -> None:
        """Keep the session, and make it its phone's newest."""


class SessionStore(Protocol):
    """Keeps sessions for as long as a caller may come back."""

    def claim(self, session_id: str) -> AbstractAsyncContextManager[Claim]:
        """Hold a session for the length of one turn. A turn that ends without `commit` leaves no trace."""

    async def close(self) -> None: ...
