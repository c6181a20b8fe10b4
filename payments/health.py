"""How well each rail works, and the breaker that steers new money away from one that does not (D23).

A rail is a provider, a carrier and a direction. Only what the provider is to blame for counts: a payer who declines
proves that the rail works. What a worker sees is written once per sweep in a transaction of its own, since one row
for all payments of a carrier would otherwise make them queue. The state is the database's, for all workers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Row, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Database, Tx
from core.logs import logger
from core.settings import Settings
from payments.attempts import spoken
from payments.providers.protocol import Answer, Proof, Provider, Record, Word
from payments.states import Failure, Kind
from payments.tables import attempt, provider_health

# How the agreed rate is told: the fee of an amount that shows it to the basis point.
_BASIS_POINTS = 10_000
# A new latency counts an eighth.
_SMOOTHING = 8

log = logger(__name__)


class Rail(msgspec.Struct, frozen=True, order=True):
    """Where money goes through, and which way: `direction` is "in" or "out"."""

    provider: str
    carrier: str
    direction: str


class Seen(msgspec.Struct, frozen=True):
    """One thing a worker saw: whether the rail worked, None where that is not yet known, and how long it took."""

    rail: Rail
    worked: bool | None
    latency_ms: int | None = None


def direction(kind: Kind) -> str:
    return "in" if kind is Kind.COLLECT else "out"


def answered(answer: Answer) -> bool | None:
    """What an answer to a request says about its rail. An acceptance says nothing yet: its end will."""
    if answer.proof is Proof.ACCEPTED:
        return None
    return _verdict(answer.failure) if answer.proof is Proof.REFUSED else False


def ended(record: Record) -> bool | None:
    """What a read says about a rail."""
    if record.word is Word.FAILED:
        return _verdict(record.failure)
    return True if record.word is Word.SUCCESSFUL else None


def _verdict(failure: Failure | None) -> bool | None:
    """Whose fault a failure is: the rail's, nobody knows, or neither of us."""
    if failure is Failure.TECHNICAL:
        return False
    return None if failure in (None, Failure.UNSTATED, Failure.LOW_FLOAT) else True


def breaks(recent: str, settings: Settings) -> bool:
    """Whether these outcomes open a breaker: too many failures in a row, or too large a share of a full window."""
    in_a_row = "-" * settings.breaker_failures
    failed, full = recent.count("-"), len(recent) >= settings.breaker_window
    return recent.endswith(in_a_row) or (full and failed > settings.breaker_share * settings.breaker_window)


class Health:
    """What one worker sees of its providers, and its part in probing those whose breaker is open."""

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._providers = providers
        self._seen: list[Seen] = []
        self._told = False

    def saw(self, *seen: Seen) -> None:
        """Remember until the next `write`."""
        self._seen.extend(one for one in seen if one.worked is not None or one.latency_ms is not None)

    async def write(self) -> None:
        """Bring what was seen since the last time into the database."""
        seen, self._seen = sorted(self._seen, key=lambda one: one.rail), []
        if self._told and not seen:
            return
        async with self._database.transaction() as tx:
            if not self._told:
                await self._tell_rates(tx)
            for rail, group in groupby(seen, key=lambda one: one.rail):
                await _note(tx, rail, list(group))
        self._told = True

    async def probe(self) -> None:
        """Close the breakers whose time has come and whose provider answers a read; never with money."""
        pause = timedelta(seconds=self._database.settings.breaker_open_seconds)
        now, columns = self._database.clock.now(), provider_health.c
        due = columns.probe_at <= now, columns.provider.in_(self._providers)
        async with self._database.reading() as tx:
            mine = update(provider_health).where(*due).values(probe_at=now + pause).returning(provider_health)
            rails = [_rail(row) for row in await tx.all(mine)]
        for rail in rails:
            if await self._answers(self._providers[rail.provider]):
                await self._close(rail)

    async def _answers(self, provider: Provider) -> bool:
        """A provider that hides its balances may still show a movement that is under way."""
        if await provider.floats() is not None:
            return True
        under_way = attempt.c.provider == provider.capabilities.name, attempt.c.next_check_at.is_not(None)
        newest = select(attempt.c.provider_ref, attempt.c.kind, attempt.c.returns).where(*under_way)
        newest = newest.where(attempt.c.provider_ref.is_not(None)).order_by(attempt.c.next_check_at.desc()).limit(1)
        async with self._database.reading() as tx:
            row = await tx.first(newest)
        if row is None:
            return False
        return await provider.read(row.provider_ref, spoken(Kind(row.kind), row.returns)) is not None

    async def _close(self, rail: Rail) -> None:
        log.info("payments.breaker_closed", **msgspec.structs.asdict(rail))
        async with self._database.transaction() as tx:
            await tx.run(update(provider_health).where(_is(rail)).values(recent="", opened_at=None, probe_at=None))

    async def _tell_rates(self, tx: Tx) -> None:
        for name, provider in sorted(self._providers.items()):
            for carrier in sorted(provider.capabilities.carriers):
                for kind in (Kind.COLLECT, Kind.PAYOUT):
                    fee_bp = provider.fee_xaf(kind, carrier, _BASIS_POINTS)
                    await _locked(tx, Rail(name, carrier, direction(kind)), fee_bp=fee_bp)


async def _note(tx: Tx, rail: Rail, seen: Sequence[Seen]) -> None:
    row = await _locked(tx, rail)
    marks = "".join("+" if one.worked else "-" for one in seen if one.worked is not None)
    recent = (row.recent + marks)[-tx.settings.breaker_window :]
    values: dict[str, Any] = {"recent": recent, "latency_ms": _latency_ms(row.latency_ms, seen)}
    if row.opened_at is None and breaks(recent, tx.settings):
        log.warning("payments.breaker_opened", **msgspec.structs.asdict(rail))
        probe_at = tx.now + timedelta(seconds=tx.settings.breaker_open_seconds)
        values |= {"opened_at": tx.now, "probe_at": probe_at}
    await tx.run(update(provider_health).where(_is(rail)).values(**values))


async def _locked(tx: Tx, rail: Rail, **told: Any) -> Row[Any]:
    """The rail's row, made when it is new."""
    fresh = insert(provider_health).values(**msgspec.structs.asdict(rail), recent="", updated_at=tx.now, **told)
    key = provider_health.primary_key.columns
    changed = {"updated_at": tx.now, **told}
    return await tx.one(fresh.on_conflict_do_update(index_elements=key, set_=changed).returning(provider_health))


def _latency_ms(known: int | None, seen: Iterable[Seen]) -> int | None:
    for one in seen:
        if one.latency_ms is not None:
            known = one.latency_ms if known is None else known + (one.latency_ms - known) // _SMOOTHING
    return known


def _rail(row: Row[Any]) -> Rail:
    return Rail(row.provider, row.carrier, row.direction)


def _is(rail: Rail) -> Any:
    return and_(*(provider_health.c[name] == value for name, value in msgspec.structs.asdict(rail).items()))
