"""`gateway doctor`: whether the books, the orders, the payments and the provider's balance agree.

What waits for people is a finding too: nothing else will ever end it.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from core.database import Database, Tx
from gateway.health import OK, neighbour
from gateway.heartbeat import workers
from ledger.audit import audit
from ledger.chart import provider_float
from ledger.service import balance
from marketplace.ordering.states import FUNDED
from payments import decisions, holders
from payments.providers import registry
from payments.providers.protocol import Provider
from payments.reconciliation import ageing, items
from payments.states import LIVE

_LOOK_AGAIN_SECONDS = 0.5
# A payout that is not sent by then waits for a float or a provider that somebody could look after.
_PATIENCE = timedelta(hours=1)
_PROMISE_PATIENCE = timedelta(minutes=5)

# An order's escrow holds what was paid for it as long as nobody has earned it, and nothing before or after. Until the
# restaurant has accepted, a wallet's money is reserved for it and not yet there.
_ESCROW = text("""
WITH kept AS (
    SELECT customer_order.id, number, customer_order.state, coalesce(balance, 0) AS held,
           CASE WHEN hold.state = 'open' THEN hold.amount ELSE 0 END AS reserved,
           CASE WHEN customer_order.state = ANY(:funded) THEN total_xaf ELSE 0 END AS due,
           hold.id IS NOT NULL AND customer_order.state IN ('PAID', 'OFFERED') AS waits
    FROM customer_order
    LEFT JOIN account ON code = 'escrow:' || customer_order.id
    LEFT JOIN hold ON hold.key = 'order:' || customer_order.id || '\\:reserve'
), owed AS (
    SELECT *, CASE WHEN waits THEN 0 ELSE due END AS due_held, CASE WHEN waits THEN due ELSE 0 END AS due_reserved
    FROM kept
)
SELECT * FROM owed WHERE held <> due_held OR reserved <> due_reserved ORDER BY id
""")
_STRAY_RESERVATION = text("""
SELECT code, amount FROM hold JOIN account ON account.id = account_id
WHERE state = 'open' AND hold.kind = 'order_reserved'
AND NOT EXISTS (SELECT FROM customer_order WHERE key = 'order:' || customer_order.id || '\\:reserve')
""")
_STRAY_ESCROW = text("""
SELECT code, balance FROM account WHERE code LIKE 'escrow:%' AND balance <> 0
AND NOT EXISTS (SELECT FROM customer_order WHERE code = 'escrow:' || customer_order.id)
""")
_FORGOTTEN = text("""
SELECT id, state, provider, next_check_at IS NULL AS unwatched FROM attempt
WHERE state = ANY(:live) AND (next_check_at IS NULL OR provider <> ALL(:named)) ORDER BY created_at
""")
_WAITING = text("""
SELECT id, kind, amount_xaf, provider, created_at FROM attempt
WHERE state = 'PREPARED' AND kind <> 'collect' AND created_at <= :patient_since
AND evidence IS DISTINCT FROM :renamed ORDER BY created_at
""")
_BROKEN_PROMISES = text("SELECT id, made_at FROM promise WHERE gives_up_at < :patient_since ORDER BY made_at")
_FLOATS = text("SELECT code FROM account WHERE starts_with(code, :stem)")


async def examine(database: Database, *, patience_seconds: float = 5.0) -> list[str]:
    """One sentence for each thing that is wrong; empty when all is well.

    A provider's balance that differs is looked at again for `patience_seconds`: money may just be moving.
    """
    async with database.reading() as tx:
        findings = [*await audit(tx), *await _escrow(tx), *await _attempts(tx), *await _reconciled(tx)]
        findings += await _promises(tx)
    if database.settings.has_simulator:
        findings += await _float(database, patience_seconds)
    return findings


async def _escrow(tx: Tx) -> list[str]:
    orders = await tx.all(_ESCROW, {"funded": list(FUNDED)})
    strays = await tx.all(_STRAY_ESCROW)
    reservations = await tx.all(_STRAY_RESERVATION)
    return [
        *(
            f"order {row.number} ({row.id}) is {row.state}: its escrow holds {row.held}, should hold {row.due_held}"
            for row in orders
            if row.held != row.due_held
        ),
        *(
            f"order {row.number} ({row.id}) is {row.state}: {row.reserved} is reserved for it,"
            f" should be {row.due_reserved}"
            for row in orders
            if row.reserved != row.due_reserved
        ),
        *(f"account {row.code} holds {row.balance} for no order" for row in strays),
        *(f"{row.amount} of account {row.code} is reserved for no order" for row in reservations),
    ]


async def _promises(tx: Tx) -> list[str]:
    """Callers who were told that an SMS follows, and none has."""
    broken = await tx.all(_BROKEN_PROMISES, {"patient_since": tx.now - _PROMISE_PATIENCE})
    return [f"promise {row.id} of {row.made_at:%Y-%m-%d %H:%M} is not kept: its caller waits" for row in broken]


async def _attempts(tx: Tx) -> list[str]:
    named = {"live": [str(state) for state in LIVE], "named": list(tx.settings.payment_providers)}
    rows = await tx.all(_FORGOTTEN, named)
    left = await decisions.waiting(tx)
    unsent = await tx.all(_WAITING, {"patient_since": tx.now - _PATIENCE, "renamed": holders.CHANGED})
    return [
        *(_forgotten(row) for row in rows),
        *(
            f"attempt {row.id} ({row.kind} of {row.amount_xaf}) waits unsent at {row.provider}"
            f" since {row.created_at:%Y-%m-%d %H:%M}"
            for row in unsent
        ),
        *(
            f"attempt {one.attempt_id} ({one.kind} of {one.amount_xaf}) is {one.state} ({one.evidence}):"
            " it waits for two finance users"
            for one in left
        ),
    ]


def _forgotten(row: Row[Any]) -> str:
    if row.unwatched:
        return f"attempt {row.id} is {row.state} and nobody will look at it again"
    return f"attempt {row.id} is {row.state} at {row.provider}, which PAYMENT_PROVIDERS does not name: nobody reads it"


async def _reconciled(tx: Tx) -> list[str]:
    """What reconciliation has found and nobody has resolved."""
    return [
        *(
            f"{item.provider} on {item.day}: {item.exception} {item.subject}, {item.theirs_xaf} there,"
            f" {item.ours_xaf} here"
            for item in await items.open_items(tx)
        ),
        *(
            f"account {aged.code} holds {aged.balance_xaf} since {aged.since:%Y-%m-%d}"
            for aged in await ageing.suspense(tx)
            if aged.alarm
        ),
    ]


async def _float(database: Database, patience_seconds: float) -> list[str]:
    """The simulated providers' balances against our float accounts."""
    in_use = {capabilities.name for capabilities in registry.in_use(database.settings)}
    providers = registry.build(database.settings)
    asked = [one for one in providers if one.capabilities.name in in_use and one.capabilities.tells_whole_float]
    try:
        findings = await _floats_now(database, asked)
        deadline = time.monotonic() + patience_seconds
        while findings and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            findings = await _floats_now(database, asked)
        return findings
    finally:
        await asyncio.gather(*(provider.close() for provider in providers))


