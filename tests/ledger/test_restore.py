"""A dump of a busy ledger, restored elsewhere, is a whole and provable ledger."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from sqlalchemy.engine import make_url

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from gateway.evidence import examine_deeply
from gateway.isolation import _wheel
from gateway.schema import migrate, require_newest
from ledger.grouped import GroupedPosting
from ledger.holds import hold
from ledger.marks import Marks
from ledger.receipts import issue, verify
from ledger.seals import Seals
from ledger.service import Journal, Leg
from tests.ledger.books import count, give
from tests.ledger.sealing import ANNA, BEN, FLOAT, look, seal_all
from tests.support.postgres import binaries

pytestmark = pytest.mark.anyio

WARM_UP = 60  # journals that are sealed before the dump begins, and posted after it


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(settings, seal_log=str(tmp_path / "heads.jsonl"))


@pytest.fixture
async def programs(database_url: str) -> Path:
    """The directory with pg_dump of the server's version; skips where there is none."""
    server = await asyncpg.connect(database_url)
    major = str(server.get_server_version().major)
    await server.close()
    for place in (binaries(major), _wheel() / "bin"):
        if place is not None and (place / "pg_dump").exists():
            told = subprocess.run([place / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
            if re.search(rf"\) {major}\b", told):
                return place
    pytest.skip(f"there is no pg_dump of PostgreSQL {major} here")


@pytest.fixture
async def copy_url(database_url: str) -> AsyncIterator[str]:
    """An empty database on the same server."""
    name = f"copy_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield make_url(database_url).set(database=name).render_as_string(hide_password=False)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def run(program: Path, *arguments: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(program, *arguments, stderr=subprocess.PIPE)
    _, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()


class Business:
    """Both doors, holds, marks and seals, all at once until it is closed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.posted = 0
        self.sealed = 0
        self._door = GroupedPosting(database)
        self._open = True
        self._work = [asyncio.create_task(part) for part in (self._join(), self._group(), self._hold(), self._sweep())]

    async def go_on(self) -> None:
        """Until so many journals more are posted, and sealed."""
        posted, sealed = self.posted + WARM_UP, self.sealed + WARM_UP
        async with asyncio.timeout(100):
            while self.posted < posted or self.sealed < sealed:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._open = False
        await asyncio.gather(*self._work)
        await self._door.close()

    async def _join(self) -> None:
        while self._open:
            await give(self.database, ANNA, 1)
            self.posted += 1

    async def _group(self) -> None:
        while self._open:
            legs = [Leg(FLOAT, BEN, 2), Leg(BEN, ANNA, 1)]
            await asyncio.gather(
                *(self._door.post(Journal(key=f"{uuid4()}", kind="transfer", legs=legs)) for _ in range(5))
            )
            self.posted += 5

    async def _hold(self) -> None:
        await give(self.database, ANNA, 1000)
        while self._open:
            async with self.database.transaction() as tx:
                later = tx.now + timedelta(hours=1)
                await hold(tx, key=f"{uuid4()}", kind="reserved", account=ANNA, amount=1, expires_at=later)
            await asyncio.sleep(0.01)

    async def _sweep(self) -> None:
        seals, marks = Seals(self.database), Marks(self.database)
        while self._open:
            await marks.advance()
            self.sealed += await seals.advance()


async def test_a_copy_of_a_busy_ledger_is_sound_to_its_last_hash(
    database: Database,
    settings: Settings,
    keys: Keyring,
    clock: ManualClock,
    programs: Path,
    copy_url: str,
    tmp_path: Path,
) -> None:
    business, dump = Business(database), tmp_path / "dump"
    await business.go_on()
    acknowledged, were_sealed = business.posted, business.sealed
    whole = ("--format=custom", "--no-owner", "--no-acl")
    await run(programs / "pg_dump", *whole, f"--file={dump}", f"--dbname={database.url}")
    await business.go_on()
    await business.close()
    await run(programs / "pg_restore", *whole, "--exit-on-error", f"--dbname={copy_url}", dump)
    await migrate(copy_url)

    alone = msgspec.structs.replace(settings, seal_log="")
    copy = Database(copy_url, settings=alone, keys=keys, clock=clock)
    try:
        await require_newest(copy)
        assert (await examine_deeply(copy))[0] == []
        assert (await look(copy)).last_journal >= were_sealed
        journals = await count(copy, "journal")
        assert acknowledged <= journals < await count(database, "journal"), "taken while people posted"
        await it_goes_on(copy)
        await it_knows_that_it_is_older(copy, settings)
    finally:
        await copy.close()


async def it_goes_on(copy: Database) -> None:
    """Numbers and seals continue, and the first journal still has its receipt."""
    await give(copy, ANNA, 5)
    await seal_all(Seals(copy))
    assert (await examine_deeply(copy))[0] == []
    async with copy.reading() as tx:
        assert verify((await issue(tx, journal_id=1)).file()).seal.number == 1


async def it_knows_that_it_is_older(copy: Database, settings: Settings) -> None:
    """Than the heads that were published after the dump."""
    copy.settings = settings
    (finding,) = (await examine_deeply(copy))[0]
    assert re.fullmatch(r"seal \d+ (was published and is not in the database|has another head than was .*)", finding)


async def test_a_copy_that_somebody_touched_is_not(
    database: Database,
    settings: Settings,
    keys: Keyring,
    clock: ManualClock,
    programs: Path,
    copy_url: str,
    tmp_path: Path,
) -> None:
    """A dump is a file: whoever can write there needs no superuser."""
    await give(database, ANNA, 123_456)
    await seal_all(Seals(database))
    dump = tmp_path / "dump.sql"
    await run(programs / "pg_dump", "--no-owner", "--no-acl", f"--file={dump}", f"--dbname={database.url}")
    dump.write_text(dump.read_text().replace("123456", "923456"))
    await run(programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}", f"--dbname={copy_url}")
    await migrate(copy_url)
    copy = Database(copy_url, settings=settings, keys=keys, clock=clock)
    findings, _ = await examine_deeply(copy)
    await copy.close()
    assert findings == ["journal 1 (top_up) was changed after seal 1 was made"]
