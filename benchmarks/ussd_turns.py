"""A USSD turn through HTTP, receipts on, one web process, against a bare Litestar route on the same machine.

The mark: with sessions in Redis at least half of the bare route's throughput, the same with 100 and with 10,000 open
sessions, and p99 under 25 ms at half load. Beside it: sessions in process and in PostgreSQL, and a route that does no
more than two Redis scripts through redis-py. Each caller holds the talk of a first order, on the demo's data: home,
restaurants (on to the second page and back), a restaurant, its dishes (on to the second page), two of them, the quarter
(on to the second page), the landmark, the confirmation with its quote, back, and home, where the saved cart is offered.
Callers are known to the database; every talk is a new session of another caller. A turn's database work is all in it: a
dial is three statements, each cart save one.

This process, which makes the load, the web process, PostgreSQL and Redis share the machine's cores; the last two only
the turns use. So the processor's time tells more than the clock: what the web process alone takes for a request.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count, cycle, islice
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import uvloop

from benchmarks import processor
from benchmarks.load import Result, Script, Target, run
from benchmarks.service import (
    BARE_PATH,
    TWO_SCRIPTS_PATH,
    USSD_PATH,
    Served,
    bare_route,
    service_database,
    two_scripts_route,
    web_process,
)
from core.crypto import Keyring
from core.database import Database
from tests.support.redis import running_redis

KEYS = ("2", "98", "0", "3", "98", "12", "98", "9", "1", "0", "00")  # after the dial
TALK = tuple("*".join(KEYS[:typed]) for typed in range(len(KEYS) + 1))
CALLERS = 100_000
CONNECTIONS = 32
OPEN_SESSIONS = (100, 1_000, 10_000)
SECONDS = 6.0
ROUNDS = 3
MARK_RATIO = 0.5
MARK_P99_MS = 25.0
BARE, TWO_SCRIPTS, REDIS = "bare Litestar route", "two scripts through redis-py", "turn, sessions in Redis"


class Callers:
    """Hands out one known caller per talk."""

    def __init__(self) -> None:
        self._numbers = count()

    def talk(self) -> Iterator[bytes]:
        """The bodies of one talk."""
        number = next(self._numbers)
        common = urlencode(
            {
                "sessionId": f"ATUid_{number}",
                "phoneNumber": phone(number % CALLERS),
                "networkCode": "99999",
                "serviceCode": "*237*1#",
            }
        )
        for transcript in TALK:
            yield f"{common}&text={transcript}".encode()


class OpenTalks:
    """So many talks at once, each connection holding its share of them: a turn of one after a turn of the other."""

    def __init__(self, callers: Callers, talks: int) -> None:
        self._callers = callers
        self._shares = [[callers.talk() for _ in range(talks // CONNECTIONS)] for _ in range(CONNECTIONS)]

    def opening(self) -> Script:
        """Every talk up to somewhere in its middle; each connection ends when its talks have come so far."""
        shares = iter(self._shares)

        def prelude() -> Iterator[bytes]:
            for number, talk in enumerate(next(shares, [])):
                yield from islice(talk, 1 + number % (len(TALK) - 1))

        return prelude

    def going_on(self) -> Script:
        """All talks, for as long as it takes; a new one for each that ends."""
        shares = cycle(self._shares)

        def interleaved() -> Iterator[bytes]:
            share = next(shares)
            for place in cycle(range(len(share))):
                if (body := next(share[place], None)) is None:
                    share[place] = self._callers.talk()
                    body = next(share[place])
                yield body

        return interleaved


def phone(number: int) -> str:
    return f"+23767{number:07d}"


async def add_callers(database: Database) -> None:
    """Persons who have chosen their language, so that the talk begins at home."""
    keys: Keyring = database.keys
    now = database.clock.now()
    rows = [(uuid4(), keys.encrypt(phone(n)), keys.blind_index(phone(n)), "fr", now) for n in range(CALLERS)]
    connection = await asyncpg.connect(database.url)
    try:
        await connection.copy_records_to_table(
            "person", records=rows, columns=["id", "phone", "phone_index", "language", "created_at"]
        )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


class Row(NamedTuple):
    """How fast one of them answered, and what each request took of its processor."""

    result: Result
    processor_us: float


class Rival:
    """A process under load."""

    def __init__(self, served: Served, path: str) -> None:
        self._target = Target("127.0.0.1", served.port, path)
        self._pid = served.pid

    async def race(self, script: Script, *, seconds: float = SECONDS, per_second: float | None = None) -> Row:
        before = processor.seconds(self._pid)
        result = await run(self._target, script, connections=CONNECTIONS, seconds=seconds, per_second=per_second)
        return Row(result, (processor.seconds(self._pid) - before) / result.requests * 1e6)


async def measure(rivals: dict[str, Rival]) -> None:
    """Everybody in turns, so that a busy moment of the machine hits all alike."""
    callers = Callers()
    for rival in rivals.values():
        await rival.race(callers.talk, seconds=2.0)  # warm: caches, prepared statements
    rounds = [{name: await rival.race(callers.talk) for name, rival in rivals.items()} for _ in range(ROUNDS)]
    floors = [row[BARE] for row in rounds]
    print(f"USSD turns over HTTP, one web process, {CONNECTIONS} connections, medians of {ROUNDS} rounds")
    print(f"{'':34}{'per second':>12}{'of bare':>9}{'processor us':>14}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name in rivals:
        show(name, [row[name] for row in rounds], floors)
    redis = rivals[REDIS]
    for number in OPEN_SESSIONS:
        talks = OpenTalks(callers, number)
        await redis.race(talks.opening(), seconds=math.inf)
        pairs = [(await redis.race(talks.going_on()), await rivals[BARE].race(callers.talk)) for _ in range(ROUNDS)]
        show(f"Redis, {number:,} open sessions", [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    half = median([row[REDIS].result.per_second for row in rounds]) / 2
    even = [await redis.race(callers.talk, per_second=half) for _ in range(ROUNDS)]
    show("Redis, at half load", even, floors)
    share = median([row[REDIS].result.per_second / row[BARE].result.per_second for row in rounds])
    late = median([row.result.percentile_ms(0.99) for row in even])
    print(f"ratio {share:.0%} (mark {MARK_RATIO:.0%}); p99 at half load {late:.1f} ms (mark {MARK_P99_MS})")


def show(name: str, rows: Sequence[Row], floors: Sequence[Row]) -> None:
    """One line: medians, and medians of the ratios of what ran in the same round."""
    per_second = median([row.result.per_second for row in rows])
    of_bare = median([row.result.per_second / floor.result.per_second for row, floor in zip(rows, floors, strict=True)])
    taken = median([row.processor_us for row in rows])
    of_taken = median([floor.processor_us / row.processor_us for row, floor in zip(rows, floors, strict=True)])
    waits = [median([row.result.percentile_ms(share) for row in rows]) for share in (0.5, 0.99)]
    print(
        f"{name:34}{per_second:>12,.0f}{of_bare:>9.0%}{taken:>14.0f}{of_taken:>9.0%}{waits[0]:>9.1f}{waits[1]:>9.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    with ExitStack() as stack:
        variables = stack.enter_context(service_database())
        redis_url = stack.enter_context(running_redis())
        asyncio.run(add_callers_to(variables))
        rivals = {
            BARE: Rival(stack.enter_context(bare_route()), BARE_PATH),
            TWO_SCRIPTS: Rival(stack.enter_context(two_scripts_route(redis_url)), TWO_SCRIPTS_PATH),
        }
        stores = {"turn, sessions in process": "memory", REDIS: "redis", "turn, sessions in PostgreSQL": "postgres"}
        for name, store in stores.items():
            served = web_process({**variables, "REDIS_URL": redis_url, "USSD_SESSIONS": store})
            rivals[name] = Rival(stack.enter_context(served), USSD_PATH)
        uvloop.run(measure(rivals))


async def add_callers_to(variables: dict[str, str]) -> None:
    """Fill the database of `variables`."""
    from core.settings import load_settings
    from gateway.parts import make_parts

    parts = make_parts(load_settings(variables), connections=2)
    try:
        await add_callers(parts.database)
    finally:
        await parts.close()


if __name__ == "__main__":
    main()
