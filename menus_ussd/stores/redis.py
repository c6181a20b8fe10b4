"""Sessions in Redis, for several web processes: two scripts a turn, claim and commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from redis.asyncio import Redis

from menus_ussd import session as codec
from menus_ussd.session import Session

# KEYS: session, lease. ARGV: our token, lease milliseconds. Answers {1, session or false} or {0}.
_CLAIM = """
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {1, redis.call('GET', KEYS[1])}
end
return {0}
"""

# KEYS: session, lease, newest of the phone. ARGV: our token, session, seconds to keep it, its key.
# A lease that was lost to a time-out writes nothing: somebody else's turn counts.
_COMMIT = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

# Longer than any turn may take (settings.ussd_hard_deadline_seconds), shorter than a caller's patience.
LEASE_MS = 9_000
WAIT_STEP_SECONDS = 0.015


class LeaseLost(Exception):
    """The turn took longer than its lease; another one may have answered."""


class RedisSessionStore:
    """The same behaviour as in process, shared by all web processes."""

    def __init__(self, url: str, *, ttl_seconds: float) -> None:
        self._redis = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._ttl_seconds = int(ttl_seconds)
        self._claim = self._redis.register_script(_CLAIM)
        self._commit = self._redis.register_script(_COMMIT)
        self._release = self._redis.register_script(_RELEASE)

    @asynccontextmanager
    async def claim(self, session_id: str) -> AsyncIterator["RedisClaim"]:
        token = uuid4().hex
        held = RedisClaim(self, token, await self._wait(session_id, token))
        try:
            yield held
        finally:
            if not held.committed:
                await self._release(keys=[f"ussd:lease:{session_id}"], args=[token])

    async def _wait(self, session_id: str, token: str) -> Session | None:
        """Take the lease, waiting for whoever holds it; returns the session as it then stands."""
        while True:
            answer = await self._claim(
                keys=[f"ussd:session:{session_id}", f"ussd:lease:{session_id}"], args=[token, LEASE_MS]
            )
            if answer[0]:
                return codec.decode(answer[1]) if answer[1] else None
            await asyncio.sleep(WAIT_STEP_SECONDS)

    async def newest(self, phone_index: bytes) -> Session | None:
        key = await self._redis.get(f"ussd:newest:{phone_index.hex()}")
        packed = await self._redis.get(key) if key else None
        return codec.decode(packed) if isinstance(packed, bytes) else None

    async def write(self, session: Session, token: str) -> None:
        key = f"ussd:session:{session.id}"
        written = await self._commit(
            keys=[key, f"ussd:lease:{session.id}", f"ussd:newest:{session.phone_index.hex()}"],
            args=[token, codec.encode(session), self._ttl_seconds, key],
        )
        if not written:
            raise LeaseLost()

    async def close(self) -> None:
        await self._redis.aclose()


class RedisClaim:
    """A held session of a RedisSessionStore."""

    def __init__(self, store: RedisSessionStore, token: str, session: Session | None) -> None:
        self._store = store
        self._token = token
        self.session = session
        self.committed = False

    async def prior(self, phone_index: bytes) -> Session | None:
        return await self._store.newest(phone_index)

    async def commit(self, session: Session) -> None:
        await self._store.write(session, self._token)
        self.committed = True
