"""A day of a provider, compared: daily by the workers, and by `gateway reconcile`.

The network comes first, then one transaction for each thing that was found.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, or_, select
from sqlalchemy.dialects.postgresql import insert

from core.clock import DOUALA, business_day
from core.database import Database, Tx
from core.logs import logger
from ledger.chart import provider_float
from ledger.service import balance
from payments import balances
from payments.providers.protocol import HistoryLine, Provider, Word
from payments.reconciliation import items, reading
from payments.reconciliation.comparing import Compared, Expected, Found, Ours, compare, compare_floats
from payments.reconciliation.tables import reconciliation
from payments.states import LIVE, Kind, State
from payments.tables import attempt, reversal

# Yesterday is compared once the providers have had this long to write it down.
_SETTLED_BY = timedelta(hours=1)
# How far back a day that was left out is made up for.
_REACH = timedelta(days=31)

log = logger(__name__)


async def run(database: Database, providers: Sequence[Provider], day: date) -> dict[str, Compared]:
    """Compare `day` with each provider, by its name. One that could not be read is left out and may be tried again."""
    outcomes = {}
    for provider in providers:
        compared = await _run_one(database, provider, day)
        if compared is None:
            log.warning("payments.reconciliation_unread", provider=provider.capabilities.name, day=str(day))
        else:
            outcomes[provider.capabilities.name] = compared
    return outcomes


async def sweep(database: Database, providers: Sequence[Provider]) -> int:
    """Compare with each provider the days up to yesterday that this was not done for yet; how many were."""
    compared = 0
    for provider in providers:
        for day in await _left(database, provider):
            compared += len(await run(database, [provider], day))
    return compared


async def _left(database: Database, provider: Provider) -> list[date]:
    """Yesterday, and days before it on which nobody worked or its list could not be read, the oldest first."""
    yesterday = business_day(database.clock.now() - _SETTLED_BY) - timedelta(days=1)
    of_late = reconciliation.c.day > yesterday - _REACH, reconciliation.c.day <= yesterday
    mine = reconciliation.c.provider == provider.capabilities.name
    async with database.reading() as tx:
        rows = await tx.all(select(reconciliation.c.day, reconciliation.c.ran_at).where(mine, *of_late))
    begun = min((row.day for row in rows), default=yesterday)
    whole = {row.day for row in rows if business_day(row.ran_at - _SETTLED_BY) > row.day}
    days = (begun + timedelta(days=number) for number in range((yesterday - begun).days + 1))
    return [day for day in days if day not in whole]


async def _run_one(database: Database, provider: Provider, day: date) -> Compared | None:
    name = provider.capabilities.name
    listed = await reading.listed(database, provider, day)
    if listed is None:
        return None
    lines = listed.lines
    differing = await _differing_floats(database, provider, day)
    async with database.reading() as tx:
        ours = await _ours(tx, name, day, lines)
        if not provider.capabilities.history:  # what people decided without a reference, nobody can ask about
            ours = [one for one in ours if one.provider_ref and one.id not in listed.unread]
        compared = compare(day, lines, ours)
        compared = msgspec.structs.replace(compared, found=[*compared.found, *(differing or [])])
        shown = {line.ref for line in lines if business_day(line.at) == day and line.word is not Word.PENDING}
        gone = await items.no_longer(tx, name, day, compared.found, listed=shown, floats_read=differing is not None)
        gone = [item for item in gone if item.attempt_id not in listed.unread]
    for one in compared.found:
        async with database.transaction() as tx:
            await items.note(tx, name, day, one)
    for item in gone:
        async with database.transaction() as tx:
            await items.settle(tx, item)
    await _remember(database, name, day, compared)
    return compared


async def _ours(tx: Tx, provider: str, day: date, lines: Sequence[HistoryLine]) -> list[Ours]:
    """The attempts that the lines name, and those that were booked on `day`."""
    begin = datetime.combine(day, time(), DOUALA)
    named = or_(
        attempt.c.provider_ref.in_([line.ref for line in lines]),
        attempt.c.id.in_([our_id for line in lines if (our_id := _uuid(line.our_id))]),
        attempt.c.settled_at.between(begin, begin + timedelta(days=1)),
    )
    undone = select(reversal.c.attempt_id)
    wanted = select(attempt, attempt.c.id.in_(undone).label("undone")).where(attempt.c.provider == provider, named)
    return [_our(row) for row in await tx.all(wanted)]


def _uuid(raw: str | None) -> UUID | None:
    try:
        return UUID(raw) if raw else None
    except ValueError:
        return None


def _our(row: Row[Any]) -> Ours:
    """What was booked and then taken back counts as not booked."""
    booked = row.settled_at is not None and not row.undone
    return Ours(
        id=row.id,
        kind=Kind(row.kind),
        carrier=row.carrier,
        state=State(row.state),
        provider_ref=row.provider_ref,
        received_xaf=row.received_xaf if booked else None,
        fee_xaf=row.fee_xaf or 0,
        settled_on=business_day(row.settled_at) if booked else None,
    )


async def _differing_floats(database: Database, provider: Provider, day: date) -> list[Found] | None:
    """The balances of now, whatever `day` is: a provider tells no others. None when they could not be read.

    Ours are looked at before and after, since money arrives while the provider answers.
    """
    if not provider.capabilities.tells_whole_float:
        return None
    async with database.reading() as tx:
        before = await _expected(tx, provider)
    theirs = await provider.floats()
    if theirs is None:
        return None
    async with database.transaction() as tx:
        await balances.remember(tx, provider=provider.capabilities.name, balances_xaf=theirs)
        after = await _expected(tx, provider)
    return compare_floats(day, theirs, before, after)


async def _expected(tx: Tx, provider: Provider) -> dict[str, Expected]:
    """What lies at each carrier by our books, and how much it may be with what is under way."""
    name, carriers = provider.capabilities.name, sorted(provider.capabilities.carriers)
    live = attempt.c.provider == name, attempt.c.sent_at.is_not(None), attempt.c.settled_at.is_(None)
    under_way = *live, or_(attempt.c.state.in_(LIVE), attempt.c.state == State.REVIEW)
    rows = await tx.all(select(attempt.c.kind, attempt.c.carrier, attempt.c.amount_xaf).where(*under_way))
    coming, leaving = dict.fromkeys(carriers, 0), dict.fromkeys(carriers, 0)
    for row in rows:
        way = coming if row.kind == Kind.COLLECT else leaving
        fee_xaf = 0 if way is coming else provider.fee_xaf(Kind(row.kind), row.carrier, row.amount_xaf)
        way[row.carrier] = way.get(row.carrier, 0) + row.amount_xaf + fee_xaf
    booked = {carrier: await balance(tx, provider_float(name, carrier)) for carrier in carriers}
    return {each: Expected(xaf, xaf - leaving[each], xaf + coming[each]) for each, xaf in booked.items()}


async def _remember(database: Database, provider: str, day: date, compared: Compared) -> None:
    async with database.transaction() as tx:
        outcome = {"lines": compared.lines, "matched": compared.matched, "ran_at": tx.now}
        ran = insert(reconciliation).values(provider=provider, day=day, **outcome)
        await tx.run(ran.on_conflict_do_update(index_elements=["provider", "day"], set_=outcome))
