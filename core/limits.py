"""Rate limits (D20): how often an account, a phone or an address may do one kind of thing.

Counted in Redis when REDIS_URL is set, so that all web processes share the counters, else in this process.
A limit protects; it decides nothing. When Redis fails, each process counts alone rather than refuse everyone.
"""

import math
import time
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from core.database import Database
from core.errors import TooManyRequests
from core.settings import Settings

if TYPE_CHECKING:
    from core.shared_counts import SharedCounts

Limit = Literal["general", "auth", "payments", "orders", "dials", "address"]

_of_database: "WeakKeyDictionary[Database, Limits]" = WeakKeyDictionary()


class Limits:
    """The counters of one process, or of all that share a Redis."""

    def __init__(self, settings: Settings) -> None:
        self._rates = {
            "general": parse(settings.rate_general),
            "auth": parse(settings.rate_auth),
            "payments": parse(settings.rate_payments),
            "orders": parse(settings.rate_orders),
            "dials": parse(settings.rate_dials),
            "address": parse(settings.rate_address),
        }
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _shared(settings.redis_url) if settings.redis_url else None

    async def spend(self, limit: Limit, key: str) -> None:
        """Count one act of `key` (an id or a keyed hash, never a phone or an address) against `limit`.

        Raises TooManyRequests, with `retry_after_seconds`, when it is used up.
        """
        rate = self._rates[limit]
        wait_seconds = await self._shared.count(rate, limit, key) if self._shared else None
        if wait_seconds is None:
            wait_seconds = await self._count_alone(rate, limit, key)
        if wait_seconds > 0:
            raise TooManyRequests(retry_after_seconds=math.ceil(wait_seconds))

    async def _count_alone(self, rate: RateLimitItem, limit: Limit, key: str) -> float:
        if await self._alone.hit(rate, limit, key):
            return 0
        window = await self._alone.get_window_stats(rate, limit, key)
        return max(1, window.reset_time - time.time())

    async def close(self) -> None:
        """Hang up."""
        if self._shared:
            await self._shared.close()


def limits_of(database: Database) -> Limits:
    """The counters that everything in this process shares, for use cases that hold only a database."""
    found = _of_database.get(database)
    if found is None:
        found = _of_database[database] = Limits(database.settings)
    return found


def _shared(redis_url: str) -> "SharedCounts":
    # Imported late: it takes a while to load, and most installations begin without Redis.
    from core.shared_counts import SharedCounts

    return SharedCounts(redis_url)
