"""Would the tests see it? Each of these loads the books with a mistake planted, and something must fail.

docs/ledger-tests.md says which test sees which mistake.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import asyncpg
import msgspec
import pytest

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.errors import GatewayError
from core.settings import Settings
from ledger import journals
from ledger.grouped import GroupedPosting
from ledger.service import Leg
from tests.ledger import test_append_only, test_contention, test_grouped, test_holds
from tests.ledger.books import ANNA, BEN
from tests.ledger.machine import Books, run_machine

# What is planted: a function of the database, what stands in it, what stands there instead.
Mutation = tuple[str, str, str]

SEEN_BY_THE_MACHINE: dict[str, Mutation] = {
    "no lock on the key": ("post_leg", "done := pg_advisory_xact_lock(hashtextextended(journal_key, 8));", ""),
    "a repeat is not recognised": ("post_leg", "replayed := posted_id IS NOT NULL;", "replayed := false;"),
    "a key serves any request": ("post_leg", "AND first_fingerprint = fingerprint", ""),
    "the wrong sign": ("post_leg", "balance - debit_sign * change", "balance + debit_sign * change"),
    "debit and credit exchanged": ("post_leg", "IF change > 0 THEN", "IF change < 0 THEN"),
    "the sequence stands still": ("post_leg", "version = version + 1", "version = version"),
    "a hot account's postings are numbered": ("post_leg", "first.version := NULL;", ""),
    "no ceiling": ("post_leg", "first.balance > first.max_balance OR second.balance > second.max_balance", "false"),
    "the wrong sign on the posting": (
        "post_journals",
        "+ signs[credited] * credit_changes",
        "- signs[credited] * credit_changes",
    ),
    "the sequence counts journals": ("post_journals", "version = version + moves", "version = version + 1"),
    "no look between two legs": (
        "post_journals",
        "least(row.sign * lowest[row.place], row.sign * highest[row.place])",
        "0",
    ),
    "the ceiling of several legs": ("post_journals", "> row.high THEN", "> row.high AND false THEN"),
    "wrong sign in a batch": (
        "post_journals",
        "balance = balance + debit_sign * change",
        "balance = balance - debit_sign * change",
    ),
    "a batch looks once": ("post_journals", "change < lowest[credited]", "change < lowest[credited] AND false"),
    "a hold holds nothing": ("open_hold", "SET held = held + wanted_amount", "SET held = held"),
    "marks count a journal twice": ("mark_balances", "journal_id > marked AND", "journal_id >= marked AND"),
    "marks leave credits out": ("mark_balances", "sum(debit_sign * (debit - credit))", "sum(debit_sign * debit)"),
}


@pytest.fixture
def plant(anyio_backend: str, database_url: str, settings: Settings, keys: Keyring) -> Iterator[Callable[..., Any]]:
    """Plants a mistake; the fixtures of a test that shall see it."""
    clock = ManualClock()
    with asyncio.Runner() as runner:
        database = Database(database_url, settings=settings, keys=keys, clock=clock, connections=20)
        unbound = msgspec.structs.replace(settings, database_role="")
        owner = Database(database_url, settings=unbound, keys=keys, clock=clock)

        async def change(mutation: Mutation | str) -> None:
            async with owner.transaction() as tx:
                driver = await tx.driver()
                if isinstance(mutation, str):
                    await driver.execute(mutation)
                    return
                function, old, new = mutation
                source = await driver.fetchval("SELECT pg_get_functiondef($1::regproc)", function)
                assert old in source, f"{function} says no longer {old!r}"
                await driver.execute(source.replace(old, new))

        def planted(mutation: Mutation | str) -> dict[str, Any]:
            runner.run(change(mutation))
            return {"database": database, "owner": owner, "clock": clock, "runner": runner}

        yield planted
        for each in (database, owner):
            runner.run(each.close())


# A few of them each time; all of them with `make test-long`.
USUALLY = ("no look between two legs", "a hold holds nothing", "wrong sign in a batch", "marks count a journal twice")
THESE = SEEN_BY_THE_MACHINE if os.environ.get("LONG") else USUALLY


@pytest.mark.parametrize("name", THESE)
def test_the_machine_sees(name: str, plant: Callable[..., Any]) -> None:
    books = type("Books", (Books,), {**plant(SEEN_BY_THE_MACHINE[name]), "seen": []})
    with suppress(Exception):
        run_machine(books, examples=100, steps=25, shrink=False, random=False)
    assert books.seen


# ---- what a test of its own sees -------------------------------------------------------------------------

FLOOR = ("ck_account_floor", "UPDATE account SET balance = -1 WHERE code LIKE 'wallet:%'")
NAMED: dict[str, tuple[Mutation | str, Callable[[Any], Coroutine[Any, Any, None]]]] = {
    "the CHECK on the floor is gone": (
        "ALTER TABLE account DROP CONSTRAINT ck_account_floor",
        lambda on: test_append_only.test_the_schema_refuses_even_its_owner(on["owner"], *FLOOR),
    ),
    "the trigger is gone": (
        "DROP TRIGGER append_only ON posting",
        lambda on: test_append_only.test_nothing_leaves_the_books(on["owner"], "posting", "DELETE FROM {}"),
    ),
    "what is held counts at the end only": (
        ("post_journals", "min_balance + held AS low", "min_balance AS low"),
        lambda on: test_holds.test_what_is_held_is_still_there_and_cannot_be_spent(on["database"]),
    ),
    "keys are locked in any order": (
        ("post_journals", "WHERE key IS NOT NULL ORDER BY 1", "WHERE key IS NOT NULL"),
        lambda on: test_contention.test_several_journals_in_opposite_orders_never_deadlock(on["database"]),
    ),
    "a hold is let go twice": (
        ("end_hold", "ELSIF ended.state = ending THEN", "ELSIF false THEN"),
        lambda on: test_holds.test_a_release_may_be_repeated_and_nothing_follows_it(on["database"]),
    ),
    "a captured hold is let go": (
        ("end_hold", "OR ended.state NOT IN ('open', ending)", "OR false"),
        lambda on: test_holds.test_a_captured_hold_is_neither_released_nor_captured_again(on["database"]),
    ),
    "a capture leaves the rest held": (
        ("capture_hold", "SET held = held - caught.amount", "SET held = held - taken"),
        lambda on: test_holds.test_a_capture_posts_and_sets_the_rest_free(on["database"]),
    ),
    "a capture takes more than was held": (
        ("capture_hold", "OR taken > caught.amount", ""),
        lambda on: test_holds.test_a_capture_takes_from_the_held_account_and_no_more_than_was_held(
            on["database"], [Leg(ANNA, BEN, 61)]
        ),
    ),
    "a capture does not wait for another end": (
        ("capture_hold", "WHERE id = captured_id FOR UPDATE", "WHERE id = captured_id"),
        lambda on: test_holds.test_of_many_ends_at_once_there_is_one(on["database"], on["clock"]),
    ),
    "a capture takes its key last": (
        ("capture_hold", "PERFORM pg_advisory_xact_lock(hashtextextended(keys[1], 8));", ""),
        lambda on: test_holds.test_a_capture_and_a_posting_under_one_key_do_not_wait_in_a_circle(
            on["database"], on["owner"]
        ),
    ),
    "holds plan for tiny tables": (
        "ALTER FUNCTION open_hold RESET enable_seqscan; ALTER FUNCTION capture_hold RESET enable_seqscan",
        lambda on: test_holds.test_plans_made_while_the_tables_are_tiny_still_use_the_indexes(
            on["database"], on["owner"]
        ),
    ),
    "a refused journal leaves its first legs in the count": (
        ("judge_journals", "FOR undone IN first .. leg LOOP", "FOR undone IN leg .. leg LOOP"),
        lambda on: with_poster(on, test_grouped.test_a_batch_is_judged_in_the_order_of_its_calls),
    ),
}


async def with_poster(on: dict[str, Any], test: Callable[..., Coroutine[Any, Any, None]]) -> None:
    poster = GroupedPosting(on["database"])
    try:
        await test(on["database"], poster)
    finally:
        await poster.close()


@pytest.mark.parametrize("name", NAMED)
def test_a_test_of_its_own_sees(name: str, plant: Callable[..., Any]) -> None:
    mutation, test = NAMED[name]
    on = plant(mutation)
    with pytest.raises((AssertionError, pytest.fail.Exception, GatewayError, asyncpg.PostgresError)):
        on["runner"].run(test(on))


@pytest.mark.parametrize("name", NAMED)
def test_without_the_mistake_it_passes(name: str, plant: Callable[..., Any]) -> None:
    """So that what is seen is the mistake, not the way it is planted."""
    on = plant("SELECT 1")
    on["runner"].run(NAMED[name][1](on))


@pytest.mark.parametrize(
    ("legs_each", "name", "careless"),
    [(1, "_in_order", lambda leg: (leg.debit, leg.credit, leg.amount)), (3, "sorted", list)],
)
def test_accounts_locked_in_any_order(
    plant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, legs_each: int, name: str, careless: Callable[..., Any]
) -> None:
    on = plant("SELECT 1")
    monkeypatch.setattr(journals, name, careless, raising=False)
    with pytest.raises(AssertionError):
        on["runner"].run(test_contention.test_transfers_in_a_ring_never_deadlock(on["database"], legs_each))
