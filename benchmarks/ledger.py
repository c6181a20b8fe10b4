"""Posting, by either door of the ledger, against hand-written posting on the same PostgreSQL.

Marks: a journal inside a caller's transaction at least 0.6 of the one-call floor with 8 callers, and twice four plain
statements; stand-alone journals at least twice the floor with 32 and with 256 callers, on random and on one hot
account. The 8, 32 and 256 callers are coroutines of this process, which shares the machine's cores with PostgreSQL.
A floor has a connection for each caller, at most 32: with more it gets slower. Rounds are interleaved; medians.
"""

import asyncio
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import uvloop

from benchmarks import floors
from benchmarks.load import Target, run
from benchmarks.service import posting_routes
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from gateway.embedded import EmbeddedServer
from gateway.schema import migrate
from ledger import chart
from ledger.audit import audit
from ledger.grouped import GroupedPosting
from ledger.journals import Journal, Leg
from ledger.service import post

SECONDS = 3.0
WARM_SECONDS = 1.0
ROUNDS = 3
FLOOR_CONNECTIONS = 32

WALLETS = [chart.wallet(UUID(int=number)) for number in range(1, floors.ACCOUNTS + 1)]
FLOAT = chart.provider_float("bench", "mtn")
DETAILS = {"order": "0197a4be-0000-7000-8000-00000000000a", "purpose": "order"}

Post = Callable[[], Awaitable[object]]


class Way(NamedTuple):
    """A way of posting: how many callers, and what each of them does again and again."""

    name: str
    callers: int
    post: Callable[[int], Post]  # of a caller's number


class Bench:
    """A database with both ledgers, and the ways to post into them."""

    def __init__(self, database: Database, connections: list[asyncpg.Connection]) -> None:
        self.database = database
        self.grouped = GroupedPosting(database)
        self._connections = connections

    def ways(self) -> list[Way]:
        return [
            Way("four statements", 8, self._floor(floors.four_statements)),
            Way("one-call floor", 8, self._floor(floors.one_call)),
            Way("one-call floor in a transaction", 8, self._floor(floors.one_call_in_transaction)),
            Way("joined", 8, self._joined),
            Way("one-call floor", 32, self._floor(floors.one_call)),
            Way("grouped", 32, self._grouped(_random)),
            Way("grouped", 256, self._grouped(_random)),
            Way("grouped, with metadata", 256, self._grouped(_random, DETAILS)),
            Way("one-call floor, hot", 8, self._floor(floors.one_call, hot=True)),
            Way("joined, hot float", 8, self._joined_hot),
            Way("one-call floor, hot", 32, self._floor(floors.one_call, hot=True)),
            Way("grouped, hot wallet", 32, self._grouped(_into_one)),
            Way("grouped, hot wallet", 256, self._grouped(_into_one)),
            Way("grouped, hot float", 256, self._grouped(_into_float)),
        ]

    async def fill(self) -> None:
        """Money on every wallet, statistics for the planner."""
        opening = (Leg(FLOAT, wallet, floors.OPENING) for wallet in WALLETS)
        journals = (Journal(key=f"opening:{leg.credit.code}", kind="opening", legs=[leg]) for leg in opening)
        await asyncio.gather(*(self.grouped.post(journal) for journal in journals))
        await self._connections[0].execute("ANALYZE")

    def _floor(
        self, act: Callable[[asyncpg.Connection, bool], Awaitable[None]], *, hot: bool = False
    ) -> Callable[[int], Post]:
        return lambda caller: lambda: act(self._connections[caller], hot)

    def _joined(self, _: int) -> Post:
        return lambda: self._in_transaction(_random())

    def _joined_hot(self, _: int) -> Post:
        return lambda: self._in_transaction(_into_float())

    async def _in_transaction(self, leg: Leg) -> None:
        async with self.database.transaction() as tx:
            await post(tx, key=str(uuid4()), kind="transfer", legs=[leg])

    def _grouped(self, leg: Callable[[], Leg], details: dict[str, str] | None = None) -> Callable[[int], Post]:
        def act() -> Awaitable[object]:
            return self.grouped.post(Journal(key=str(uuid4()), kind="transfer", legs=[leg()], metadata=details))

        return lambda _: act


def _random() -> Leg:
    debited, credited = floors.two(hot=False)
    return Leg(WALLETS[debited - 1], WALLETS[credited - 1], 100)


def _into_one() -> Leg:
    return Leg(WALLETS[random.randint(2, floors.ACCOUNTS) - 1], WALLETS[0], 100)


def _into_float() -> Leg:
    return Leg(random.choice(WALLETS), FLOAT, 100)


async def rate(way: Way) -> float:
    """Journals a second over SECONDS, after a warm-up."""
    posted = 0
    over = False

    async def call(act: Post) -> None:
        nonlocal posted
        while not over:
            await act()
            posted += 1

    callers = [asyncio.create_task(call(way.post(number))) for number in range(way.callers)]
    await asyncio.sleep(WARM_SECONDS)
    before, begun = posted, time.perf_counter()
    await asyncio.sleep(SECONDS)
    measured = (posted - before) / (time.perf_counter() - begun)
    over = True
    await asyncio.gather(*callers)
    return measured


