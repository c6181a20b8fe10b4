"""Sessions in Redis, for several web processes: two scripts a turn, claim and commit."""

import asyncio
from itertools import count
from typing import Self
from uuid import uuid4

from core import logs
from core.redis_line import RedisAway, RedisLine, Script
from menus_ussd import session as codec
from menus_ussd.session import Session
from menus_ussd.stores import LEASE_SECONDS, WAIT_STEP_SECONDS, LeaseLost, StoreAway

log = logs.logger(__name__)

# KEYS: session, lease, newest of the phone. ARGV: our token, lease milliseconds.
# Answers {1, session, or else false and the phone's newest session} or {0}.
_CLAIM = Script("""
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {0} end
local session = redis.call('GET', KEYS[1])
if session then return {1, session} end
local newest = redis.call('GET', KEYS[3])
return {1, false, newest and redis.call('GET', newest)}
""")

# KEYS: session, lease, newest of the phone. ARGV: our token, session, milliseconds to keep it.
# A lease that was lost to a time-out writes nothing: somebody else's turn counts.
_COMMIT = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SET', KEYS[3], KEYS[1], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
""")

# KEYS: newest of the phone.
_READ_NEWEST = Script("local key = redis.call('GET', KEYS[1]) return key and redis.call('GET', key)")

# KEYS: lease. ARGV: our token.
_RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


class RedisSessionStore:
    """The same behaviour as in process, shared by all web processes."""

    def __init__(self, url: str, *, ttl_seconds: float, lease_seconds: float = LEASE_SECONDS) -> None:
        self.ttl_ms = int(ttl_seconds * 1000)
        self.lease_ms = int(lease_seconds * 1000)
        self.line = RedisLine(url)
        self.tokens = map((uuid4().hex + ":{}").format, count())  # ours among all processes, and each only once

    def claim(self, session_id: str, phone_index: bytes = b"") -> "RedisClaim":
        return RedisClaim(self, session_id, phone_index)

    async def close(self) -> None:
        await self.line.close()


class RedisClaim:
    """A held session of a RedisSessionStore. It holds by the connection it was taken on, and is lost with it:
    a Redis that was started again knows nothing of it."""

    def __init__(self, store: RedisSessionStore, session_id: str, phone_index: bytes) -> None:
        self.session: Session | None = None
        self._store = store
        self._token = next(store.tokens)
        self._keys = (f"ussd:session:{session_id}", f"ussd:lease:{session_id}", _newest_key(phone_index))
        self._prior: Session | None = None
        self._committed = False

    async def __aenter__(self) -> Self:
        try:
            self._wire = await self._store.line.wire()
            await self._wait()
        except RedisAway as problem:
            raise StoreAway(str(problem)) from None
        return self

    async def _wait(self) -> None:
        """Take the lease, after whoever holds it."""
        while True:
            took, *found = await self._wire.run(_CLAIM, self._keys, (self._token, self._store.lease_ms))
            if took:
                break
            await asyncio.sleep(WAIT_STEP_SECONDS)
        if found[0]:
            self.session = codec.readable(found[0])
        elif found[1]:
            self._prior = codec.readable(found[1])

    async def prior(self) -> Session | None:
        if self.session is None:
            return self._prior
        try:
            packed = await self._wire.run(_READ_NEWEST, self._keys[2:], ())
        except RedisAway as problem:
            raise StoreAway(str(problem)) from None
        return codec.readable(packed)

    async def commit(self, session: Session) -> None:
        keys = (*self._keys[:2], _newest_key(session.phone_index))
        try:
            kept = await self._wire.run(_COMMIT, keys, (self._token, codec.encode(session), self._store.ttl_ms))
        except RedisAway as problem:
            raise StoreAway(str(problem)) from None
        if not kept:
            raise LeaseLost()
        self._committed = True

    async def __aexit__(self, *_: object) -> None:
        """Let the next turn go on at once. If even that fails, it goes on when the lease has run out."""
        if self._committed:
            return
        try:
            await self._wire.run(_RELEASE, self._keys[1:2], (self._token,))
        except RedisAway as problem:
            log.warning("ussd_lease_left", problem=str(problem))


def _newest_key(phone_index: bytes) -> str:
    return f"ussd:newest:{phone_index.hex()}"
