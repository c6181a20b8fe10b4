"""The engine: one function, `advance`, that job, poller and callback share.

It asks the database what is next for an attempt and writes the claim, talks to the provider outside any
transaction, and writes what was learned. A process may die between any two of these: the claim's own
`next_check_at` brings somebody back, and what was SENT is never sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy.exc import DBAPIError

from core.database import Database, Tx
from core.drivers import waited_in_vain
from core.logs import logger
from ledger.errors import LedgerBusy
from payments import attempts, due, failover, floats, holders, pacing, pages, routing, schedule
from payments.accepting import Acceptances
from payments.attempts import Case
from payments.health import Health, Rail, Seen, answered, direction, ended
from payments.lookup import Lookup
from payments.outcomes import Outcomes
from payments.providers.protocol import Absence, Answer, Proof, Provider, Request
from payments.settlement import Settlement
from payments.states import LIVE, Failure, Kind, PaymentState, State

# Beyond the time budget of a request: the lease must outlive the process's own cleaning up.
_LEASE_MARGIN_SECONDS = 10
# An adapter keeps the budget itself, since only it knows whether the request had begun; this is for one that does not.
_GRACE_SECONDS = 5
# Tries to write what was learned: asking the provider again would cost more than a second transaction.
_WRITES = 3
# Open transactions per attempt that is being advanced: the rest of its time it waits for a provider.
_WRITERS_SHARE = 0.02
# A lane of a sweep goes on while there is more to do, but comes back to its caller now and then.
_ROUNDS = 20
# Attempts claimed in one transaction: enough to share its cost, few enough to lock them for milliseconds only.
_PAGE = 25

_Step: TypeAlias = Callable[[Case], Awaitable[None]]

log = logger(__name__)


class Engine:
    """Drives attempts to their end. Any number of them may run, in any number of processes."""

    def __init__(
        self, database: Database, providers: Sequence[Provider], outcomes: Outcomes, *, concurrency: int = 100
    ) -> None:
        """`concurrency`: how many attempts are advanced at once."""
        settings = database.settings
        self._database = database
        self._providers = {provider.capabilities.name: provider for provider in providers}
        self._settlement = Settlement(outcomes)
        self._health = Health(database, self._providers)
        self._lookup = Lookup(database, providers)
        self._budget_seconds = settings.provider_connect_seconds + settings.provider_read_seconds
        self._lease = timedelta(seconds=self._budget_seconds + _LEASE_MARGIN_SECONDS)
        self._concurrency = concurrency
        self._places = asyncio.Semaphore(concurrency)
        self._writers = asyncio.Semaphore(max(2, int(concurrency * _WRITERS_SHARE)))
        self._acceptances = Acceptances(self._transaction)
        self._busy: set[UUID] = set()  # what this worker's sweeps are just about

    async def advance(self, attempt_id: UUID | str) -> None:
        """Send or read one attempt, if that is due. Safe at any time, from anywhere, as often as one likes."""
        wanted = UUID(str(attempt_id))
        async with self._database.reading() as tx:
            if not await due.is_due(tx, wanted):
                return
        async with self._transaction() as tx:
            claimed = [(case, await self._claim(tx, case)) for case in await attempts.take(tx, [wanted])]
        for case, step in claimed:
            await step(case)

    async def sweep(self) -> int:
        """Advance what is due, a lost job's attempts included, and keep the providers' health; how many."""
        room = self._lookup.room()
        async with self._database.reading() as tx:
            ids = await due.at_slow(tx, room)
        at_slow = (self._advance_many(ids[at : at + _PAGE]) for at in range(0, len(ids), _PAGE))
        lanes = (self._lane(list(room)) for _ in range(0, self._concurrency, _PAGE))
        done = await asyncio.gather(*at_slow, *lanes)
        await self._health.write()
        await self._health.probe()
        return sum(done)

    async def _lane(self, slow: list[str]) -> int:
        """Advance page after page of what is due at any provider but the `slow` ones; how many."""
        done = 0
        for _ in range(_ROUNDS):
            async with self._database.reading() as tx:
                oldest = await due.oldest(tx, slow=slow, limit=self._concurrency + len(self._busy))
            page = [each for each in oldest if each not in self._busy][:_PAGE]  # the others are on other lanes
            done += await self._advance_many(page) if page else 0
            if len(page) < _PAGE:
                break
        return done

    async def _advance_many(self, ids: Sequence[UUID]) -> int:
        """Claim in one transaction what takes no more than a claim, and advance the others one by one; how many."""
        self._busy.update(ids)
        try:
            claimed, others = await self._claim_what_can_be(ids)
            steps = [self._safely(case.attempt.id, partial(step, case)) for case, step in claimed]
            singly = [self._safely(other, partial(self.advance, other)) for other in others]
            await asyncio.gather(*steps, *singly)
        finally:
            self._busy.difference_update(ids)
        return len(ids)

    async def _claim_what_can_be(self, ids: Sequence[UUID]) -> tuple[list[tuple[Case, _Step]], Iterable[UUID]]:
        """Those that were claimed with what follows, and those that are left for one by one."""
        try:
            return await self._claim_many(ids)
        except Exception:  # of one of them: together they would fail again and again
            log.exception("payments.claim")
            return [], ids

    async def _claim_many(self, ids: Sequence[UUID]) -> tuple[list[tuple[Case, _Step]], Iterable[UUID]]:
        """Those that were claimed with what follows, and those that need a transaction of their own."""
        async with self._transaction() as tx:
            cases = {case.attempt.id: case for case in await attempts.take(tx, ids)}
            plain = [case for case in cases.values() if _is_plain(tx, case)]
            claimed = await self._claim_together(tx, plain)
            alike = {case.attempt.id for case, _ in claimed}
            claimed += [(case, await self._claim(tx, case)) for case in plain if case.attempt.id not in alike]
        return claimed, cases.keys() - {case.attempt.id for case in plain}

    async def _claim_together(self, tx: Tx, plain: Sequence[Case]) -> list[tuple[Case, _Step]]:
        """The prompts, one for each phone and amount, and the reads."""
        known = [case for case in plain if case.attempt.provider in self._providers]
        prompts = {(case.payment.phone, case.payment.amount_xaf): case for case in known if _is_prompt(case)}
        reads = [case for case in known if case.attempt.state is not State.PREPARED]
        free = await self._claim_prompts(tx, list(prompts.values()))
        await pages.read(tx, reads)
        sends = [(case, self._send if case.attempt.id in free else _nothing) for case in prompts.values()]
        return [*sends, *((case, self._look) for case in reads)]

    async def _safely(self, attempt_id: UUID, do: Callable[[], Awaitable[None]]) -> None:
        """One of many: its trouble must not stop the others. It comes round again."""
        async with self._places:
            try:
                await do()
            except Exception:
                log.exception("payments.advance", attempt=str(attempt_id))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Tx]:
        """A transaction, when it is this one's turn: most of an attempt's life is spent waiting for a provider."""
        async with self._writers, self._database.transaction() as tx:
            yield tx

    # -- claiming: what is next, written down before it is done

    async def _claim(self, tx: Tx, case: Case) -> _Step:
        tried = case.attempt
        if tried.provider not in self._providers:
            log.error("payments.no_adapter", attempt=str(tried.id), provider=tried.provider)
            await attempts.note(tx, case, next_check_at=tx.now + schedule.MAINTENANCE_PAUSE)
            return _nothing
        if tried.state is State.PREPARED:
            return await self._claim_unsent(tx, case)
        if tried.state is State.SENT:
            return await self._claim_sent(tx, case)
        await pages.read(tx, [case])
        return self._look

    async def _claim_unsent(self, tx: Tx, case: Case) -> _Step:
        tried, owed = case.attempt, case.payment
        if owed.state is not PaymentState.OPEN:
            await attempts.move(tx, case, State.DEAD, evidence="SUPERSEDED", next_check_at=None)
            return _nothing
        if tried.deadline is not None and tried.deadline <= tx.now:
            await self._settlement.failed(tx, case, State.DEAD, Failure.TECHNICAL, "NOT_SENT LATE")
            return _nothing
        if owed.kind is Kind.COLLECT:
            return self._send if await self._claim_prompts(tx, [case]) else _nothing
        if await self._must_wait(tx, case) or await _held(tx, case):
            return _nothing
        await attempts.note(tx, case, next_check_at=tx.now + self._lease)
        return self._vet

    async def _claim_prompts(self, tx: Tx, cases: Sequence[Case]) -> set[UUID]:
        """Those of these, each of another phone or amount, that may go out now. The others come round again."""
        waits = {rail: await self._must_wait(tx, *group) for rail, group in _by_rail(cases).items()}
        on_rails = [case for case in cases if not waits[_rail(case)]]
        held = await pacing.prompts_held_until(tx, on_rails)
        for case in on_rails:
            if case.attempt.id in held:
                await attempts.note(tx, case, next_check_at=held[case.attempt.id])
        free = {case.attempt.id for case in on_rails} - held.keys()
        await pages.sent(tx, free, self._lease)
        return free

    async def _must_wait(self, tx: Tx, *cases: Case) -> bool:
        """Whether the rail of these cannot be used now; they then come round again."""
        rail, kind = _rail(cases[0]), cases[0].payment.kind
        waits = await routing.must_wait(tx, provider=rail.provider, carrier=rail.carrier, kind=kind)
        for case in cases if waits else ():
            await self._wait_for_rail(tx, case)
        return waits

    async def _wait_for_rail(self, tx: Tx, case: Case) -> None:
        """Its rail may come back; a payout waits no longer than for float, since nothing was sent."""
        if _out_of_patience(tx, case):
            await self._settlement.failed(tx, case, State.DEAD, Failure.TECHNICAL, failover.AWAY)
        else:
            await attempts.note(tx, case, next_check_at=tx.now + schedule.MAINTENANCE_PAUSE)

    async def _claim_sent(self, tx: Tx, case: Case) -> _Step:
        assert case.attempt.sent_at is not None
        lease_ends = case.attempt.sent_at + self._lease
        if tx.now >= lease_ends:
            await self._settlement.lost(tx, case, "UNKNOWN LEASE")
            return _nothing
        await attempts.note(tx, case, next_check_at=lease_ends)  # a callback rang before the answer was written
        return self._look

    # -- doing: the network, then one transaction with what was learned

    async def _vet(self, case: Case) -> None:
        """Before a payout: is there float at its carrier, and in whose name is the account?"""
        provider, owed = self._providers[case.attempt.provider], case.payment
        there, holder = await asyncio.gather(self._lookup.floats(provider), self._lookup.holder(provider, owed.phone))
        async with self._transaction() as tx:
            locked = await attempts.lock(tx, case.attempt.id)
            if locked is None or locked.attempt.state is not State.PREPARED:
                return
            if locked.payment.state is not PaymentState.OPEN:  # an earlier try has turned out paid meanwhile
                return
            if not await holders.trusted(tx, locked, holder):  # first: without float it may go to another provider
                return
            if not await floats.enough(tx, locked, provider, there):
                await self._wait_for_float(tx, locked)
                return
            if await _held(tx, locked):  # by one that was vetted at the same time
                return
            returns_ref = await attempts.reference(tx, locked.attempt.returns)
            told = {"holder": tx.keys.encrypt(holder) if holder else None}
            lease = {"sent_at": tx.now, "next_check_at": tx.now + self._lease}
            await attempts.move(tx, locked, State.SENT, **lease, **told)
        await self._send(case, returns_ref)

    async def _wait_for_float(self, tx: Tx, case: Case) -> None:
        """Another provider may have it; else it waits here for a day."""
        log.warning("payments.low_float", provider=case.attempt.provider, carrier=case.payment.carrier)
        out_of_patience = tx.now - case.attempt.created_at >= schedule.FLOAT_PATIENCE
        if out_of_patience or await failover.next_attempt(tx, case, Failure.LOW_FLOAT) is not None:
            await self._settlement.failed(tx, case, State.DEAD, Failure.LOW_FLOAT, "NOT_SENT LOW_FLOAT")
        else:
            await attempts.note(tx, case, evidence="LOW_FLOAT", next_check_at=tx.now + schedule.FLOAT_PAUSE)

    async def _send(self, case: Case, returns_ref: str | None = None) -> None:
        """The one request of this attempt's life."""
        tried, owed = case.attempt, case.payment
        request = Request(
            attempt_id=tried.id,
            kind=case.spoken,
            amount_xaf=owed.amount_xaf,
            phone=owed.phone,
            carrier=owed.carrier,
            purpose=owed.purpose,
            returns=tried.returns,
            returns_ref=returns_ref,
        )
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            async with asyncio.timeout(self._budget_seconds + _GRACE_SECONDS):
                answer = await self._providers[tried.provider].send(request)
        except TimeoutError:
            answer = Answer(Proof.UNKNOWN, "BUDGET")
        self._health.saw(Seen(_rail(case), answered(answer), int((clock() - begun) * 1000)))
        if answer.proof is Proof.ACCEPTED and await self._acceptances.write(tried.id, answer):
            return
        await self._write(case, partial(self._settlement.answered, answer=answer))

    async def _look(self, case: Case) -> None:
        """Ask the provider what became of the attempt."""
        provider = self._providers[case.attempt.provider]
        found = await self._lookup.find(provider, case)
        if isinstance(found, Absence):
            await self._write(case, self._settlement.absent)
        elif found is None:
            await self._write(case, self._settlement.undecided)
        else:
            if case.attempt.state in LIVE:
                self._health.saw(Seen(_rail(case), ended(found)))
            await self._write(case, partial(self._settlement.read, record=found, provider=provider))

    async def _write(self, case: Case, learn: Callable[[Tx, Case], Awaitable[None]]) -> None:
        """Write what was learned; once more where a lock did not come: a reference that is lost is hard to find."""
        for left in reversed(range(_WRITES)):
            try:
                async with self._transaction() as tx:
                    locked = await attempts.lock(tx, case.attempt.id)
                    assert locked is not None
                    await learn(tx, locked)
                return
            except (LedgerBusy, asyncpg.PostgresError, DBAPIError) as problem:
                if not left or not _is_busy(problem):
                    raise


