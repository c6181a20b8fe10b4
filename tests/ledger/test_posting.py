"""Posting: all or nothing, once per key, never below a floor, always in one currency."""

import traceback
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from core.clock import ManualClock
from core.database import Database
from core.effects import KeyReused
from ledger import chart
from ledger.audit import audit
from ledger.errors import (
    AccountMismatch,
    CurrencyMismatch,
    EmptyJournal,
    InsufficientFunds,
    InvalidLegAmount,
    InvalidPosting,
    LedgerBusy,
    SameAccount,
    TooManyLegs,
)
from ledger.journals import MAX_AMOUNT, MAX_LEGS, MAX_LEGS_TOGETHER
from ledger.service import Journal, Leg, balance, post, post_many
from tests.ledger.books import ANNA, BEN, CHLOE, FLOAT, count, give, held, pay

pytestmark = pytest.mark.anyio


# ---- what a journal does ---------------------------------------------------------------------------------


async def test_an_order_funded_and_delivered_leaves_each_party_its_part(database: Database) -> None:
    order, restaurant, driver = uuid4(), chart.restaurant_payable(uuid4()), chart.driver_payable(uuid4())
    escrow = chart.escrow(order)
    await pay(database, "fund", Leg(FLOAT, escrow, 3705), Leg(chart.PROVIDER_FEES, escrow, 95))
    await pay(
        database,
        "deliver",
        Leg(escrow, restaurant, 2550),
        Leg(escrow, chart.COMMISSION, 450),
        Leg(escrow, driver, 800),
    )
    expected = {FLOAT: 3705, chart.PROVIDER_FEES: 95, escrow: 0, restaurant: 2550, chart.COMMISSION: 450, driver: 800}
    assert {account: await held(database, account) for account in expected} == expected
    async with database.reading() as tx:
        assert await audit(tx) == []


async def test_currencies_share_a_journal_but_not_a_leg(database: Database) -> None:
    await pay(database, "both", Leg(FLOAT, ANNA, 500), Leg(chart.POINTS_ISSUED, chart.points(uuid4()), 5))
    assert await held(database, chart.POINTS_ISSUED) == 5


async def test_an_account_never_used_is_empty(database: Database) -> None:
    assert await held(database, ANNA) == 0
    async with database.reading() as tx:
        assert await balance(tx, "wallet:nobody") == 0


async def test_dates_and_metadata_are_kept(database: Database, clock: ManualClock) -> None:
    yesterday = clock.now() - timedelta(days=1)
    async with database.transaction() as tx:
        posted = await post(
            tx,
            key="late",
            kind="payment",
            legs=[Leg(FLOAT, ANNA, 1)],
            effective_at=yesterday,
            metadata={"order": "4821"},
        )
        row = await (await tx.driver()).fetchrow(
            "SELECT effective_at, recorded_at, metadata ->> 'order' AS about FROM journal WHERE id = $1",
            posted.journal_id,
        )
    assert tuple(row) == (yesterday, clock.now(), "4821")


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "legs"),
    [
        (EmptyJournal, []),
        (InvalidLegAmount, [Leg(FLOAT, ANNA, 0)]),
        (InvalidLegAmount, [Leg(FLOAT, ANNA, 10), Leg(FLOAT, ANNA, -5)]),
        (InvalidLegAmount, [Leg(FLOAT, ANNA, 2.0)]),  # type: ignore[arg-type]
        (InvalidLegAmount, [Leg(FLOAT, ANNA, True)]),
        (InvalidLegAmount, [Leg(FLOAT, ANNA, MAX_AMOUNT + 1)]),
        (SameAccount, [Leg(ANNA, ANNA, 5)]),
        (CurrencyMismatch, [Leg(FLOAT, chart.points(uuid4()), 5)]),
        (AccountMismatch, [Leg(FLOAT, ANNA, 5), Leg(FLOAT, chart.Account(ANNA.code, "income"), 5)]),
    ],
)
async def test_a_wrong_journal_is_refused_by_name(
    database: Database, error: type[InvalidPosting], legs: list[Leg]
) -> None:
    with pytest.raises(error):
        await pay(database, "wrong", *legs)
    assert await count(database, "journal") == 0
    assert issubclass(error, InvalidPosting)


async def test_an_account_keeps_the_kind_and_currency_it_was_opened_with(database: Database) -> None:
    await give(database, ANNA, 100)
    for other in (chart.Account(ANNA.code, "income"), chart.Account(ANNA.code, "liability", "PTS")):
        with pytest.raises(AccountMismatch):
            await pay(
                database, "other", Leg(chart.Account(f"expense:{other.currency}", "expense", other.currency), other, 1)
            )


