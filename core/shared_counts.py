"""What rate limits count in Redis, for all processes together: one script an act, by Redis's own clock."""

from time import monotonic

from limits import RateLimitItem

from core.logs import logger
from core.redis_line import RedisAway, RedisLine, Script

_ALONE_SECONDS = 5.0  # a Redis that was away is not waited for by each who comes

# Two windows of one key: this one, and the one before by the share of it that is not over for a whole length yet.
# KEYS: the key's counters. ARGV: how many in a window, its milliseconds. Answers 0, or how many to wait.
_COUNT = Script("""
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local most, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local number, left = math.floor(now / window), window - now % window
local this = tonumber(redis.call('HGET', KEYS[1], number) or 0)
local last = tonumber(redis.call('HGET', KEYS[1], number - 1) or 0)
if this + 1 > most then return math.max(1, left) end
if this + 1 + last * left / window > most then
  return math.max(1, math.ceil(left - (most - this - 1) * window / last))
end
redis.call('HINCRBY', KEYS[1], number, 1)
redis.call('HDEL', KEYS[1], number - 2)
redis.call('PEXPIRE', KEYS[1], 2 * window)
return 0
""")

log = logger(__name__)


class SharedCounts:
    """The counters of all processes."""

    def __init__(self, url: str) -> None:
        self._line = RedisLine(url)
        self._away_until = 0.0

    async def count(self, rate: RateLimitItem, limit: str, key: str) -> float | None:
        """Count one act, or say in how many seconds there is room for it; None while Redis is away."""
        if monotonic() < self._away_until:
            return None
        try:
            wire = await self._line.wire()
            wait_ms = await wire.run(_COUNT, (f"limit:{limit}:{key}",), (rate.amount, rate.get_expiry() * 1000))
        except RedisAway as problem:
            log.warning("limits_alone", problem=str(problem))
            self._away_until = monotonic() + _ALONE_SECONDS
            return None
        return float(wait_ms / 1000)

    async def close(self) -> None:
        """Hang up."""
        await self._line.close()
