"""`gateway doctor`: whether the books, the orders, the payments and the provider's balance agree."""

import asyncio
import time

from sqlalchemy import text

from core.database import Database, Tx
from ledger.audit import audit
from ledger.chart import provider_float
from ledger.service import balance
from marketplace.ordering.states import FUNDED
from payments.providers.campay import CAPABILITIES, Campay
from payments.states import LIVE

_LOOK_AGAIN_SECONDS = 0.5

# An order's escrow holds what was paid for it as long as nobody has earned it, and nothing before or after.
_ESCROW = text("""
SELECT customer_order.id, number, state, coalesce(balance, 0) AS held, due FROM customer_order
CROSS JOIN LATERAL (SELECT CASE WHEN state = ANY(:funded) THEN total_xaf ELSE 0 END AS due) AS owed
LEFT JOIN account ON code = 'escrow:' || customer_order.id
WHERE coalesce(balance, 0) <> due
""")
_STRAY_ESCROW = text("""
SELECT code, balance FROM account WHERE code LIKE 'escrow:%' AND balance <> 0
AND NOT EXISTS (SELECT FROM customer_order WHERE code = 'escrow:' || customer_order.id)
""")
_FORGOTTEN = text("SELECT id, state FROM attempt WHERE state = ANY(:live) AND next_check_at IS NULL")


async def examine(database: Database, *, patience_seconds: float = 5.0) -> list[str]:
    """One sentence for each thing that is wrong; empty when all is well.

    A provider's balance that differs is looked at again for `patience_seconds`: money may just be moving.
    """
    async with database.reading() as tx:
        findings = [*await audit(tx), *await _escrow(tx), *await _attempts(tx)]
    if database.settings.has_simulator:
        findings += await _float(database, patience_seconds)
    return findings


async def _escrow(tx: Tx) -> list[str]:
    orders = await tx.all(_ESCROW, {"funded": list(FUNDED)})
    strays = await tx.all(_STRAY_ESCROW)
    return [
        *(
            f"order {row.number} ({row.id}) is {row.state}: its escrow holds {row.held}, should hold {row.due}"
            for row in orders
        ),
        *(f"account {row.code} holds {row.balance} for no order" for row in strays),
    ]


async def _attempts(tx: Tx) -> list[str]:
    rows = await tx.all(_FORGOTTEN, {"live": [str(state) for state in LIVE]})
    return [f"attempt {row.id} is {row.state} and nobody will look at it again" for row in rows]


async def _float(database: Database, patience_seconds: float) -> list[str]:
    """The simulated provider's balances against our float accounts; none where it does not run."""
    provider = Campay(database.settings)
    try:
        findings = await _float_now(database, provider)
        deadline = time.monotonic() + patience_seconds
        while findings and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            findings = await _float_now(database, provider)
        return findings
    finally:
        await provider.close()


async def _float_now(database: Database, provider: Campay) -> list[str]:
    theirs = await provider.floats() or {}
    async with database.reading() as tx:
        ours = {carrier: await balance(tx, provider_float(CAPABILITIES.name, carrier)) for carrier in theirs}
    return [
        f"the simulated {CAPABILITIES.name} holds {held} for {carrier}, our float account says {ours[carrier]}"
        for carrier, held in theirs.items()
        if held != ours[carrier]
    ]
