"""Sessions in this process: the default of a single web process."""

import asyncio
from collections import OrderedDict, deque
from copy import copy
from time import monotonic
from typing import NamedTuple, Self

from msgspec.structs import replace

from menus_ussd import session as codec
from menus_ussd.session import Session, Shown


class _Kept(NamedTuple):
    """A session packed, but for what is on its screen: those pages are shared with the menu they were composed of."""

    expires: float
    phone_index: bytes
    packed: bytes
    shown: Shown | None


class MemorySessionStore:
    """A dictionary with a life time, and a queue per session that is being served."""

    def __init__(self, *, ttl_seconds: float) -> None:
        self._ttl_seconds = ttl_seconds
        self._sessions: OrderedDict[str, _Kept] = OrderedDict()  # oldest first
        self._newest: dict[bytes, str] = {}
        self._held: dict[str, deque[asyncio.Future[None]]] = {}  # by whom the others wait to be told

    def claim(self, session_id: str, phone_index: bytes = b"") -> "MemoryClaim":
        return MemoryClaim(self, session_id, phone_index)

    async def hold(self, session_id: str) -> None:
        """Hold the session once nobody else does; `let_go` must follow."""
        waiting = self._held.get(session_id)
        if waiting is None:
            self._held[session_id] = deque()
            return
        handed_over = asyncio.get_running_loop().create_future()
        waiting.append(handed_over)
        try:
            await handed_over
        except asyncio.CancelledError:
            if handed_over.done() and not handed_over.cancelled():
                self.let_go(session_id)
            raise

    def let_go(self, session_id: str) -> None:
        """Hand the session over to whoever waited longest."""
        waiting = self._held[session_id]
        while waiting:
            if not (next_one := waiting.popleft()).done():
                next_one.set_result(None)
                return
        del self._held[session_id]

    def read(self, session_id: str) -> Session | None:
        kept = self._sessions.get(session_id)
        if kept is None or kept.expires <= monotonic():
            return None
        session = codec.decode(kept.packed)
        session.shown = copy(kept.shown)
        return session

    def newest(self, phone_index: bytes) -> Session | None:
        session_id = self._newest.get(phone_index)
        return self.read(session_id) if session_id else None

    def write(self, session: Session) -> None:
        packed = codec.encode(replace(session, shown=None))
        self._sessions[session.id] = _Kept(
            monotonic() + self._ttl_seconds, session.phone_index, packed, copy(session.shown)
        )
        self._sessions.move_to_end(session.id)
        self._newest[session.phone_index] = session.id
        self._forget_expired()

    def _forget_expired(self) -> None:
        now = monotonic()
        while self._sessions:
            session_id, kept = next(iter(self._sessions.items()))
            if kept.expires > now:
                return
            del self._sessions[session_id]
            if self._newest.get(kept.phone_index) == session_id:
                del self._newest[kept.phone_index]

    async def close(self) -> None:
        self._sessions.clear()


class MemoryClaim:
    """A held session of a MemorySessionStore."""

    session: Session | None

    def __init__(self, store: MemorySessionStore, session_id: str, phone_index: bytes) -> None:
        self._store = store
        self._id = session_id
        self._phone_index = phone_index

    async def __aenter__(self) -> Self:
        await self._store.hold(self._id)
        self.session = self._store.read(self._id)
        return self

    async def prior(self) -> Session | None:
        return self._store.newest(self._phone_index)

    async def commit(self, session: Session) -> None:
        self._store.write(session)

    async def __aexit__(self, *_: object) -> None:
        self._store.let_go(self._id)
