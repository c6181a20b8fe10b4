"""Collections from PREPARED to PAID by one worker, against the simulated CamPay over HTTP; and what a sweep costs.

Marks: 300 collections a second with at most 2 open transactions per hundred attempts under way; the query for what is
due under 20 ms with 50,000 pending. The floor is the two requests of a collection alone, by the same adapter against
the same simulator, with no database: what the wire and the simulator leave for everything else. The five seconds
before a first read are in the time. The worker, the simulator and PostgreSQL share the machine's cores; what each
takes of them is told beside, since it depends less on neighbours. `python -m benchmarks.payments 1000`: so many only.
"""

import asyncio
import sys
import time
from statistics import mean, median
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import httpx
import uvloop
from sqlalchemy import text

from benchmarks import processor
from benchmarks.service import service_database, simulator_process
from core.database import Database, Tx
from core.ids import new_reference
from core.logs import configure_logging
from core.settings import Settings, load_settings
from gateway.parts import make_parts
from gateway.worker import Sweep, Worker
from ledger.chart import escrow
from payments import attempts, due, service
from payments.engine import Engine
from payments.outcomes import Outcomes, Payment
from payments.providers.campay import Campay
from payments.providers.protocol import Request
from payments.states import Kind

COLLECTIONS = 6000
FLOOR_SHARE = 4  # for the floor, one collection in so many
AT_ONCE = 100
PENDING = 50_000
MARK_PER_SECOND = 300
MARK_TRANSACTIONS = 2.0
MARK_SWEEP_MS = 20.0


class Speed(NamedTuple):
    """How fast collections went, and what each took of the processor."""

    per_second: float
    worker_ms: float
    simulator_ms: float
    database_ms: float


class Driven(NamedTuple):
    """What one worker did."""

    speed: Speed
    transactions: list[float]  # open ones per hundred attempts under way, sampled


class Stopwatch:
    """Begins when it is made. The worker is this process."""

    def __init__(self, simulator_pid: int, postmaster_pid: int) -> None:
        self._pids = simulator_pid, postmaster_pid
        self._begun = time.perf_counter()
        self._taken = self._taken_by_each()

    def _taken_by_each(self) -> tuple[float, ...]:
        return time.process_time(), *map(processor.seconds, self._pids)

    def speed(self, collections: int) -> Speed:
        wall = time.perf_counter() - self._begun
        taken = (after - before for before, after in zip(self._taken, self._taken_by_each(), strict=True))
        return Speed(collections / wall, *(seconds * 1000 / collections for seconds in taken))


class Bench(NamedTuple):
    """What is measured on."""

    database: Database
    settings: Settings
    simulator_pid: int
    postmaster_pid: int
    collections: int

    def watch(self) -> Stopwatch:
        return Stopwatch(self.simulator_pid, self.postmaster_pid)


async def _nothing(tx: Tx, payment: Payment) -> None:
    """A house that wants nothing: the order's own work is not payments'."""


async def floor(bench: Bench) -> Speed:
    """Collections of which only the two requests are made."""
    adapter = Campay(bench.settings)
    places, collections = asyncio.Semaphore(AT_ONCE), bench.collections // FLOOR_SHARE

    async def one(number: int) -> None:
        async with places:
            answer = await adapter.send(Request(new_reference(), Kind.COLLECT, 1000, phone(number), "mtn", "bench"))
            assert answer.ref is not None, answer.detail
            assert await adapter.read(answer.ref, Kind.COLLECT) is not None

    await one(0)
    watch = bench.watch()
    await asyncio.gather(*(one(number) for number in range(collections)))
    speed = watch.speed(collections)
    await adapter.close()
    return speed


async def ask(bench: Bench) -> None:
    """What the worker will find: collections, each with its first attempt and its job."""
    for number in range(bench.collections):
        async with bench.database.transaction() as tx:
            order = uuid4()
            await service.request_collection(
                tx,
                purpose="bench",
                reference=order,
                amount_xaf=1000,
                phone=phone(number),
                credit=escrow(order),
                key=f"bench:{number}",
            )


async def drive(bench: Bench) -> Driven:
    """One worker, from its start until all are paid."""
    database, adapter = bench.database, Campay(bench.settings)
    engine = Engine(database, (adapter,), Outcomes(*[_nothing] * 5))
    worker = Worker(database, handlers={attempts.JOB: engine.advance}, sweeps=(Sweep("payments", 1.0, engine.sweep),))
    connection = await asyncpg.connect(database.url)
    watch, paid, transactions = bench.watch(), 0, []
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(300):
        while paid < bench.collections:
            await asyncio.sleep(0.25)
            row = await connection.fetchrow(_WATCH)
            paid = row["paid"]
            if row["under_way"] >= AT_ONCE:
                transactions.append(100 * row["open"] / row["under_way"])
    speed = watch.speed(bench.collections)
    worker.stop()
    await asyncio.gather(working, connection.close(), adapter.close())
    return Driven(speed, transactions)


