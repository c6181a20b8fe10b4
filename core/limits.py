"""Rate limits (D20): how often an account, a phone or an address may do one kind of thing.

Counted in Redis when REDIS_URL is set, so that all web processes share the counters, else in this process.
A limit protects; it decides nothing. When Redis fails, each process counts alone rather than refuse everyone.
"""

import math
import time
from time import monotonic
from typing import Literal
from weakref import WeakKeyDictionary

from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from core.database import Database
from core.errors import TooManyRequests
from core.logs import logger
from core.settings import Settings

Limit = Literal["general", "auth", "payments", "orders", "address"]

_ANSWER_SECONDS = 0.5  # a caller's whole turn has 2.5
_ALONE_SECONDS = 5.0

log = logger(__name__)

_of_database: "WeakKeyDictionary[Database, Limits]" = WeakKeyDictionary()


class Limits:
    """The counters of one process, or of all that share a Redis."""

    def __init__(self, settings: Settings) -> None:
        self._rates = {
            "general": parse(settings.rate_general),
            "auth": parse(settings.rate_auth),
            "payments": parse(settings.rate_payments),
            "orders": parse(settings.rate_orders),
            "address": parse(settings.rate_address),
        }
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _shared(settings.redis_url) if settings.redis_url else self._alone
        self._alone_until = 0.0  # a Redis that was away is not waited for by each who comes

    async def spend(self, limit: Limit, key: str) -> None:
        """Count one act of `key` (an id or a keyed hash, never a phone or an address) against `limit`.

        Raises TooManyRequests, with `retry_after_seconds`, when it is used up.
        """
        if monotonic() >= self._alone_until:
            try:
                return await self._spend(self._shared, limit, key)
            except StorageError as problem:
                log.warning("limits_alone", problem=type(problem.storage_error).__name__)
                self._alone_until = monotonic() + _ALONE_SECONDS
        return await self._spend(self._alone, limit, key)

    async def _spend(self, limiter: SlidingWindowCounterRateLimiter, limit: Limit, key: str) -> None:
        rate = self._rates[limit]
        if not await limiter.hit(rate, limit, key):
            window = await limiter.get_window_stats(rate, limit, key)
            raise TooManyRequests(retry_after_seconds=max(1, math.ceil(window.reset_time - time.time())))


def limits_of(database: Database) -> Limits:
    """The counters that everything in this process shares, for use cases that hold only a database."""
    found = _of_database.get(database)
    if found is None:
        found = _of_database[database] = Limits(database.settings)
    return found


def _shared(redis_url: str) -> SlidingWindowCounterRateLimiter:
    # The short time-outs keep a hanging Redis from holding up every request.
    storage = RedisStorage(
        f"async+{redis_url}",
        implementation="redispy",
        wrap_exceptions=True,
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
    )
    return SlidingWindowCounterRateLimiter(storage)
