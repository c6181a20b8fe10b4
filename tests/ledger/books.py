"""Accounts and short cuts that the ledger's tests share."""

import asyncio
from uuid import uuid4

from core.database import Database
from ledger import chart
from ledger.marks import Marks, Watermark
from ledger.service import Leg, Posted, balance, post

FLOAT = chart.provider_float("campay", "mtn")
ANNA, BEN, CHLOE = (chart.wallet(uuid4()) for _ in range(3))


async def give(database: Database, wallet: chart.Account, amount: int) -> None:
    async with database.transaction() as tx:
        await post(tx, key=f"give:{uuid4()}", kind="top_up", legs=[Leg(FLOAT, wallet, amount)])


async def pay(database: Database, key: str, *legs: Leg) -> Posted:
    async with database.transaction() as tx:
        return await post(tx, key=key, kind="payment", legs=legs)


async def held(database: Database, account: chart.Account) -> int:
    async with database.reading() as tx:
        return await balance(tx, account)


async def settle(marks: Marks) -> int:
    """Advance until all that was there is added up, whatever other tests have open on this server; how many were."""
    added = await marks.advance()
    await settled(marks._watermark)
    return added + await marks.advance()


async def settled(watermark: Watermark) -> int:
    """Where it stands when everything has ended that was there before this call."""
    async with asyncio.timeout(100):
        for _ in ("what it saw before", "what there is now"):
            await watermark.advance()
            while watermark._look is not None:
                await asyncio.sleep(0.01)
                await watermark.advance()
    return watermark.final


async def count(database: Database, table: str) -> int:
    async with database.reading() as tx:
        return await (await tx.driver()).fetchval(f"SELECT count(*) FROM {table}")


async def until_waiting(owner: Database, sessions: int) -> None:
    """Return when so many sessions of this database wait for a lock; only a superuser sees who does."""
    async with owner.reading() as tx:
        driver = await tx.driver()
        while sessions > await driver.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.005)