async def _nothing(_: Case) -> None:
    """What follows a claim that settled the matter."""


def _is_busy(problem: Exception) -> bool:
    """Whether others held the locks that were needed: the same may succeed a moment later."""
    return isinstance(problem, LedgerBusy) or waited_in_vain(problem)


def _is_plain(tx: Tx, case: Case) -> bool:
    """Whether claiming it changes nothing but its row: then many may be claimed in one transaction."""
    tried = case.attempt
    late = tried.deadline is not None and tried.deadline <= tx.now
    ends = late or _out_of_patience(tx, case)
    return tried.state is not State.SENT and not (tried.state is State.PREPARED and ends)


def _is_prompt(case: Case) -> bool:
    """Whether it is a collection that nothing has been done for yet."""
    owed = case.payment
    unsent = case.attempt.state is State.PREPARED
    return unsent and owed.kind is Kind.COLLECT and owed.state is PaymentState.OPEN


def _by_rail(cases: Iterable[Case]) -> dict[Rail, list[Case]]:
    found: dict[Rail, list[Case]] = {}
    for case in cases:
        found.setdefault(_rail(case), []).append(case)
    return found


def _out_of_patience(tx: Tx, case: Case) -> bool:
    """Whether a payout has waited for its rail for long enough; one that waits for people goes on waiting."""
    waited = tx.now - case.attempt.created_at >= schedule.FLOAT_PATIENCE
    return waited and case.payment.kind is not Kind.COLLECT and case.attempt.evidence != holders.CHANGED


async def _held(tx: Tx, case: Case) -> bool:
    """Whether something else goes first; the attempt then comes round again."""
    until = await pacing.held_until(tx, case)
    if until is not None:
        await attempts.note(tx, case, next_check_at=until)
    return until is not None


def _rail(case: Case) -> Rail:
    return Rail(case.attempt.provider, case.payment.carrier, direction(case.payment.kind))
