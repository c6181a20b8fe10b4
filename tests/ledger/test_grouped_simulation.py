"""The flusher against a server that holds, loses and mixes up its answers: a seed is a run, to the last microsecond.

The server is a dictionary; what is tested is what the flusher tells its callers about it.
"""

import asyncio
import random
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest

from core.clock import ManualClock
from core.database import Database
from core.effects import KeyReused
from core.errors import GatewayError
from core.settings import Settings
from ledger import chart
from ledger.errors import InsufficientFunds, LedgerBusy, PostingUnknown
from ledger.grouped import GroupedPosting
from ledger.journals import MAX_LEGS_TOGETHER, Journal, Leg, Posted, _details, _fingerprint
from tests.support.simulated import SimulatedLoop

ACCOUNTS = [chart.Account(f"wallet:{n}", "liability") for n in range(6)]
POOR = chart.Account("wallet:poor", "liability")  # nothing ever leaves it
ODD = chart.Account("wallet:odd", "liability")  # whatever names it is a fault that has no name


@pytest.fixture(autouse=True)
def patient() -> None:
    """Time is simulated here, and so is everybody's patience: the real one."""


class Server:
    """Does all of a call or nothing, as PostgreSQL does; when and whether it answers is up to the dice."""

    def __init__(self, dice: random.Random, trouble: float) -> None:
        self.dice = dice
        self.trouble = trouble
        self.journals: dict[str, tuple[int, bytes]] = {}
        self.seen: dict[str, list[bytes]] = defaultdict(list)  # per key, what was asked, in the order of doing
        self.locked: set[str] = set()
        self.connections = 0

    async def connect(self, **_: str) -> "Connection":
        await asyncio.sleep(self.dice.expovariate(100))
        if self.dice.random() < self.trouble:
            raise ConnectionRefusedError
        self.connections += 1
        return Connection(self)

    async def strangers(self) -> None:
        """Keep some account locked now and then, sometimes for longer than anybody has patience."""
        while True:
            await asyncio.sleep(self.dice.expovariate(2))
            account = self.dice.choice([*(account.code for account in ACCOUNTS), "key:3", "key:7"])
            self.locked.add(account)
            await asyncio.sleep(self.dice.choice([0.05, 1.0, 8.0]))
            self.locked.discard(account)

    def post(self, judging: bool, columns: tuple[list[Any], ...]) -> list[list[int]]:
        keys, fingerprints = columns[0], columns[1]
        codes, numbers, debits, credits = columns[8], columns[14], columns[15], columns[16]
        sides = {number: set[str]() for number in numbers}
        drawn = {number: set[str]() for number in numbers}
        for number, debit, credit in zip(numbers, debits, credits, strict=True):
            sides[number] |= {codes[debit - 1], codes[credit - 1]}
            drawn[number].add(codes[debit - 1])
        heads = [(key, hash_) for key, hash_ in zip(keys, fingerprints, strict=True) if key is not None]
        if any(self.locked & side for side in sides.values()) or any(f"key:{key}" in self.locked for key, _ in heads):
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
        if any(ODD.code in side for side in sides.values()):
            raise asyncpg.DataError("something odd")
        for key, hash_ in heads:
            if hash_ not in self.seen[key]:
                self.seen[key].append(hash_)
        verdicts = []
        for number, (key, hash_) in enumerate(heads, start=1):
            if key in self.journals:
                verdicts.append(1 if self.journals[key][1] == hash_ else 2)
            else:
                verdicts.append(3 if POOR.code in drawn[number] else 0)
        if not judging and max(verdicts) > 1:
            problem = asyncpg.RaiseError("no")
            problem.sqlstate = "LE002" if 2 in verdicts else None
            problem.constraint_name = "ck_account_floor"
            raise problem
        for (key, hash_), verdict in zip(heads, verdicts, strict=True):
            if verdict == 0:
                self.journals[key] = (len(self.journals) + 1, hash_)
        return [[self.journals[key][0] if v < 2 else 0 for (key, _), v in zip(heads, verdicts, strict=True)], verdicts]