async def test_nothing_is_written_when_one_leg_overdraws(database: Database) -> None:
    await give(database, ANNA, 100)
    before = await count(database, "account")
    with pytest.raises(InsufficientFunds) as refused:
        await pay(database, "too much", Leg(ANNA, BEN, 60), Leg(ANNA, CHLOE, 60))
    assert await held(database, ANNA) == 100
    assert (await count(database, "journal"), await count(database, "account")) == (1, before)
    assert refused.value.params == {}
    assert ANNA.code not in "".join(traceback.format_exception(refused.value))


async def test_money_must_be_there_before_it_leaves(database: Database) -> None:
    with pytest.raises(InsufficientFunds):
        await pay(database, "backwards", Leg(ANNA, BEN, 10), Leg(FLOAT, ANNA, 10))
    await pay(database, "forwards", Leg(FLOAT, ANNA, 10), Leg(ANNA, BEN, 10))
    assert await held(database, BEN) == 10


async def test_an_account_without_a_floor_may_go_below_zero(database: Database) -> None:
    await pay(database, "below", Leg(chart.SUSPENSE_SURPLUS, FLOAT, 70))
    assert await held(database, FLOAT) == -70
    assert await held(database, chart.SUSPENSE_SURPLUS) == -70


# ---- once per key ----------------------------------------------------------------------------------------


async def test_a_repeat_gives_the_first_journal(database: Database, clock: ManualClock) -> None:
    first = await pay(database, "once", Leg(FLOAT, ANNA, 100))
    clock.advance(days=400)
    again = await pay(database, "once", Leg(FLOAT, ANNA, 100))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.journal_id == first.journal_id
    assert await held(database, ANNA) == 100


async def test_a_repeat_is_answered_even_when_the_money_is_gone_since(database: Database) -> None:
    await give(database, ANNA, 100)
    first = await pay(database, "spend", Leg(ANNA, BEN, 100))
    assert (await pay(database, "spend", Leg(ANNA, BEN, 100))).journal_id == first.journal_id


@pytest.mark.parametrize(
    "other",
    [
        {"legs": [Leg(FLOAT, ANNA, 101)]},
        {"legs": [Leg(FLOAT, BEN, 100)]},
        {"legs": [Leg(FLOAT, ANNA, 50), Leg(FLOAT, ANNA, 50)]},
        {"kind": "gift"},
        {"metadata": {"order": "1"}},
        {"effective_at": ManualClock().now()},
    ],
)
async def test_a_key_serves_one_request_only(database: Database, other: dict[str, object]) -> None:
    request: dict[str, object] = {"key": "k", "kind": "top_up", "legs": [Leg(FLOAT, ANNA, 100)]}
    async with database.transaction() as tx:
        await post(tx, **request)  # type: ignore[arg-type]
    with pytest.raises(KeyReused):
        async with database.transaction() as tx:
            await post(tx, **{**request, **other})  # type: ignore[arg-type]
    assert await held(database, ANNA) == 100


async def test_a_key_that_was_rolled_back_is_free(database: Database) -> None:
    with pytest.raises(InsufficientFunds):
        await pay(database, "k", Leg(ANNA, BEN, 100))
    assert not (await pay(database, "k", Leg(FLOAT, BEN, 100))).replayed


# ---- inside the caller's transaction ---------------------------------------------------------------------


async def test_posting_first_in_a_transaction_rolls_back_with_it(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await post(tx, key="k", kind="top_up", legs=[Leg(FLOAT, ANNA, 100)])
            raise RuntimeError("the caller changed its mind")
    assert [await count(database, table) for table in ("journal", "posting", "account")] == [0, 0, 0]


async def test_a_lock_that_lasts_is_a_retryable_refusal(database: Database) -> None:
    await give(database, ANNA, 100)
    async with database.transaction() as tx:
        await post(tx, key="holder", kind="payment", legs=[Leg(ANNA, BEN, 1)])
        with pytest.raises(LedgerBusy) as busy:
            async with database.transaction() as other:
                await (await other.driver()).execute("SET LOCAL lock_timeout = '20ms'")
                await post(other, key="waiter", kind="payment", legs=[Leg(ANNA, BEN, 1)])
    assert busy.value.retryable


async def test_one_call_has_an_end(database: Database) -> None:
    """What fits is written in one call; a leg more is refused before the database sees any of it."""
    wide = [Journal(key=str(n), kind="wide", legs=[Leg(FLOAT, ANNA, 1)] * MAX_LEGS) for n in range(6)]
    fitting = MAX_LEGS_TOGETHER // MAX_LEGS
    with pytest.raises(TooManyLegs):
        async with database.transaction() as tx:
            await post_many(tx, [*wide[:fitting], msgspec.structs.replace(wide[fitting], legs=[Leg(FLOAT, ANNA, 1)])])
    assert await count(database, "posting") == 0
    async with database.transaction() as tx:
        assert len(await post_many(tx, wide[:fitting])) == fitting
    assert await held(database, ANNA) == MAX_LEGS_TOGETHER
