"""Time in a simulation: hurried while people order, and skipped from one thing that is due to the next afterwards."""

import asyncio
import time
from datetime import timedelta

import msgspec
from sqlalchemy import text

from core.clock import SharedClock
from core.database import Database
from gateway.simulation.networks import Networks
from payments import holders

_TICK_SECONDS = 0.1
_HURRY = 5  # simulated seconds to one, while requests are under way by the hundred
_LEAST_SKIP_SECONDS = 20.0
_MOST_SKIP_SECONDS = 3600.0  # where money only looks again whether its rail is back, for up to a day
_FURTHER = 1.1  # than what is due: what is due nearly at the same time is done in one go
_ENDLESS = timedelta(days=60)  # the longest schedule of reads lasts nine days, and a late callback begins it anew
_ANSWER_SECONDS = 3.0  # as long as a request may be under way, its lease is not skipped

_IDLE = "state = 'PREPARED' AND kind <> 'collect'"
_DUE = text(f"""
    SELECT extract(epoch FROM min(next_check_at) FILTER (WHERE {_IDLE})) AS idle,
           extract(epoch FROM min(next_check_at) FILTER (WHERE NOT ({_IDLE}))) AS busy
    FROM attempt WHERE next_check_at IS NOT NULL AND evidence IS DISTINCT FROM :people
""")  # noqa: S608 - our own text
_WAITING = text("""
    SELECT id, kind, provider, state, next_check_at AS at FROM attempt
    WHERE next_check_at IS NOT NULL ORDER BY next_check_at LIMIT 20
""")
_SENT = text("SELECT count(*) FROM attempt WHERE state = 'SENT'")


class _Due(msgspec.Struct, frozen=True):
    """When something happens next, in seconds since 1970; `idle`: no more than another look at money that waits."""

    at: float
    idle: bool


class Passing:
    """Moves the clock that all processes share."""

    def __init__(self, clock: SharedClock, database: Database, networks: Networks) -> None:
        self._clock = clock
        self._database = database
        self._networks = networks
        self._skip_seconds = _LEAST_SKIP_SECONDS

    async def hurry(self) -> None:
        """Let time run faster until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._clock.advance(_TICK_SECONDS * (_HURRY - 1))

    async def until_quiet(self, seconds: float) -> list[str]:
        """Skip from one thing to the next until nothing is due any more; else what still is.

        It gives up when nothing could be skipped for `seconds` of real time, and when every schedule should long have
        ended: how fast the machine is has no part in it.
        """
        begun, skipped = self._clock.now(), time.monotonic()
        while (due := await self._due()) is not None:
            if time.monotonic() > skipped + seconds or self._clock.now() > begun + _ENDLESS:
                return await self._waiting()
            if await self._reach(due):
                skipped = time.monotonic()
        return []

    async def is_quiet(self) -> bool:
        """Whether nothing is due any more."""
        return await self._due() is None

    async def _due(self) -> _Due | None:
        """What the product or the networks do next. Money that waits for people is at rest until they decide."""
        async with self._database.reading() as tx:
            ours = await tx.one(_DUE, {"people": holders.CHANGED})
        told = ((ours.idle, True), (ours.busy, False), (await self._networks.next_at(), False))
        found = [_Due(float(at), idle) for at, idle in told if at is not None]
        return min(found, key=lambda due: due.at, default=None)

    async def _waiting(self) -> list[str]:
        now = self._clock.now()
        async with self._database.reading() as tx:
            rows = await tx.all(_WAITING)
        ours = [
            f"attempt {row.id} ({row.kind}, {row.provider}) is {row.state}, due {row.at:%d %H:%M:%S}" for row in rows
        ]
        return [f"it is {now}, and not everything has come to rest", *ours]

    async def _reach(self, due: _Due) -> bool:
        """Wait for what is being done; where nothing is, skip to `due`, and in growing strides while all are idle.

        Whether time was skipped.
        """
        ahead = due.at - self._clock.now().timestamp()
        if ahead > 0:
            await self._answers()
            further = min(self._skip_seconds * 2, _MOST_SKIP_SECONDS)
            self._skip_seconds = further if due.idle else _LEAST_SKIP_SECONDS
            self._clock.advance(max(ahead * _FURTHER, self._skip_seconds))
        await asyncio.sleep(_TICK_SECONDS)
        return ahead > 0

    async def _answers(self) -> None:
        """Give requests that are under way the time to be answered."""
        ends = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < ends:
            async with self._database.reading() as tx:
                if not await tx.value(_SENT):
                    return
            await asyncio.sleep(_TICK_SECONDS)
