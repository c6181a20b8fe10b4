"""Sessions in Redis while it answers, and in PostgreSQL while it does not (docs/decisions/0016).

The rule: a turn that Redis cannot begin or end is begun or ended in PostgreSQL. From then on, for as long as a session
may be kept there, a turn holds its session in both places and goes on from the newer copy; it is kept in Redis again,
unless that is away once more. So a session moves with its caller, and a stale copy is never gone on from.

Two turns of one session meet when one holds it in Redis, which dies, and the other begins in PostgreSQL, where nothing
is known of it. There the first to commit wins, and the other's caller is told to dial again. What both may have done is
done once all the same: an effect by its run and step (`core.effects`), an order by its cart, whose next dial offers it.
While only one of them is cut off from Redis, neither sees the other, and this last sentence is all that holds.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Protocol

from core import logs
from menus_ussd.session import Session
from menus_ussd.stores import Claim, LeaseLost, SessionStore, StoreAway

RETRY_SECONDS = 1.0

log = logs.logger(__name__)


class SecondStore(SessionStore, Protocol):
    """A store that tells whether it is needed."""

    async def holds_any(self) -> bool:
        """Whether any caller may come back to a session in here."""


class FallbackSessionStore:
    """`first` while it answers, else `second`."""

    def __init__(self, first: SessionStore, second: SecondStore, *, ttl_seconds: float) -> None:
        self._first = first
        self._second = second
        self._ttl_seconds = ttl_seconds
        self._rests_until = 0.0  # nobody asks the first store before
        self._both_until: float | None = None  # the second store may hold sessions for so long; None: not asked yet

    @asynccontextmanager
    async def claim(self, session_id: str, phone_index: bytes = b"") -> AsyncIterator["FallbackClaim"]:
        async with AsyncExitStack() as held:
            in_first = await self._in_first(held, session_id, phone_index)
            in_second = self._second.claim(session_id, phone_index)
            claim = FallbackClaim(self, held, in_first, in_second)
            if in_first is None or await self._look_in_both():
                await claim.hold_second()
            yield claim

    async def _in_first(self, held: AsyncExitStack, session_id: str, phone_index: bytes) -> Claim | None:
        """A claim on the first store; None when it is away. Of those that come while it rests, one asks again."""
        now, resting = monotonic(), self._rests_until
        if now < resting:
            return None
        if resting:
            self._rests_until = now + RETRY_SECONDS
        try:
            claim = await held.enter_async_context(self._first.claim(session_id, phone_index))
        except StoreAway as problem:
            self.rest(problem)
            return None
        if resting:
            self._rests_until = 0.0
            log.info("ussd_sessions_back")
        return claim

    async def _look_in_both(self) -> bool:
        if self._both_until is None:  # this process may have begun after others had to go to the second store
            self._both_until = monotonic() + self._ttl_seconds if await self._second.holds_any() else 0.0
        return monotonic() < self._both_until

    def rest(self, problem: StoreAway) -> None:
        """The first store is away: sessions go to the second one for a moment, and may stay there for long."""
        if monotonic() >= self._rests_until:  # not for each of those that were under way
            log.warning("ussd_sessions_fell_back", problem=str(problem))
        self._rests_until = monotonic() + RETRY_SECONDS
        self._both_until = monotonic() + self._ttl_seconds

    async def close(self) -> None:
        await self._first.close()
        await self._second.close()


class FallbackClaim:
    """A session held in the first store, in the second, or in both."""

    def __init__(
        self,
        store: FallbackSessionStore,
        held: AsyncExitStack,
        in_first: Claim | None,
        in_second: AbstractAsyncContextManager[Claim],
    ) -> None:
        self.session: Session | None = in_first.session if in_first else None
        self._store = store
        self._held = held
        self._first = in_first
        self._claims_second = in_second
        self._second: Claim | None = None
        self._age = _age(self.session)  # as it was found: a turn changes it before it is kept

    async def hold_second(self) -> Claim:
        """Hold the session in the second store, too; the newer copy counts."""
        if self._second is None:
            self._second = await self._held.enter_async_context(self._claims_second)
            self.session = _newer(self.session, self._second.session)
            self._age = _age(self.session)
        return self._second

    async def prior(self) -> Session | None:
        first = second = None
        if self._first is not None:
            try:
                first = await self._first.prior()
            except StoreAway as problem:
                self._store.rest(problem)
                second = await (await self.hold_second()).prior()
        if self._second is not None:
            second = await self._second.prior()
        return _newer(first, second)

    async def commit(self, session: Session) -> None:
        """In the first store, or else in the second, unless another process went on without us there."""
        if self._first is not None:
            try:
                return await self._first.commit(session)
            except StoreAway as problem:
                self._store.rest(problem)
        found = self._age
        second = await self.hold_second()
        if self._age > found:
            raise LeaseLost()
        await second.commit(session)
        return None


def _newer(one: Session | None, other: Session | None) -> Session | None:
    return max(one, other, key=_age)


def _age(session: Session | None) -> tuple[int, int]:
    """Grows with each turn."""
    return (session.answered_ms, len(session.receipts)) if session else (-1, 0)
