"""The engine: one function, `advance`, that job, poller and callback share.

It asks the database what is next for an attempt and writes the claim, talks to the provider outside any
transaction, and writes what was learned. A process may die between any two of these: the claim's own
`next_check_at` brings somebody back, and what was SENT is never sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select

from core.clock import business_day
from core.database import Database, Tx
from core.logs import logger
from ledger.errors import LedgerBusy
from payments import attempts, pacing, schedule
from payments.attempts import Case
from payments.outcomes import Outcomes
from payments.providers.protocol import Answer, Proof, Provider, Record, Request
from payments.settlement import Settlement
from payments.states import Failure, Kind, PaymentState, State
from payments.tables import attempt, provider_event

# Beyond the time budget of a request: the lease must outlive the process's own cleaning up.
_LEASE_MARGIN_SECONDS = 10
# An adapter keeps the budget itself, since only it knows whether the request had begun; this is for one that does not.
_GRACE_SECONDS = 5
# References that callbacks named for one attempt; more than a few can only be a game.
_CANDIDATES = 5
# Tries to write what was learned: asking the provider again would cost more than a second transaction.
_WRITES = 3

_Step: TypeAlias = Callable[[Case], Awaitable[None]]

log = logger(__name__)


class Engine:
    """Drives attempts to their end. Any number of them may run, in any number of processes."""

    def __init__(
        self, database: Database, providers: Sequence[Provider], outcomes: Outcomes, *, concurrency: int = 16
    ) -> None:
        settings = database.settings
        self._database = database
        self._providers = {provider.capabilities.name: provider for provider in providers}
        self._settlement = Settlement(outcomes)
        self._budget_seconds = settings.provider_connect_seconds + settings.provider_read_seconds
        self._lease = timedelta(seconds=self._budget_seconds + _LEASE_MARGIN_SECONDS)
        self._places = asyncio.Semaphore(concurrency)

    async def advance(self, attempt_id: UUID | str) -> None:
        """Send or read one attempt, if that is due. Safe at any time, from anywhere, as often as one likes."""
        async with self._database.transaction() as tx:
            case = await attempts.lock(tx, UUID(str(attempt_id)))
            if case is None or not case.attempt.due(tx.now):
                return
            step = await self._claim(tx, case)
        if step is not None:
            await step(case)

    async def sweep(self, limit: int = 100) -> int:
        """Advance what is due, a lost job's attempts included; how many."""
        due = select(attempt.c.id).where(attempt.c.next_check_at <= self._database.clock.now())
        oldest = due.order_by(attempt.c.next_check_at).limit(limit).with_for_update(skip_locked=True)
        async with self._database.transaction() as tx:
            ids = [row.id for row in await tx.all(oldest)]
        await asyncio.gather(*(self._advance_one(attempt_id) for attempt_id in ids))
        return len(ids)

    async def _advance_one(self, attempt_id: UUID) -> None:
        """One of many: its trouble must not stop the others. It comes round again."""
        async with self._places:
            try:
                await self.advance(attempt_id)
            except Exception:
                log.exception("payments.advance", attempt=str(attempt_id))

    # -- claiming: what is next, written down before it is done

    async def _claim(self, tx: Tx, case: Case) -> _Step | None:
        tried = case.attempt
        if tried.state is State.PREPARED:
            return await self._claim_unsent(tx, case)
        if tried.state is State.SENT:
            return await self._claim_sent(tx, case)
        again = schedule.next_read(tried.reads + 1, tx.now)
        if tried.deadline is not None and tried.deadline > tx.now:
            again = min(again, tried.deadline)
        await attempts.note(tx, case, reads=tried.reads + 1, next_check_at=again)
        return self._look

    async def _claim_unsent(self, tx: Tx, case: Case) -> _Step | None:
        if case.payment.state is not PaymentState.OPEN:
            await attempts.move(tx, case, State.DEAD, evidence="SUPERSEDED", next_check_at=None)
            return None
        if case.attempt.deadline is not None and case.attempt.deadline <= tx.now:
            await self._settlement.failed(tx, case, State.DEAD, Failure.TECHNICAL, "NOT_SENT LATE")
            return None
        if await _held(tx, case):
            return None
        if case.payment.kind is not Kind.COLLECT:
            await attempts.note(tx, case, next_check_at=tx.now + self._lease)
            return self._vet
        await self._mark_sent(tx, case)
        return self._send

    async def _claim_sent(self, tx: Tx, case: Case) -> _Step | None:
        assert case.attempt.sent_at is not None
        lease_ends = case.attempt.sent_at + self._lease
        if tx.now >= lease_ends:
            await self._settlement.lost(tx, case, "UNKNOWN LEASE")
            return None
        await attempts.note(tx, case, next_check_at=lease_ends)  # a callback rang before the answer was written
        return self._look

    async def _mark_sent(self, tx: Tx, case: Case, holder: bytes | None = None) -> None:
        lease = {"sent_at": tx.now, "next_check_at": tx.now + self._lease}
        await attempts.move(tx, case, State.SENT, **lease, holder=holder)

    # -- doing: the network, then one transaction with what was learned

    async def _vet(self, case: Case) -> None:
        """Before a payout: is there float at its carrier, and in whose name is the account?"""
        provider, owed = self._providers[case.attempt.provider], case.payment
        floats, holder = await asyncio.gather(provider.floats(), provider.holder(owed.phone))
        needed = owed.amount_xaf + provider.fee_xaf(owed.kind, owed.carrier, owed.amount_xaf)
        async with self._database.transaction() as tx:
            locked = await attempts.lock(tx, case.attempt.id)
            if locked is None or locked.attempt.state is not State.PREPARED:
                return
            if floats is not None and floats.get(owed.carrier, 0) < needed:
                await self._wait_for_float(tx, locked)
                return
            if await _held(tx, locked):  # by one that was vetted at the same time
                return
            await self._mark_sent(tx, locked, tx.keys.encrypt(holder) if holder else None)
        await self._send(case)

    async def _wait_for_float(self, tx: Tx, case: Case) -> None:
        log.warning("payments.low_float", provider=case.attempt.provider, carrier=case.payment.carrier)
        if tx.now - case.attempt.created_at >= schedule.FLOAT_PATIENCE:
            await self._settlement.failed(tx, case, State.DEAD, Failure.LOW_FLOAT, "NOT_SENT LOW_FLOAT")
        else:
            await attempts.note(tx, case, evidence="LOW_FLOAT", next_check_at=tx.now + schedule.FLOAT_PAUSE)

    async def _send(self, case: Case) -> None:
        """The one request of this attempt's life."""
        owed = case.payment
        request = Request(case.attempt.id, owed.kind, owed.amount_xaf, owed.phone, owed.carrier, owed.purpose)
        try:
            async with asyncio.timeout(self._budget_seconds + _GRACE_SECONDS):
                answer = await self._providers[case.attempt.provider].send(request)
        except TimeoutError:
            answer = Answer(Proof.UNKNOWN, "BUDGET")
        await self._write(case, partial(self._settlement.answered, answer=answer))

    async def _look(self, case: Case) -> None:
        """Read the attempt at its provider, by its reference or by what may be its reference."""
        provider = self._providers[case.attempt.provider]
        record = await self._read(provider, case) if case.attempt.provider_ref else await self._recover(provider, case)
        if record is not None:
            await self._write(case, partial(self._settlement.read, record=record, provider=provider))
        else:
            await self._write(case, self._settlement.undecided)

    async def _write(self, case: Case, learn: Callable[[Tx, Case], Awaitable[None]]) -> None:
        """Write what was learned. A house that posts twice in one transaction may deadlock: then once more."""
        for left in reversed(range(_WRITES)):
            try:
                async with self._database.transaction() as tx:
                    locked = await attempts.lock(tx, case.attempt.id)
                    assert locked is not None
                    await learn(tx, locked)
                return
            except LedgerBusy:
                if not left:
                    raise

    async def _read(self, provider: Provider, case: Case) -> Record | None:
        ref = case.attempt.provider_ref
        record = await provider.read(ref, case.payment.kind) if ref else None
        if record is None or _is_ours(case, record):
            return record
        log.error("payments.contradiction", attempt=str(case.attempt.id))
        return None

    async def _recover(self, provider: Provider, case: Case) -> Record | None:
        """Find a lost reference: callbacks have named it, or the provider's history does. Proved by a read."""
        for find in (self._rung, self._listed):
            for ref in await find(provider, case):
                record = await provider.read(ref, case.payment.kind)
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
        return await provider.locate(case.attempt.id, since=_day(sent_at, -1), until=_day(now, 1))


async def _held(tx: Tx, case: Case) -> bool:
    """Whether something else goes first; the attempt then comes round again."""
    until = await pacing.held_until(tx, case)
    if until is not None:
        await attempts.note(tx, case, next_check_at=until)
    return until is not None


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
