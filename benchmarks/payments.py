"""Collections from PREPARED to PAID by one worker, against the simulated CamPay over HTTP; and what a sweep costs.

Marks: 300 collections a second with at most 2 open transactions per hundred attempts under way; the query for what is
due under 20 ms with 50,000 pending. The floor is the two requests of a collection alone, by the same adapter against
the same simulator, with no database: what the wire and the simulator leave for everything else. The five seconds
before a first read are in the time. The worker, the simulator and PostgreSQL share the machine's cores; what the
worker takes of them is told beside, since it does not depend on the neighbours.
"""

import asyncio
import time
from statistics import mean, median
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import httpx
import uvloop
from sqlalchemy import text

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

COLLECTIONS = 3000
FLOOR_COLLECTIONS = 1500
AT_ONCE = 100
PENDING = 50_000
MARK_PER_SECOND = 300
MARK_TRANSACTIONS = 2.0
MARK_SWEEP_MS = 20.0


class Speed(NamedTuple):
    """How fast collections went, and what each took of this process's processor."""

    per_second: float
    processor_ms: float


class Driven(NamedTuple):
    """What one worker did."""

    speed: Speed
    transactions: list[float]  # open ones per hundred attempts under way, sampled


class Stopwatch:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def speed(self, collections: int) -> Speed:
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        return Speed(collections / wall, processor * 1000 / collections)


async def _nothing(tx: Tx, payment: Payment) -> None:
    """A house that wants nothing: the order's own work is not payments'."""


async def floor(settings: Settings) -> Speed:
    """Collections of which only the two requests are made."""
    adapter = Campay(settings)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            answer = await adapter.send(Request(new_reference(), Kind.COLLECT, 1000, phone(number), "mtn", "bench"))
            assert answer.ref is not None, answer.detail
            assert await adapter.read(answer.ref, Kind.COLLECT) is not None

    await one(0)
    watch = Stopwatch()
    await asyncio.gather(*(one(number) for number in range(FLOOR_COLLECTIONS)))
    speed = watch.speed(FLOOR_COLLECTIONS)
    await adapter.close()
    return speed


async def ask(database: Database) -> None:
    """What the worker will find: collections, each with its first attempt and its job."""
    for number in range(COLLECTIONS):
        async with database.transaction() as tx:
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


async def drive(database: Database, settings: Settings) -> Driven:
    """One worker, from its start until all are paid."""
    adapter = Campay(settings)
    engine = Engine(database, (adapter,), Outcomes(*[_nothing] * 5))
    worker = Worker(database, handlers={attempts.JOB: engine.advance}, sweeps=(Sweep("payments", 1.0, engine.sweep),))
    connection = await asyncpg.connect(database.url)
    watch, paid, transactions = Stopwatch(), 0, []
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(300):
        while paid < COLLECTIONS:
            await asyncio.sleep(0.25)
            row = await connection.fetchrow(_WATCH)
            paid = row["paid"]
            if row["under_way"] >= AT_ONCE:
                transactions.append(100 * row["open"] / row["under_way"])
    speed = watch.speed(COLLECTIONS)
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


async def measure(variables: dict[str, str], simulator_url: str) -> None:
    settings = load_settings(variables, campay_url=f"{simulator_url}/campay/api")
    # Everybody approves at once, and only the reads tell.
    asked = ("payer", "approves"), ("campay.callback", "no_callback")
    faults = [{"call": call, "kind": kind, "count": 10_000, "seconds": 0} for call, kind in asked]
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.put(f"{simulator_url}/simulator/faults", json={"faults": faults})).raise_for_status()
    parts = make_parts(settings, connections=settings.worker_connections)
    try:
        bare = await floor(settings)
        await ask(parts.database)
        driven = await drive(parts.database, settings)
        took = await sweep_ms(parts.database)
    finally:
        await parts.close()
    print("Collections from PREPARED to PAID, one worker against the simulator")
    print(f"{'':34}{'per second':>12}{'processor ms':>14}")
    for name, speed in (("the two requests alone", bare), ("the whole collection", driven.speed)):
        print(f"{name:34}{speed.per_second:>12,.0f}{speed.processor_ms:>14.1f}")
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
    with service_database() as variables, simulator_process(variables) as url:
        uvloop.run(measure(variables, url))


if __name__ == "__main__":
    main()
