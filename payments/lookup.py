"""What became of an attempt, asked of its provider at the pace that one allows.

By the provider's reference where we have it; else by our id where that can be looked up; else by a reference that
a callback named or the provider's history lists, believed only when its record shows the same payment.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from core.clock import business_day
from core.database import Database
from core.logs import logger
from payments.attempts import Case
from payments.pace import Pace
from payments.providers.protocol import Absence, Provider, Record
from payments.states import Kind, State
from payments.tables import provider_event

# References that callbacks named for one attempt; more than a few can only be a game.
_CANDIDATES = 5
# What a sweep takes on is read within this time.
_SWEEP_SECONDS = 1.0

log = logger(__name__)


class Lookup:
    """Reads of one worker, each provider's at its own pace."""

    def __init__(self, database: Database, providers: Sequence[Provider]) -> None:
        self._database = database
        self._paces = {each.capabilities.name: Pace(each.capabilities.reads_per_second) for each in providers}

    def room(self) -> dict[str, int]:
        """How many reads may begin now, for the providers that limit them."""
        room = {name: pace.room(_SWEEP_SECONDS) for name, pace in self._paces.items()}
        return {name: left for name, left in room.items() if left is not None}

    async def find(self, provider: Provider, case: Case) -> Record | Absence | None:
        """The movement behind the attempt, proof that there is none, or None when neither could be learned."""
        if case.attempt.provider_ref is not None:
            return await self._ours(provider, case, case.attempt.provider_ref)
        if provider.capabilities.lookup_by_our_id:
            await self._turn(provider)
            found = await provider.lookup(case.attempt.id, case.spoken)
            return found if not isinstance(found, Record) or _is_ours(case, found) else None
        return await self._recovered(provider, case)

    async def floats(self, provider: Provider) -> dict[str, int] | None:
        await self._turn(provider)
        return await provider.floats()

    async def holder(self, provider: Provider, phone: str) -> str | None:
        if not provider.capabilities.tells_holder:
            return None
        await self._turn(provider)
        return await provider.holder(phone)

    async def _turn(self, provider: Provider) -> None:
        await self._paces[provider.capabilities.name].turn()

    async def _read(self, provider: Provider, case: Case, ref: str) -> Record | None:
        await self._turn(provider)
        return await provider.read(ref, case.spoken)

    async def _ours(self, provider: Provider, case: Case, ref: str) -> Record | None:
        record = await self._read(provider, case, ref)
        if record is None or _is_ours(case, record):
            return record
        log.error("payments.contradiction", attempt=str(case.attempt.id))
        return None

    async def _recovered(self, provider: Provider, case: Case) -> Record | None:
        """Find a lost reference: callbacks have named it, or the provider's history does. Proved by a read."""
        for find in (self._rung, self._listed):
            for ref in await find(provider, case):
                record = await self._read(provider, case, ref)
                if record is not None and _proves(case, record):
                    return record
        return None

    async def _rung(self, _: Provider, case: Case) -> list[str]:
        """References that verified callbacks gave for this attempt, the newest first."""
        named = provider_event.c.attempt_id == case.attempt.id, provider_event.c.provider_ref.is_not(None)
        events = select(provider_event.c.provider_ref).where(*named).order_by(provider_event.c.received_at.desc())
        async with self._database.reading() as tx:
            return [row.provider_ref for row in await tx.all(events.limit(_CANDIDATES))]

    async def _listed(self, provider: Provider, case: Case) -> list[str]:
        """References under which the provider's history carries our id."""
        sent_at, now = case.attempt.sent_at, self._database.clock.now()
        if sent_at is None or case.attempt.state is State.SENT:
            return []
        await self._turn(provider)
        return await provider.locate(case.attempt.id, since=_day(sent_at, -1), until=_day(now, 1))


def _is_ours(case: Case, record: Record) -> bool:
    """Whether the record behind our own reference speaks of this attempt; what it leaves out cannot contradict."""
    collects = case.payment.kind is Kind.COLLECT
    return record.our_id in (None, str(case.attempt.id)) and record.collects in (None, collects)


def _proves(case: Case, record: Record) -> bool:
    """Whether a record found by another's word is this attempt's: everything must be there and the same."""
    owed = case.payment
    ours = record.our_id == str(case.attempt.id) and record.collects is (owed.kind is Kind.COLLECT)
    return ours and (record.amount, record.currency, record.phone) == (Decimal(owed.amount_xaf), "XAF", owed.phone)


def _day(instant: datetime, shift: int) -> date:
    """The business day, a day wider: nobody documents the zone that a provider's history counts in."""
    return business_day(instant) + timedelta(days=shift)
