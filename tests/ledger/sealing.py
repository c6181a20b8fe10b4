"""Sealed books, and what a superuser does to them."""

import asyncio
from uuid import UUID

from core.database import Database
from ledger import chart
from ledger.inspection import Sealed, inspect
from ledger.seals import Seals
from ledger.service import Leg, post, reverse

FLOAT = chart.provider_float("campay", "mtn")
ANNA, BEN = (chart.wallet(UUID(int=number)) for number in (1, 2))


async def fill(database: Database) -> None:
    """Journals 1 to 5: hot accounts, several legs, an actor, metadata, a reversal."""
    async with database.transaction() as tx:
        await post(tx, key="1", kind="top_up", legs=[Leg(FLOAT, ANNA, 100)], metadata={"zone": "Déido", "at": "1"})
        await post(tx, key="2", kind="transfer", legs=[Leg(ANNA, BEN, 30), Leg(ANNA, BEN, 20)])
        await post(tx, key="3", kind="points", legs=[Leg(chart.POINTS_ISSUED, chart.points(UUID(int=1)), 3)])
        await post(tx, key="4", kind="gift", legs=[Leg(chart.GOODWILL, BEN, 7)], actor="staff:1")
        await reverse(tx, journal_id=4, key="5", kind="gift_back")


async def seal_all(seals: Seals) -> None:
    """Let what was written become final, and be sealed. Other tests' transactions are on this server too."""
    sealed = 0
    async with asyncio.timeout(100):
        while not sealed:
            sealed = await seals.advance()
            await asyncio.sleep(0.01)


async def damage(owner: Database, statement: str) -> None:
    """What only a superuser can do: past rights, triggers and constraints."""
    async with owner.transaction() as tx:
        await (await tx.driver()).execute(f"SET LOCAL session_replication_role = replica; {statement}")


async def look(database: Database, *, seal_log: str = "") -> Sealed:
    async with database.reading() as tx:
        return await inspect(tx, seal_log=seal_log)


async def findings(database: Database, *, seal_log: str = "") -> list[str]:
    return (await look(database, seal_log=seal_log)).findings
