"""Sessions in Redis while it answers, and in PostgreSQL while it does not (docs/decisions/0022).

The rule: a turn that Redis cannot begin or end is begun or ended in PostgreSQL. From then on, for as long as a session
may be kept there, a turn holds its session in both places and goes on from the newer copy; it is kept in Redis again,
unless that is away once more. So a session moves with its caller, and a stale copy is never gone on from.

Two turns of one session meet when one holds it in Redis, which dies, and the other begins in PostgreSQL, where nothing
is known of it. There the first to commit wins, and the other's caller is told to dial again. What both may have done is
done once all the same: an effect by its run and step (`core.effects`), an order by its cart, whose next dial offers it.
While only one of them is cut off from Redis, neither sees the other, and this last sentence is all that holds.
"""

from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Any, Protocol, Self

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

    def claim(self, session_id: str, phone_index: bytes = b"") -> "FallbackClaim":
        first, second = self._first.claim(session_id, phone_index), self._second.claim(session_id, phone_index)
        return FallbackClaim(self, first, second)

    async def hold_first(self, claim: AbstractAsyncContextManager[Claim]) -> Claim | None:
        """A claim on the first store; None when it is away. Of those that come while it rests, one asks again."""
        now, resting = monotonic(), self._rests_until
        if now < resting:
            return None
        if resting:
            self._rests_until = now + RETRY_SECONDS
        try:
            held = await claim.__aenter__()
        except StoreAway as problem:
            self.rest(problem)
            return None
        if resting:
            self._rests_until = 0.0
            log.info("ussd_sessions_back")
        return held

    async def looks_in_both(self) -> bool:
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

    session: Session | None

    def __init__(
        self,
        store: FallbackSessionStore,
        first: AbstractAsyncContextManager[Claim],
        second: AbstractAsyncContextManager[Claim],
    ) -> None:
        self._store = store
        self._claims = first, second
        self._first: Claim | None = None
        self._second: Claim | None = None
        # Of what this turn goes on from, and of the second store's copy, as found: a turn changes what it got.
        self._age = self._age_in_second = _age(None)

    async def __aenter__(self) -> Self:
        self._first = await self._store.hold_first(self._claims[0])
        try:
            self.session = self._first.session if self._first else None
            if self._first is None or await self._store.looks_in_both():
                self.session = _newer(self.session, (await self._hold_second()).session)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._age = _age(self.session)
        return self

    async def _hold_second(self) -> Claim:
        """Hold the session in the second store, too."""
        if self._second is None:
            self._second = await self._claims[1].__aenter__()
            self._age_in_second = _age(self._second.session)
        return self._second

    async def __aexit__(self, *raised: Any) -> None:
        try:
            if self._second is not None:
                await self._claims[1].__aexit__(*raised)
        finally:
            if self._first is not None:
                await self._claims[0].__aexit__(*raised)

    async def prior(self) -> Session | None:
        first = second = None
        if self._first is not None:
            try:
                first = await self._first.prior()
            except StoreAway as problem:
                self._store.rest(problem)
                await self._hold_second()
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
        second = await self._hold_second()
        if self._age_in_second > self._age:
            raise LeaseLost()
        return await second.commit(session)


def _newer(one: Session | None, other: Session | None) -> Session | None:
    return max(one, other, key=_age)


def _age(session: Session | None) -> tuple[int, int]:
    """Grows with each turn."""
    return (session.answered_ms, len(session.receipts)) if session else (-1, 0)