async def _floats_now(database: Database, providers: Sequence[Provider]) -> list[str]:
    return [finding for provider in providers for finding in await _float_now(database, provider)]


async def _float_now(database: Database, provider: Provider) -> list[str]:
    name, theirs = provider.capabilities.name, await provider.floats()
    if theirs is None:
        silent = f"the simulated {name} tells no balances: our float accounts could not be checked"
        return [silent] if await _runs(database) else []
    ours = await _floats(database, name, theirs)
    return [
        f"the simulated {name} holds {theirs.get(carrier, 0)} for {carrier}, our float account says {held}"
        for carrier, held in ours.items()
        if held != theirs.get(carrier, 0)
    ]


async def _floats(database: Database, provider: str, listed: Iterable[str]) -> dict[str, int]:
    """Our float per carrier: of those the provider lists, and of every other that we have an account for."""
    stem = provider_float(provider, "").code
    async with database.reading() as tx:
        kept = {row.code.removeprefix(stem) for row in await tx.all(_FLOATS, {"stem": stem})}
        return {carrier: await balance(tx, stem + carrier) for carrier in sorted(kept.union(listed))}


async def _runs(database: Database) -> bool:
    """Whether anything of the demo runs: between two demos nobody can be asked, and no money moves."""
    async with database.reading() as tx:
        if await workers(tx):
            return True
    return await neighbour(database.settings.simulator_url) == OK
