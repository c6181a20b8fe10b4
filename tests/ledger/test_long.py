"""Runs the size of a wave: `make test-long`."""

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from gateway.isolation import choose
from gateway.schema import migrate
from ledger import chart
from ledger.audit import audit
from ledger.errors import InsufficientFunds
from ledger.grouped import GroupedPosting
from ledger.holds import expire
from ledger.journals import Journal, Leg, Posted
from ledger.marks import Marks
from ledger.service import post
from tests.ledger.books import FLOAT, count
from tests.ledger.machine import Books, run_machine
from tests.ledger.test_grouped_simulation import check, run
from tests.support.postgres import OtherServer

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
]

WALLETS = [chart.wallet(UUID(int=number)) for number in range(1, 1001)]


def transfer(dice: random.Random, key: str) -> Journal:
    debit, credit = dice.sample(WALLETS, 2)
    legs = [Leg(debit, credit, dice.randint(1, 50)), Leg(credit, chart.COMMISSION, 1)]
    return Journal(key=key, kind="transfer", legs=legs, metadata={"about": key} if dice.random() < 0.1 else None)


async def fill(database: Database) -> None:
    async with database.transaction() as tx:
        await post(tx, key="fill", kind="top_up", legs=[Leg(FLOAT, wallet, 1000) for wallet in WALLETS])


async def send(poster: GroupedPosting, journal: Journal) -> str:
    try:
        return "replayed" if (await poster.post(journal)).replayed else "posted"
    except InsufficientFunds:
        return "poor"


@pytest.mark.anyio
async def test_a_hundred_thousand_journals_leave_sound_books(database: Database) -> None:
    await fill(database)
    dice, marks, told = random.Random(1), Marks(database), Counter[str]()
    poster = GroupedPosting(database)
    for wave in range(200):
        # One in a hundred is a repeat of an earlier one.
        keys = [f"{wave}:{n}" if n % 100 else f"{max(wave - 1, 0)}:1" for n in range(500)]
        told.update(await asyncio.gather(*(send(poster, transfer(random.Random(key), key)) for key in keys)))
        if dice.random() < 0.1:
            await marks.advance()
    await poster.close()
    assert told.total() == 100_000
    assert await count(database, "journal") == told["posted"] + 1
    for _ in range(2):
        await marks.advance()
    async with database.reading() as tx:
        assert await audit(tx) == []
        in_wallets = "SELECT sum(balance) FROM account WHERE family = 'wallet'"
        commission = "SELECT balance FROM account_balance WHERE code = 'income:commission'"
        driver = await tx.driver()
        assert await driver.fetchval(in_wallets) + await driver.fetchval(commission) == 1000 * len(WALLETS)
    assert await expire(database) == 0


def test_the_machine_at_length(anyio_backend: str, database_url: str, settings: Settings, keys: Keyring) -> None:
    clock = ManualClock()
    with asyncio.Runner() as runner:
        database = Database(database_url, settings=settings, keys=keys, clock=clock, connections=20)
        owner = Database(database_url, settings=msgspec.structs.replace(settings, database_role=""), keys=keys)
        handed = {"database": database, "owner": owner, "clock": clock, "runner": runner}
        run_machine(type("Books", (Books,), handed), examples=80, steps=40, shrink=False)
        for each in (database, owner):
            runner.run(each.close())


@pytest.mark.parametrize("seed", range(100, 400))
def test_the_flusher_simulated_at_length(seed: int) -> None:
    check(*run(seed, callers=500, trouble=random.Random(seed).choice([0.0, 0.01, 0.1, 0.5])))


class Load:
    """Callers that go on through every fall of the server, and remember what they were told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.poster = GroupedPosting(database)
        self.acknowledged: dict[str, int] = {}
        self.stopping = False

    async def by_the_grouped_door(self, name: int) -> None:
        dice, number = random.Random(name), 0
        while not self.stopping:
            number += 1
            journal = transfer(dice, f"grouped:{name}:{number}")
            await self._until_told(journal, self.poster.post(journal))

    async def by_the_joined_door(self, name: int) -> None:
        dice, number = random.Random(name), 0
        while not self.stopping:
            number += 1
            journal = transfer(dice, f"joined:{name}:{number}")
            await self._until_told(journal, self._joined(journal))

    async def _joined(self, journal: Journal) -> Posted:
        async with self.database.transaction() as tx:
            return await post(tx, key=journal.key, kind=journal.kind, legs=journal.legs, metadata=journal.metadata)

    async def _until_told(self, journal: Journal, call: object) -> None:
        try:
            posted: Posted = await call  # type: ignore[misc]
            self.acknowledged[journal.key] = posted.journal_id
        except InsufficientFunds:
            pass
        except Exception:  # the server is away: nobody was told anything
            await asyncio.sleep(0.05)


def test_three_kills_of_the_server_lose_nothing_that_was_acknowledged(settings: Settings, keys: Keyring) -> None:
    """With fsync as in production, on a disk."""
    directory = Path(tempfile.mkdtemp(prefix="mboa-kill-", dir="/var/tmp"))
    programs = choose(directory, "auto").install / "bin"
    server = OtherServer(programs, directory, "max_connections=60", "shared_buffers=64MB")
    try:
        server.start()
        asyncio.run(_three_kills(server, settings, keys))
    finally:
        server.kill()
        shutil.rmtree(directory)


async def _three_kills(server: OtherServer, settings: Settings, keys: Keyring) -> None:
    await migrate(server.url)
    database = Database(server.url, settings=settings, keys=keys, connections=10)
    await fill(database)
    load, marks = Load(database), Marks(database)
    callers = [asyncio.create_task(load.by_the_grouped_door(n)) for n in range(64)]
    callers += [asyncio.create_task(load.by_the_joined_door(1000 + n)) for n in range(8)]
    for _ in range(3):
        before = len(load.acknowledged)
        while len(load.acknowledged) < before + 3000:
            await asyncio.sleep(0.05)
            await marks.advance()
        server.kill()
        server.start()  # the callers stand still meanwhile: a server started by another thread would end with it
    load.stopping = True
    await asyncio.gather(*callers)
    await load.poster.close()
    await database.close()
    connection = await asyncpg.connect(server.url)
    there = {row["key"]: row["id"] for row in await connection.fetch("SELECT key, id FROM journal")}
    await connection.close()
    assert len(load.acknowledged) > 9000
    assert {key: there.get(key) for key in load.acknowledged} == load.acknowledged
    again = Database(server.url, settings=settings, keys=keys)
    late = Marks(again)
    for _ in range(2):
        await late.advance()
    async with again.reading() as tx:
        assert await audit(tx) == []
    await again.close()