_WATCH = """
    SELECT (SELECT count(*) FROM payment WHERE state = 'PAID') AS paid,
           (SELECT count(*) FROM attempt WHERE state IN ('SENT', 'PENDING', 'UNKNOWN')) AS under_way,
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL
            AND pid <> pg_backend_pid()) AS open
"""

_MANY = text("""
WITH owed AS (
    INSERT INTO payment (id, kind, purpose, reference, key, amount_xaf, phone, phone_index, carrier, account, state,
                         created_at)
    SELECT gen_random_uuid(), 'collect', 'bench', gen_random_uuid(), 'pending:' || n, 1000, '\\x00', '\\x00', 'mtn',
           '{}', 'OPEN', now()
    FROM generate_series(1, :pending) AS n RETURNING id
)
INSERT INTO attempt (id, payment_id, kind, provider, carrier, phone_index, amount_xaf, state, provider_ref, postponed,
                     created_at, sent_at, next_check_at, reads, in_transit)
SELECT gen_random_uuid(), id, 'collect', 'campay', 'mtn', '\\x00', 1000, 'PENDING', gen_random_uuid(), false, now(),
       now(), now() + make_interval(secs => row_number() OVER () / 100 - 100), 1, false
FROM owed
""")


async def sweep_ms(database: Database) -> list[float]:
    """How long it takes to find what is due among many that are pending."""
    async with database.transaction() as tx:
        await tx.execute(_MANY, {"pending": PENDING})
    async with database.reading() as tx:
        await tx.execute(text("ANALYZE attempt"))
    took = []
    for _ in range(50):
        async with database.reading() as tx:
            begun = time.perf_counter()
            found = await due.oldest(tx, slow=[], limit=AT_ONCE)
            took.append((time.perf_counter() - begun) * 1000)
            assert len(found) == AT_ONCE
    return took


def phone(number: int) -> str:
    return f"+23767{number:07d}"


async def postmaster(database: Database) -> int:
    """The pid of the server that all connections' processes come from."""
    async with database.reading() as tx:
        return processor.parent(await tx.value(text("SELECT pg_backend_pid()")))


async def everybody_approves(simulator_url: str) -> None:
    """At once, and only the reads tell."""
    asked = ("payer", "approves"), ("campay.callback", "no_callback")
    faults = [{"call": call, "kind": kind, "count": 10_000, "seconds": 0} for call, kind in asked]
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.put(f"{simulator_url}/simulator/faults", json={"faults": faults})).raise_for_status()


async def measure(variables: dict[str, str], simulator_url: str, simulator_pid: int, collections: int) -> None:
    settings = load_settings(variables, campay_url=f"{simulator_url}/campay/api")
    await everybody_approves(simulator_url)
    parts = make_parts(settings, connections=settings.worker_connections)
    try:
        bench = Bench(parts.database, settings, simulator_pid, await postmaster(parts.database), collections)
        bare = await floor(bench)
        await ask(bench)
        driven = await drive(bench)
        took = await sweep_ms(parts.database)
    finally:
        await parts.close()
    print("Collections from PREPARED to PAID, one worker against the simulator; processor ms of each process")
    print(f"{'':34}{'per second':>12}{'worker':>12}{'simulator':>12}{'PostgreSQL':>12}")
    for name, speed in (("the two requests alone", bare), ("the whole collection", driven.speed)):
        taken = "".join(f"{milliseconds:>12.2f}" for milliseconds in speed[1:])
        print(f"{name:34}{speed.per_second:>12,.0f}{taken}")
    print(f"mark {MARK_PER_SECOND} a second")
    print(
        f"open transactions per hundred under way: mean {mean(driven.transactions):.2f}, "
        f"most {max(driven.transactions):.2f} (mark {MARK_TRANSACTIONS})"
    )
    print(
        f"finding {AT_ONCE} due among {PENDING:,} pending: median {median(took):.1f} ms, "
        f"slowest {max(took):.1f} ms (mark {MARK_SWEEP_MS})\n"
    )


def main() -> None:
    """Print the table."""
    configure_logging(service="bench")
    collections = int(sys.argv[1]) if len(sys.argv) > 1 else COLLECTIONS
    with service_database() as variables, simulator_process(variables) as (url, pid):
        uvloop.run(measure(variables, url, pid, collections))


if __name__ == "__main__":
    main()