class Connection:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.open = True

    async def fetchrow(self, _: str, judging: bool, *columns: Any) -> list[list[int]]:
        await self._trouble()
        try:
            done = self.server.post(judging, columns)
        finally:
            await self._trouble()
        return done

    async def fetchval(self, _: str, codes: list[str]) -> list[str]:
        await self._trouble()
        return [code for code in codes if code in self.server.locked]

    async def _trouble(self) -> None:
        """A while on the way, and perhaps the end of the connection."""
        assert self.open, "a lost connection is used again"
        dice = self.server.dice
        await asyncio.sleep(dice.choice([0.0, dice.expovariate(1000), dice.expovariate(20)]))
        if dice.random() < self.server.trouble:
            self.open = False
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def is_closed(self) -> bool:
        return not self.open

    def terminate(self) -> None:
        self.open = False

    async def close(self) -> None:
        assert self.open


class Caller:
    """Somebody who posts one journal, and may lose patience."""

    def __init__(self, journal: Journal, patience: float | None) -> None:
        self.journal = journal
        self.patience = patience
        self.outcome: Posted | Exception | None = None  # None: left
        self.verdicts = 0

    async def call(self, poster: GroupedPosting) -> None:
        try:
            async with asyncio.timeout(self.patience):
                self.outcome = await poster.post(self.journal)
        except TimeoutError:
            return
        except Exception as refusal:
            self.outcome = refusal
        self.verdicts += 1


def journal(dice: random.Random, keys: int) -> Journal:
    debit, credit = dice.sample(ACCOUNTS, 2)
    if dice.random() < 0.1:
        debit = POOR
    if dice.random() < 0.02:
        credit = ODD
    return Journal(key=str(dice.randrange(keys)), kind="simulated", legs=[Leg(debit, credit, dice.randint(1, 3))])


class Standing(Server):
    """Stands still in the middle of its first call until `go`."""

    def __init__(self) -> None:
        super().__init__(random.Random(0), 0.0)
        self.go = asyncio.Event()
        self.calls: list[int] = []  # how many journals each of them brought

    def post(self, judging: bool, columns: tuple[list[Any], ...]) -> list[list[int]]:
        self.calls.append(len(columns[0]))
        return super().post(judging, columns)

    async def connect(self, **_: str) -> "Connection":
        return StandingConnection(self)


class StandingConnection(Connection):
    async def fetchrow(self, statement: str, judging: bool, *columns: Any) -> list[list[int]]:
        answer = self.server.post(judging, columns)
        if len(cast(Standing, self.server).calls) == 1:
            await cast(Standing, self.server).go.wait()
        return answer


async def _behind(first: int, later: int) -> Standing:
    """Journals that arrive while a lane is writing; returns when the later ones have their verdicts."""
    server = Standing()
    database = SimpleNamespace(settings=Settings(), clock=ManualClock(), drivers=server)
    poster = GroupedPosting(cast(Database, database))

    def several(of: str, count: int) -> list[asyncio.Task[Posted]]:
        legs = [Leg(*ACCOUNTS[:2], 1)]
        return [asyncio.create_task(poster.post(Journal(key=f"{of}{n}", kind="k", legs=legs))) for n in range(count)]

    slow = several("first", first)
    while not server.calls:
        await asyncio.sleep(0)
    later_ones = several("later", later)
    await asyncio.sleep(0.001)
    if later < 64:
        assert server.calls == [first], "a few wait for the lane that writes"
    async with asyncio.timeout(3600):
        await asyncio.gather(*later_ones)
    assert not any(task.done() for task in slow)
    server.go.set()
    await asyncio.gather(*slow)
    await poster.close()
    return server


def test_a_few_wait_for_the_lane_that_writes_but_not_for_ever() -> None:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        assert runner.run(_behind(3, 5)).calls == [3, 5]


def test_many_do_not_wait_for_the_lane_that_writes() -> None:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        assert runner.run(_behind(3, 100)).calls[:2] == [3, 100]


