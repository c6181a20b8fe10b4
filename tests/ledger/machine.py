"""A hypothesis state machine: several clients at once against the real books, and the model beside them."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
from hypothesis import HealthCheck, Phase, note
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from core.clock import ManualClock
from core.database import Database, RolledBack
from core.drivers import AWAY
from ledger.audit import audit
from ledger.errors import PostingUnknown
from ledger.grouped import GroupedPosting
from ledger.holds import capture, expire, hold, release
from ledger.journals import Journal, Leg, Posted
from ledger.marks import Marks
from ledger.service import post, post_many, reverse
from tests.ledger.model import (
    IN_THE_BOOKS,
    Action,
    Capture,
    Crash,
    Expire,
    Hold,
    Model,
    Post,
    Posting,
    PostMany,
    Release,
    Reverse,
)

PLACES = st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6])
LEG = st.tuples(PLACES, PLACES, st.integers(1, 60))
MONEY = st.sampled_from([(0, 1), (0, 2), (0, 3), (1, 2), (2, 1), (1, 3), (3, 2), (1, 4), (2, 0)]).flatmap(
    lambda sides: st.integers(1, 60).map(lambda amount: (*sides, amount))
)
LEGS = st.lists(st.one_of(*[MONEY] * 8, LEG), min_size=1, max_size=4).map(tuple)
KEYS = st.sampled_from("abcdefgh")
PICK = st.integers(0, 1000)
POSTING = st.builds(Posting, KEYS, LEGS)
HOLD_KEYS = st.sampled_from("uvwxyz")
ACTIONS = {
    Post: st.builds(Post, st.sampled_from(["joined", "grouped", "another process"]), POSTING),
    PostMany: st.builds(
        PostMany, st.lists(POSTING, min_size=1, max_size=3, unique_by=lambda posting: posting.key).map(tuple)
    ),
    Crash: st.builds(Crash, POSTING, st.sampled_from(["raises", "killed"])),
    Reverse: st.builds(Reverse, KEYS, KEYS),
    Hold: st.builds(Hold, HOLD_KEYS, st.sampled_from([1, 2]), st.integers(1, 60), st.integers(1, 40)),
    Capture: st.builds(Capture, HOLD_KEYS, POSTING),
    Release: st.builds(Release, HOLD_KEYS),
    Expire: st.just(Expire()),
}
ANYTHING = st.one_of(*ACTIONS.values())


class Clients:
    """The model's actions, done to real books. Keys carry the example's name: all examples share one database."""

    def __init__(self, database: Database, model: Model) -> None:
        self.database = database
        self.accounts = model.accounts
        self.name = uuid4().hex
        self.began = database.clock.now()
        self.journal_ids: dict[str, int] = {}
        self.hold_ids: dict[str, int] = {}
        self.doors = {"grouped": GroupedPosting(database), "another process": GroupedPosting(database)}

    async def at_once(self, actions: list[Action]) -> list[Any]:
        return await asyncio.gather(*(self.outcome(action) for action in actions))

    async def outcome(self, action: Action) -> Any:
        try:
            return await self.do(action)
        except Exception as refusal:
            return type(refusal)

    async def do(self, action: Action) -> Any:
        match action:
            case Post("joined", posting):
                async with self.database.transaction() as tx:
                    posted = await post(tx, **self._asked(posting))
                return self._remember(posting.key, posted)
            case Post(door, posting):
                return await self._certainly(self.doors[door], posting)
            case PostMany(postings):
                async with self.database.transaction() as tx:
                    several = await post_many(tx, [Journal(**self._asked(posting)) for posting in postings])
                return [self._remember(asked.key, posted) for asked, posted in zip(postings, several, strict=True)]
            case Crash(posting, how):
                return await self._crash(posting, how)
            case Reverse(of, key):
                async with self.database.transaction() as tx:
                    asked = {"journal_id": self.journal_ids.get(of, 0), "key": self._key(key), "kind": "reversal"}
                    posted = await reverse(tx, **asked)  # type: ignore[arg-type]
                return self._remember(key, posted)
            case Capture(of, posting):
                async with self.database.transaction() as tx:
                    posted = await capture(tx, hold_id=self.hold_ids.get(of, 0), **self._asked(posting))
                return self._remember(posting.key, posted)
            case _:
                return await self._do_to_hold(action)

    async def _do_to_hold(self, action: Action) -> Any:
        match action:
            case Hold(key, account, amount, minutes):
                until = self.began + timedelta(minutes=minutes)
                async with self.database.transaction() as tx:
                    asked = {"kind": "reserved", "account": self.accounts[account], "amount": amount}
                    opened = await hold(tx, key=self._key(key), expires_at=until, **asked)  # type: ignore[arg-type]
                self.hold_ids[key] = opened.hold_id
                return opened.replayed
            case Release(key):
                async with self.database.transaction() as tx:
                    await release(tx, hold_id=self.hold_ids.get(key, 0))
                return "released"
            case Expire():
                await expire(self.database)  # those of other examples too: their number says nothing
                return "expired"

    async def _certainly(self, door: GroupedPosting, posting: Posting) -> bool | str:
        """Ask again with the same key as long as nobody knows; then a replay is of an earlier posting or of our own."""
        unknown = False
        while True:
            try:
                replayed = self._remember(posting.key, await door.post(Journal(**self._asked(posting))))
            except PostingUnknown:
                unknown = True
            else:
                return IN_THE_BOOKS if unknown else replayed

    async def _crash(self, posting: Posting, how: str) -> str:
        try:
            async with self.database.transaction() as tx:
                await post(tx, **self._asked(posting))
                if how == "raises":
                    raise ConnectionError
                (await tx.driver()).terminate()
        except (*AWAY, ConnectionError, RolledBack, asyncpg.ConnectionDoesNotExistError):
            return "crashed"
        return "lived"

    def _asked(self, posting: Posting) -> dict[str, Any]:
        legs = [Leg(self.accounts[debit], self.accounts[credit], amount) for debit, credit, amount in posting.legs]
        return {"key": self._key(posting.key), "kind": posting.kind, "legs": legs}

    def _remember(self, key: str, posted: Posted) -> bool:
        self.journal_ids[key] = posted.journal_id
        return posted.replayed

    def _key(self, key: str) -> str:
        return f"{self.name}:{key}"


class Books(RuleBasedStateMachine):
    """Both ledgers take the same steps; `database`, `owner` and `runner` are handed in by the test."""

    database: Database
    owner: Database
    clock: ManualClock
    runner: asyncio.Runner
    seen: ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.clients = Clients(self.database, self.model)
        self.marks = Marks(self.database)

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def agree(self, actions: list[Action]) -> None:
        outcomes = self.wait(self.clients.at_once(actions))
        note(f"{actions} came to {outcomes}")
        after = self.model.some_order(actions, outcomes)
        self.see(after is None, f"no order of {actions} explains {outcomes}")
        assert after is not None
        self.model = after

    def see(self, wrong: bool, what: str) -> None:
        """Fail when something is wrong, and remember it: repeating an example on damaged books fails otherwise."""
        if wrong:
            self.seen.append(what)
        assert not wrong, what

    @initialize()
    def money_is_there(self) -> None:
        self.agree([Post("joined", Posting(uuid4().hex, ((0, 1, 50), (0, 2, 50), (0, 3, 80))))])

    @rule(action=ANYTHING)
    def one_does_something(self, action: Action) -> None:
        self.agree([action])

    @rule(actions=st.lists(ANYTHING, min_size=2, max_size=4))
    def several_do_something_at_once(self, actions: list[Action]) -> None:
        self.agree(actions)

    @rule(
        posting=POSTING,
        doors=st.lists(st.sampled_from(["joined", "grouped", "another process"]), min_size=2, max_size=4),
    )
    def several_send_the_same_at_once(self, posting: Posting, doors: list[str]) -> None:
        self.agree([Post(door, posting) for door in doors])

    @rule(amounts=st.lists(st.integers(1, 60), min_size=2, max_size=4))
    def two_wallets_pay_each_other_at_once(self, amounts: list[int]) -> None:
        ways = ((1, 2), (2, 1))
        legs = [((*ways[n % 2], amount), (*ways[1 - n % 2], amount)) for n, amount in enumerate(amounts)]
        self.agree([Post("joined", Posting(uuid4().hex, raw)) for raw in legs])

    # What is drawn never depends on what came of earlier steps: clients race, and a repeated example may go otherwise.

    @rule(pick=PICK, door=st.sampled_from(["joined", "grouped"]))
    def repeat_what_was_posted(self, pick: int, door: str) -> None:
        posted = [posting for posting in self.model.journals.values() if posting.kind == "model"]
        self.agree([Post(door, posted[pick % len(posted)])])

    @rule(account=st.sampled_from([1, 2]), amount=st.integers(5, 40))
    def money_is_reserved(self, account: int, amount: int) -> None:
        self.agree([Hold(uuid4().hex, account, amount, self.model.minutes + 30)])

    @rule(
        pick=PICK,
        amount=st.integers(1, 45),
        ends=st.lists(st.sampled_from(["release", "the same", "expire", "spend"]), max_size=3),
    )
    def a_hold_ends_in_several_ways_at_once(self, pick: int, amount: int, ends: list[str]) -> None:
        open_holds = [hold.asked for hold in self.model.holds.values() if hold.state == "open"]
        if not open_holds:
            return
        asked = open_holds[pick % len(open_holds)]
        taking = Capture(asked.key, Posting(uuid4().hex, ((asked.account, 3 - asked.account, amount),)))
        actions: dict[str, Action] = {
            "release": Release(asked.key),
            "the same": taking,
            "expire": Expire(),
            "spend": Post("joined", Posting(uuid4().hex, ((asked.account, 4, 40),))),
        }
        self.agree([taking, *(actions[end] for end in ends)])

    @rule(minutes=st.integers(1, 20))
    def time_passes(self, minutes: int) -> None:
        self.model.minutes += minutes
        self.clock.advance(minutes=minutes)

    @rule()
    def balances_are_marked(self) -> None:
        self.wait(self.marks.advance())

    @rule(actions=st.lists(ACTIONS[Post], min_size=1, max_size=3))
    def connections_are_killed(self, actions: list[Action]) -> None:
        async def kill() -> None:
            async with self.owner.reading() as tx:
                await (await tx.driver()).execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE '%post_journals%' AND pid <> pg_backend_pid()"
                )

        self.wait(kill())
        self.agree([action for action in actions if isinstance(action, Post) and action.door != "joined"] or [Expire()])

    @invariant()
    def the_books_agree(self) -> None:
        async def read() -> tuple[list[Any], list[str]]:
            async with self.database.reading() as tx:
                rows = await (await tx.driver()).fetch(
                    "SELECT code, balance, held FROM account_balance WHERE code = ANY ($1)",
                    [account.code for account in self.model.accounts],
                )
                return rows, await audit(tx)

        rows, findings = self.wait(read())
        self.see(bool(findings), str(findings))
        kept = {row["code"]: (row["balance"], row["held"]) for row in rows}
        found = [kept.get(account.code, (0, 0)) for account in self.model.accounts]
        expected = [*zip(self.model.balances, self.model.held, strict=True)]
        self.see(found != expected, f"balances are {found}, should be {expected}")

    def teardown(self) -> None:
        async def leave() -> None:
            for door in self.clients.doors.values():
                await door.close()

        self.wait(leave())


def run_machine(books: type[Books], *, examples: int, steps: int, shrink: bool = True, random: bool = True) -> None:
    """Raises what the machine found."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    options = effort(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=phases,
        derandomize=not random,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(books, settings=options)  # type: ignore[no-untyped-call]
