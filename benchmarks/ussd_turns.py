"""A USSD turn through HTTP, receipts on, one web process, against a bare Litestar route on the same machine.

The mark: at least 35 % of the bare route's throughput, and p99 under 25 ms at half load. Each caller holds the talk
of a first order, on the demo's data: home, restaurants (on to the second page and back), a restaurant, its dishes
(on to the second page), two of them, the quarter (on to the second page), the landmark, the confirmation with its
quote, back, and home, where the saved cart is offered. Callers are known to the database; every talk is a new
session of another caller. A turn's database work is all in it: a dial is three statements, each cart save one.

Three processes share the machine's cores: this one, which makes the load, the web process, and PostgreSQL, which
only the turns use.
"""

import asyncio
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import uvloop

from benchmarks.load import Result, Target, run
from benchmarks.service import BARE_PATH, USSD_PATH, bare_route, service_database, web_process
from core.crypto import Keyring
from core.database import Database

KEYS = ("2", "98", "0", "3", "98", "12", "98", "9", "1", "0", "00")  # after the dial
TALK = tuple("*".join(KEYS[:typed]) for typed in range(len(KEYS) + 1))
CALLERS = 100_000
CONNECTIONS = 32
SECONDS = 6.0
ROUNDS = 3
MARK_RATIO = 0.35
MARK_P99_MS = 25.0


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


async def measure(bare: Target, ussd: Target) -> None:
    callers = Callers()
    await run(ussd, callers.talk, connections=CONNECTIONS, seconds=2.0)  # warm: caches, prepared statements
    rounds: list[tuple[Result, Result]] = []
    for _ in range(ROUNDS):
        floor = await run(bare, callers.talk, connections=CONNECTIONS, seconds=SECONDS)
        turns = await run(ussd, callers.talk, connections=CONNECTIONS, seconds=SECONDS)
        rounds.append((floor, turns))
    floor, turns = sorted(rounds, key=lambda pair: pair[1].per_second / pair[0].per_second)[ROUNDS // 2]
    half = await run(ussd, callers.talk, connections=CONNECTIONS, seconds=SECONDS, per_second=turns.per_second / 2)
    ratio = turns.per_second / floor.per_second
    print(f"USSD turns over HTTP, one web process, {CONNECTIONS} connections, median of {ROUNDS} rounds")
    print(f"{'':34}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for name, result in (("bare Litestar route", floor), ("full turn", turns), ("full turn at half load", half)):
        row = f"{result.per_second:>12,.0f}{result.percentile_ms(0.5):>10.1f}{result.percentile_ms(0.99):>10.1f}"
        print(f"{name:34}{row}")
    print(
        f"ratio {ratio:.0%} (mark {MARK_RATIO:.0%}); "
        f"p99 at half load {half.percentile_ms(0.99):.1f} ms (mark {MARK_P99_MS})"
    )


def main() -> None:
    """Print the table."""
    with service_database() as variables:
        asyncio.run(add_callers_to(variables))
        with bare_route() as bare_port, web_process(variables) as web_port:
            bare = Target("127.0.0.1", bare_port, BARE_PATH)
            ussd = Target("127.0.0.1", web_port, USSD_PATH)
            uvloop.run(measure(bare, ussd))


async def add_callers_to(variables: dict[str, str]) -> None:
    from core.settings import load_settings
    from gateway.parts import make_parts

    parts = make_parts(load_settings(variables), connections=2)
    try:
        await add_callers(parts.database)
    finally:
        await parts.close()


if __name__ == "__main__":
    main()