async def _wide(journals: int, legs_each: int) -> list[int]:
    """How many legs each call brought."""
    server = Standing()
    server.go.set()
    database = SimpleNamespace(settings=Settings(), clock=ManualClock(), drivers=server)
    poster = GroupedPosting(cast(Database, database))
    legs = [Leg(*ACCOUNTS[:2], 1)] * legs_each
    await asyncio.gather(*(poster.post(Journal(key=str(n), kind="wide", legs=legs)) for n in range(journals)))
    await poster.close()
    return server.calls


def test_no_batch_has_more_legs_than_the_database_should_take_at_once() -> None:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        calls = runner.run(_wide(30, 700))
    assert sum(calls) == 30 * 700
    assert max(calls) == 7 * 700 <= MAX_LEGS_TOGETHER


async def simulate(seed: int, *, callers: int = 300, trouble: float = 0.05) -> tuple[Server, list[Caller]]:
    dice = random.Random(seed)
    server = Server(dice, trouble)
    database = SimpleNamespace(
        settings=Settings(ledger_queue=dice.choice([50, 10_000])), clock=ManualClock(), drivers=server
    )
    poster = GroupedPosting(cast(Database, database))
    everybody = [Caller(journal(dice, callers // 2), dice.choice([None, None, None, 0.01])) for _ in range(callers)]
    strangers = asyncio.create_task(server.strangers())
    calls = []
    for caller in everybody:
        calls.append(asyncio.create_task(caller.call(poster)))
        await asyncio.sleep(dice.choice([0.0, 0.0, 0.0, dice.expovariate(50)]))
    closing = asyncio.create_task(poster.close())
    async with asyncio.timeout(3600):
        await asyncio.gather(*calls, closing)
    strangers.cancel()
    assert not poster._under_way and not poster._queue and poster._callers == 0
    return server, everybody


def run(seed: int, **options: Any) -> tuple[Server, list[Caller]]:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(simulate(seed, **options))


def check(server: Server, everybody: list[Caller]) -> None:
    of_key: dict[str, list[Caller]] = defaultdict(list)
    for caller in everybody:
        of_key[caller.journal.key].append(caller)
        assert caller.verdicts == 1 or caller.patience is not None, "everybody who waits is answered once"
        known = (Posted, InsufficientFunds, KeyReused, LedgerBusy, PostingUnknown, asyncpg.DataError)
        assert caller.outcome is None or isinstance(caller.outcome, known)
    for key, callers in of_key.items():
        told = [caller for caller in callers if isinstance(caller.outcome, Posted)]
        posted = [caller.outcome for caller in told if isinstance(caller.outcome, Posted)]
        assert all(answer.journal_id == server.journals[key][0] for answer in posted), "nothing acknowledged is missing"
        assert [answer.replayed for answer in posted].count(False) <= 1, "nothing is acknowledged as new twice"
        assert len({fingerprint(caller) for caller in told}) <= 1, "one content is acknowledged per key"
        # The server was asked in the order of the calls, though not for each of them.
        asked = iter([fingerprint(caller) for caller in callers])
        assert all(hash_ in asked for hash_ in server.seen[key]), "order is kept per key"
        if key in server.journals:
            silent = (Posted, PostingUnknown, type(None))
            assert any(isinstance(caller.outcome, silent) for caller in callers), "nobody is refused what was written"


def fingerprint(caller: Caller) -> bytes:
    return _fingerprint(caller.journal, _details(caller.journal))


@pytest.mark.parametrize("trouble", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("seed", range(12))
def test_what_callers_are_told_is_what_the_server_did(seed: int, trouble: float) -> None:
    check(*run(seed, trouble=trouble))


def test_a_seed_is_a_run() -> None:
    first, second = run(7), run(7)
    assert first[0].journals == second[0].journals
    outcomes = [[str(caller.outcome) for caller in everybody] for _, everybody in (first, second)]
    assert outcomes[0] == outcomes[1]


def test_the_simulation_meets_everything() -> None:
    """Otherwise what it proves would be about nothing."""
    everybody = [caller for seed in range(12) for caller in run(seed)[1]]
    met = {type(caller.outcome) for caller in everybody}
    assert met == {Posted, InsufficientFunds, KeyReused, LedgerBusy, PostingUnknown, asyncpg.DataError, type(None)}
    assert issubclass(PostingUnknown, GatewayError)
