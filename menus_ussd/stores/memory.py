"""Sessions in this process: the default of a single web process."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from time import monotonic
from typing import NamedTuple

from msgspec.structs import replace

from menus_ussd import session as codec
from menus_ussd.session import Session, Shown


class _Kept(NamedTuple):
    """A session packed, but for what is on its screen: those pages are shared with the menu they were composed of."""

    expires: float
    packed: bytes
    shown: Shown | None


class MemorySessionStore:
    """A dictionary with a life time, and one lock per session that is being served."""

    def __init__(self, *, ttl_seconds: float) -> None:
        self._ttl_seconds = ttl_seconds
        self._sessions: OrderedDict[str, _Kept] = OrderedDict()  # oldest first
        self._newest: dict[bytes, str] = {}
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def claim(self, session_id: str, phone_index: bytes = b"") -> AsyncIterator["MemoryClaim"]:
        lock, waiting = self._locks.get(session_id, (asyncio.Lock(), 0))
        self._locks[session_id] = (lock, waiting + 1)
        try:
            async with lock:
                yield MemoryClaim(self, self.read(session_id), phone_index)
        finally:
            lock, waiting = self._locks.pop(session_id)
            if waiting > 1:
                self._locks[session_id] = (lock, waiting - 1)

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
        self._sessions[session.id] = _Kept(monotonic() + self._ttl_seconds, packed, copy(session.shown))
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
            phone_index = codec.decode(kept.packed).phone_index
            if self._newest.get(phone_index) == session_id:
                del self._newest[phone_index]

    async def close(self) -> None:
        self._sessions.clear()


class MemoryClaim:
    """A held session of a MemorySessionStore."""

    def __init__(self, store: MemorySessionStore, session: Session | None, phone_index: bytes) -> None:
        self.session = session
        self._store = store
        self._phone_index = phone_index

    async def prior(self) -> Session | None:
        return self._store.newest(self._phone_index)

    async def commit(self, session: Session) -> None:
        self._store.write(session)
