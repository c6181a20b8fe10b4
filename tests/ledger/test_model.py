"""Random journals, retries and wrong ones against the ledger and against a few dictionaries of Python."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from core.crypto import Keyring
from core.database import Database
from core.effects import KeyReused
from core.settings import Settings
from ledger import chart
from ledger.audit import audit
from ledger.errors import CurrencyMismatch, InsufficientFunds, SameAccount
from ledger.reports import account_statement, trial_balance
from ledger.service import Leg, balance, post

PLACES = range(6)
leg = st.tuples(st.sampled_from(PLACES), st.sampled_from(PLACES), st.integers(1, 60))
legs = st.lists(leg, min_size=1, max_size=4)
Raw = list[tuple[int, int, int]]


class Model:
    """The rules of the ledger in as few lines as they can be said."""

    def __init__(self) -> None:
        person, order, mark = uuid4(), uuid4(), uuid4().hex
        self.accounts = [
            chart.provider_float("model", mark),
            chart.wallet(person),
            chart.escrow(order),
            chart.Account(f"expense:{mark}", "expense", floor=None),
            chart.points(person),
            chart.Account(f"points-issued:{mark}", "expense", "PTS", floor=None),
        ]
        self.balances = [0] * len(self.accounts)
        self.lines = [0] * len(self.accounts)
        self.keys: dict[str, Raw] = {}

    def post(self, key: str, raw: Raw) -> type[Exception] | bool:
        """The error that must come, or whether it is a replay; applies it if it is neither."""
        for debit, credit, _ in raw:
            if debit == credit:
                return SameAccount
            if self.accounts[debit].currency != self.accounts[credit].currency:
                return CurrencyMismatch
        if key in self.keys:
            return True if self.keys[key] == raw else KeyReused
        after = self.balances.copy()
        for debit, credit, amount in raw:
            for place, way in ((debit, 1), (credit, -1)):
                account = self.accounts[place]
                after[place] += way * amount * (1 if account.kind in ("asset", "expense") else -1)
                if account.floor is not None and after[place] < account.floor:
                    return InsufficientFunds
        for place in (place for debit, credit, _ in raw for place in (debit, credit)):
            self.lines[place] += 1
        self.balances, self.keys[key] = after, raw
        return False


class Books(RuleBasedStateMachine):
    """Both ledgers take the same steps; `database` and `wait` are handed in by the test."""

    database: Database
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.name = uuid4().hex

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def attempt(self, key: str, raw: Raw, crash: bool = False) -> type[Exception] | bool:
        accounts = self.model.accounts
        legs = [Leg(accounts[debit], accounts[credit], amount) for debit, credit, amount in raw]
        try:
            async with self.database.transaction() as tx:
                posted = await post(tx, key=f"{self.name}:{key}", kind="model", legs=legs)
                if crash:
                    raise ConnectionError
        except Exception as error:
            return type(error)
        return posted.replayed

    @rule(key=st.sampled_from("abcdefgh"), raw=legs)
    def post_or_reuse_a_key(self, key: str, raw: Raw) -> None:
        assert self.wait(self.attempt(key, raw)) == self.model.post(key, raw)

    @rule(raw=legs)
    def post_anew(self, raw: Raw) -> None:
        key = uuid4().hex
        assert self.wait(self.attempt(key, raw)) == self.model.post(key, raw)

    @rule(pick=st.integers(0, 1000))
    def repeat_one_that_was_posted(self, pick: int) -> None:
        if self.model.keys:
            key = sorted(self.model.keys)[pick % len(self.model.keys)]
            assert self.wait(self.attempt(key, self.model.keys[key])) is True

    @rule(raw=legs)
    def post_and_crash_before_the_commit(self, raw: Raw) -> None:
        assert self.wait(self.attempt(uuid4().hex, raw, crash=True)) is not False

    @rule(raw=legs, callers=st.integers(2, 4))
    def post_one_key_from_many_callers(self, raw: Raw, callers: int) -> None:
        key = uuid4().hex

        async def at_once() -> list[type[Exception] | bool]:
            return await asyncio.gather(*(self.attempt(key, raw) for _ in range(callers)))

        first = self.model.post(key, raw)
        again = True if first is False else first
        got = self.wait(at_once())
        assert sorted(got, key=str) == sorted([first] + [again] * (callers - 1), key=str)

    @invariant()
    def the_balances_agree(self) -> None:
        async def read() -> list[int]:
            async with self.database.reading() as tx:
                return [await balance(tx, account) for account in self.model.accounts]

        assert self.wait(read()) == self.model.balances

    def teardown(self) -> None:
        """The statements tell the whole story, and the books of all examples together are sound."""

        async def read() -> None:
            async with self.database.reading() as tx:
                for account, expected, lines in zip(
                    self.model.accounts, self.model.balances, self.model.lines, strict=True
                ):
                    if lines:
                        page = await account_statement(tx, code=account.code, limit=1000)
                        assert (len(page.lines), page.opening, page.closing) == (lines, 0, expected)
                assert await audit(tx) == []
                assert all(total.difference == 0 for total in (await trial_balance(tx)).totals)

        self.wait(read())


@pytest.fixture
def books(anyio_backend: str, database_url: str, settings: Settings, keys: Keyring) -> Iterator[type[Books]]:
    with asyncio.Runner() as runner:
        database = Database(database_url, settings=settings, keys=keys)
        yield type("Books", (Books,), {"database": database, "runner": runner})
        runner.run(database.close())


def test_the_ledger_agrees_with_the_model_after_every_step(books: type[Books]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        books, settings=effort(max_examples=25, stateful_step_count=20, deadline=None)
    )