@contextmanager
def server() -> Iterator[EmbeddedServer]:
    """An embedded PostgreSQL of its own, durable as in production."""
    with tempfile.TemporaryDirectory() as directory:
        embedded = EmbeddedServer(Path(directory))
        embedded.own()
        try:
            embedded.start()
            yield embedded
        finally:
            embedded.close()


async def measure(url: str) -> dict[tuple[str, int], float]:
    """The median rate of each way, and how long an audit takes."""
    await migrate(url)
    database = Database(url, settings=Settings(), keys=Keyring(bytes(32)), connections=10)
    connections = [await asyncpg.connect(url) for _ in range(FLOOR_CONNECTIONS)]
    await floors.build(connections[0])
    bench = Bench(database, connections)
    await bench.fill()
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for way in bench.ways():
            rates.setdefault((way.name, way.callers), []).append(await rate(way))
    await bench.grouped.close()
    await _audited(database)
    for connection in connections:
        await connection.close()
    await database.close()
    return {name: median(measured) for name, measured in rates.items()}


async def _audited(database: Database) -> None:
    async with database.reading() as tx:
        driver = await tx.driver()
        await driver.execute("SET statement_timeout = 0")
        journals = await driver.fetchval("SELECT count(*) FROM journal")
        begun = time.perf_counter()
        async with database.transaction() as looking:
            await (await looking.driver()).execute("SET LOCAL statement_timeout = 0")
            findings = await audit(looking)
    seconds = time.perf_counter() - begun
    print(
        f"full audit: {journals:,} journals in {seconds:.1f} s, {seconds / journals * 1e6:.1f} s per million (gate 5)"
    )
    assert findings == [], findings


async def over_http(port: int) -> dict[str, float]:
    """Requests a second of the route that posts and of the one that does nothing."""
    rates: dict[str, list[float]] = {"nothing": [], "journals": []}
    for _ in range(ROUNDS):
        for path, measured in rates.items():
            target = Target("127.0.0.1", port, f"/{path}")
            result = await run(target, lambda: iter([b"{}"] * 100), connections=32, seconds=SECONDS)
            measured.append(result.per_second)
    return {path: median(measured) for path, measured in rates.items()}


def pgbench(url: str, clients: int) -> float | None:
    """`pgbench -N` on the same server; None where there is no pgbench."""
    program = shutil.which("pgbench")
    if program is None:
        return None
    subprocess.run([program, "-i", "-q", "-s", "10", url], check=True, capture_output=True)
    timed = [program, "-N", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(int(SECONDS)), url]
    told = subprocess.run(timed, check=True, capture_output=True, text=True).stdout
    return float(told.split("tps = ")[1].split()[0])


GATES = (
    # what, over what, at least
    (("joined", 8), ("one-call floor", 8), 0.6),
    (("joined", 8), ("four statements", 8), 2.0),
    (("grouped", 32), ("one-call floor", 32), 2.0),
    (("grouped", 256), ("one-call floor", 32), 2.0),
    (("grouped, hot wallet", 32), ("one-call floor, hot", 32), 2.0),
    (("grouped, hot wallet", 256), ("one-call floor, hot", 32), 2.0),
    (("grouped, hot wallet", 256), ("grouped", 256), 0.9),
    (("grouped, with metadata", 256), ("grouped", 256), 0.65),
)


def main() -> None:
    """Print the tables."""
    with server() as embedded:
        rates = uvloop.run(measure(embedded.url))
        with posting_routes(embedded.url) as port:
            http = uvloop.run(over_http(port))
        peers = {clients: pgbench(embedded.url, clients) for clients in (8, 32)}
    print(f"\nTwo-leg journals a second, medians of {ROUNDS} interleaved rounds")
    print(f"{'':36}{'callers':>8}{'per second':>12}")
    for (name, callers), measured in rates.items():
        print(f"{name:36}{callers:>8}{measured:>12,.0f}")
    for clients, measured in peers.items():
        print(f"{'pgbench -N':36}{clients:>8}{f'{measured:>12,.0f}' if measured else 'not here':>12}")
    for path, measured in http.items():
        print(f"{f'HTTP, 32 connections: /{path}':44}{measured:>12,.0f}")
    print(f"\n{'gate':64}{'ratio':>8}{'at least':>10}")
    for upper, lower, least in GATES:
        _gate(f"{upper[0]}, {upper[1]} / {lower[0]}, {lower[1]}", rates[upper] / rates[lower], least)
    _gate("HTTP, 32 connections: /journals / /nothing", http["journals"] / http["nothing"], 0.5)
    if peers[32] and peers[8]:
        _gate("one-call floor, 8 / pgbench -N, 8", rates["one-call floor", 8] / peers[8], 1.0)
        _gate("grouped, 32 / pgbench -N, 32", rates["grouped", 32] / peers[32], 2.0)
    print(f"\nmark: 40,000 at 256 callers; {rates['grouped', 256]:,.0f}\n")


def _gate(name: str, ratio: float, least: float) -> None:
    print(f"{name:64}{ratio:>8.2f}{least:>10.2f}{'' if ratio >= least else '  MISSED'}")


if __name__ == "__main__":
    main()
