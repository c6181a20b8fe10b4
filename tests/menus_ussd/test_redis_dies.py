"""Redis is killed while callers order, over HTTP and through two web processes: nobody is lost, nothing is doubled."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from channels.ussd.routes import turns_first
from core.clock import SharedClock
from core.crypto import Keyring
from core.database import Database
from core.gsm import fold
from core.limits import limits_of
from core.settings import Settings
from core.texts import say
from gateway.app import create_app
from gateway.parts import Parts
from gateway.seed import seed
from marketplace.ordering.tables import customer_order
from tests.support.redis import RedisServer
from tests.support.servers import serve

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

CALLERS = 12
PATIENCE_SECONDS = 240.0
# What callers look for on a page, in this order; else they take its first line.
WANTED = ("ussd.option.mobile_money", "ussd.option.go_on", "ussd.home.order")


@contextmanager
def web_process(database_url: str, redis: RedisServer, settings: Settings, keys: Keyring, clock: Path) -> Iterator[str]:
    """The URL of the service on that Redis, with everything of its own that a process has."""
    settings = msgspec.structs.replace(settings, redis_url=redis.url, rate_orders="1000/minute")
    database = Database(database_url, settings=settings, keys=keys, clock=SharedClock(clock))
    parts = Parts(settings=settings, database=database, limits=limits_of(database))
    with serve(turns_first(create_app(parts))) as url:
        yield url


class Caller:
    """Somebody who wants one meal, reads what is shown, and dials again when told to."""

    def __init__(self, http: httpx.AsyncClient, webs: list[str], number: int) -> None:
        self.http = http
        self.webs = webs[number % 2 :] + webs[: number % 2]
        self.phone = f"+23767000{number:04d}"
        self.language = ("fr", "en", "pcm")[number % 3]
        self.sessions = 0
        self.ends: list[str] = []

    async def order(self) -> None:
        while not self.ends or not self.ordered(self.ends[-1]):
            self.sessions += 1
            typed: list[str] = []
            while (page := await self.send(typed)).startswith("CON "):
                typed.append(self.answer(page.removeprefix("CON ")))
            self.ends.append(page.removeprefix("END "))

    async def send(self, typed: list[str]) -> str:
        """Each request comes twice, at once and to both processes; the caller reads the answer to one of them."""
        form = {"sessionId": f"{self.phone}:{self.sessions}", "phoneNumber": self.phone, "text": "*".join(typed)}
        form |= {"serviceCode": "*237*1#", "networkCode": "99999"}
        first, second = await asyncio.gather(
            *(self.http.post(f"{web}/ussd/africastalking/demo", data=form) for web in self.webs)
        )
        assert first.status_code == second.status_code == 200
        return str(first.text)

    def answer(self, page: str) -> str:
        options = [line.partition(" ") for line in page.split("\n") if line[:1].isdigit() and line[1:2] == " "]
        labels = {label: key for key, _, label in options}
        if "Langue / Language" in page:
            return labels[self.read("ussd.language.name")]
        wanted = [self.read(key) for key in WANTED]
        return next((labels[label] for label in wanted if label in labels), options[0][0])

    def read(self, key: str) -> str:
        return fold(say(self.language, key, service_code="*237*1#"))

    def ordered(self, end: str) -> bool:
        return re.match(r"(Commande|Order) \d{4}, ", end) is not None


@pytest.fixture
def clock_file(tmp_path: Path) -> Path:
    SharedClock.make(tmp_path / "clock", datetime(2026, 11, 21, 11, 0, tzinfo=UTC))
    return tmp_path / "clock"


async def test_each_caller_gets_exactly_one_order_while_redis_dies_and_comes_back(
    database: Database,
    database_url: str,
    own_redis: RedisServer,
    settings: Settings,
    keys: Keyring,
    clock_file: Path,
) -> None:
    await seed(database)
    with ExitStack() as stack:
        webs = [stack.enter_context(web_process(database_url, own_redis, settings, keys, clock_file)) for _ in "ab"]
        async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(timeout=60) as http:
            callers = [Caller(http, webs, number) for number in range(CALLERS)]
            calls = [asyncio.create_task(caller.order()) for caller in callers]
            await placed(database, 2)
            own_redis.kill()
            await placed(database, 6)
            own_redis.start()
            await asyncio.gather(*calls)
    async with database.reading() as tx:
        by_person = await tx.all(select(func.count(customer_order.c.id)).group_by(customer_order.c.person_id))
    assert [count for (count,) in by_person] == [1] * CALLERS
    for caller in callers:
        polite = {caller.read(key) for key in ("ussd.dial_again", "ussd.trouble", "ussd.slow")}
        assert set(caller.ends[:-1]) <= polite


async def placed(database: Database, count: int) -> None:
    """Return when so many orders were placed."""
    while True:
        async with database.reading() as tx:
            if await tx.value(select(func.count()).select_from(customer_order)) >= count:
                return
        await asyncio.sleep(0.01)
