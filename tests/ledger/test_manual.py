"""What finance posts by hand: two people, a reason, and nothing that another record answers for."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text

from core.clock import DOUALA, ManualClock
from core.database import Database
from core.errors import GatewayError, InvalidInput, NotFound
from core.four_eyes import AlreadyDecided, AlreadyProposed, Approvals, Proposal, SelfApproval, reject
from ledger import accounts, chart, manual, periods
from ledger.audit import audit
from ledger.errors import (
    AccountMismatch,
    AlreadyReversed,
    CurrencyMismatch,
    EmptyJournal,
    FutureDate,
    InsufficientFunds,
    InvalidLegAmount,
    NotReversible,
    PeriodClosed,
    SameAccount,
)
from ledger.manual import Line, NotByHand, UnknownAccount, Wish
from ledger.rendering import render
from ledger.service import Leg
from ledger.trail import trail, trail_table
from tests.ledger.books import ANNA, BEN, FLOAT, count, give, held, pay

pytestmark = pytest.mark.anyio

ANNE, BORIS = uuid4(), uuid4()
APPROVALS = Approvals({manual.POSTING: manual.carry_out, manual.REVERSAL: manual.carry_out})
SORRY = Line(chart.GOODWILL.code, ANNA.code, 500)
OCTOBER = periods.read_period("2026-10")
NOON = datetime(2026, 10, 15, 12, tzinfo=DOUALA)


async def propose(database: Database, *lines: Line, reason: str = "cold soup", **wish: Any) -> Proposal:
    async with database.transaction() as tx:
        return await manual.propose(tx, wish=Wish(lines=lines or (SORRY,), **wish), reason=reason, by=ANNE)


async def propose_reversal(database: Database, journal_id: int) -> Proposal:
    async with database.transaction() as tx:
        return await manual.propose_reversal(tx, journal_id=journal_id, reason="posted twice", by=ANNE)


async def approve(database: Database, made: Proposal, by: UUID = BORIS) -> Proposal:
    async with database.transaction() as tx:
        return await APPROVALS.approve(tx, proposal_id=made.id, by=by)


async def journals(database: Database) -> list[Any]:
    async with database.reading() as tx:
        return list(await tx.all(text("SELECT * FROM journal ORDER BY id")))


# ---- two people ------------------------------------------------------------------------------------------


async def test_it_is_posted_when_a_second_person_agrees_and_names_both(database: Database) -> None:
    await give(database, ANNA, 1000)
    made = await propose(database)
    assert await held(database, ANNA) == 1000
    await approve(database, made)
    assert (await held(database, ANNA), await held(database, chart.GOODWILL)) == (1500, 500)
    journal = (await journals(database))[-1]
    assert (journal.kind, journal.actor) == ("manual_posting", f"staff:{ANNE}")
    assert journal.metadata == {"reason": "cold soup", "approved_by": f"staff:{BORIS}"}
    async with database.reading() as tx:
        assert await audit(tx) == []


async def test_nobody_posts_alone_and_nothing_is_posted_twice(database: Database) -> None:
    await give(database, ANNA, 1000)
    made = await propose(database)
    with pytest.raises(SelfApproval):
        await approve(database, made, by=ANNE)
    with pytest.raises(AlreadyProposed):
        await propose(database)
    await approve(database, made)
    with pytest.raises(AlreadyDecided):
        await approve(database, made)
    assert await held(database, ANNA) == 1500
    await approve(database, await propose(database))  # a second gift is a second proposal
    assert await held(database, ANNA) == 2000


async def test_a_rehearsal_leaves_no_trace(database: Database) -> None:
    await give(database, ANNA, 1000)
    before = [await count(database, table) for table in ("posting", "account")]
    made = await propose(database, Line(chart.GOODWILL.code, chart.OWNERS_CAPITAL.code, 5))
    assert [await count(database, table) for table in ("posting", "account")] == before
    async with database.transaction() as tx:
        await reject(tx, proposal_id=made.id, by=BORIS)
    assert await held(database, chart.GOODWILL) == 0


async def test_what_has_become_impossible_is_refused_and_stays_open(database: Database) -> None:
    await give(database, ANNA, 500)
    made = await propose(database, Line(ANNA.code, chart.GOODWILL.code, 500))
    await pay(database, "spent", Leg(ANNA, BEN, 1))
    with pytest.raises(InsufficientFunds):
        await approve(database, made)
    await give(database, ANNA, 1)
    await approve(database, made)
    assert await held(database, ANNA) == 0


# ---- what is refused at once -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (EmptyJournal, []),
        (InvalidLegAmount, [Line(chart.GOODWILL.code, ANNA.code, 0)]),
        (SameAccount, [Line(chart.GOODWILL.code, chart.GOODWILL.code, 5)]),
        (CurrencyMismatch, [Line(chart.GOODWILL.code, chart.SMS_COSTS.code, 5)]),
        (InsufficientFunds, [Line(ANNA.code, chart.GOODWILL.code, 1001)]),
        (UnknownAccount, [Line(chart.GOODWILL.code, BEN.code, 5)]),  # nobody has opened it: a slip of the pen
        (UnknownAccount, [Line(chart.GOODWILL.code, chart.provider_float("campya", "mtn").code, 5)]),
        (UnknownAccount, [Line("expense:petty_cash", ANNA.code, 5)]),
        (NotByHand, [Line(chart.GOODWILL.code, chart.escrow(uuid4()).code, 5)]),
        (NotByHand, [Line(chart.in_transit("campay").code, chart.GOODWILL.code, 5)]),
        (NotByHand, [Line(chart.POINTS_ISSUED.code, chart.points(uuid4()).code, 5)]),
    ],
)
async def test_what_could_not_be_posted_is_not_even_proposed(
    database: Database, error: type[GatewayError], lines: list[Line]
) -> None:
    await give(database, ANNA, 1000)
    with pytest.raises(error):
        async with database.transaction() as tx:
            await manual.propose(tx, wish=Wish(lines=lines), reason="a reason", by=ANNE)
    assert await count(database, "proposal") == 0


@pytest.mark.parametrize(
    ("error", "wish"),
    [
        (InvalidInput, {"reason": " "}),
        (FutureDate, {"effective_at": ManualClock().now() + timedelta(days=40)}),
        (PeriodClosed, {"effective_at": NOON}),
    ],
)
async def test_a_reason_and_a_date_are_needed(
    database: Database, error: type[GatewayError], wish: dict[str, Any]
) -> None:
    await give(database, ANNA, 1000)
    await periods.close(database, period=OCTOBER, actor="staff:anne")
    with pytest.raises(error):
        await propose(database, **wish)
    assert await count(database, "proposal") == 0


async def test_a_posting_for_a_period_that_closed_meanwhile_can_move_on(database: Database) -> None:
    await give(database, ANNA, 1000)
    strict = await propose(database, effective_at=NOON)
    moving = await propose(database, Line(chart.GOODWILL.code, ANNA.code, 7), effective_at=NOON, moving_on=True)
    await periods.close(database, period=OCTOBER, actor="staff:anne")
    with pytest.raises(PeriodClosed):
        await approve(database, strict)
    await approve(database, moving)
    journal = (await journals(database))[-1]
    assert journal.effective_at == OCTOBER.ends_at
    assert datetime.fromisoformat(journal.metadata["belongs_to"]) == NOON


# ---- reversals -------------------------------------------------------------------------------------------


async def test_a_journal_is_taken_back_once(database: Database) -> None:
    await give(database, ANNA, 1000)
    paid = await pay(database, "twice", Leg(ANNA, BEN, 300))
    made = await propose_reversal(database, paid.journal_id)
    assert await held(database, ANNA) == 700
    await approve(database, made)
    assert (await held(database, ANNA), await held(database, BEN)) == (1000, 0)
    journal = (await journals(database))[-1]
    assert (journal.kind, journal.reverses, journal.actor) == ("manual_reversal", paid.journal_id, f"staff:{ANNE}")
    assert journal.metadata == {"reason": "posted twice", "approved_by": f"staff:{BORIS}"}
    with pytest.raises(AlreadyReversed):
        await propose_reversal(database, paid.journal_id)
    with pytest.raises(NotReversible):
        await propose_reversal(database, journal.id)


async def test_a_journal_of_a_closed_period_is_taken_back_in_the_open_one(
    database: Database, clock: ManualClock
) -> None:
    clock.instant = NOON
    await give(database, ANNA, 1000)
    clock.instant = OCTOBER.ends_at + timedelta(days=3)
    await periods.close(database, period=OCTOBER, actor="staff:anne")
    await approve(database, await propose_reversal(database, (await journals(database))[0].id))
    assert (await journals(database))[-1].effective_at == clock.now()


async def test_what_another_record_answers_for_is_not_taken_back_by_hand(database: Database) -> None:
    order = chart.escrow(uuid4())
    funded = await pay(database, "fund", Leg(FLOAT, order, 300))
    with pytest.raises(NotByHand) as refused:
        await propose_reversal(database, funded.journal_id)
    assert refused.value.params == {"account": order.code}


async def test_there_is_nothing_to_reverse_where_there_is_no_journal(database: Database) -> None:
    with pytest.raises(NotFound):
        await propose_reversal(database, 4711)


# ---- accounts ahead of their journals --------------------------------------------------------------------


async def test_opening_an_account_again_changes_nothing(database: Database) -> None:
    async with database.transaction() as tx:
        ids = [await accounts.open(tx, account) for account in (ANNA, FLOAT, ANNA, FLOAT)]
    assert ids[:2] == ids[2:] and ids[0] != ids[1]
    await give(database, ANNA, 10)
    assert await held(database, ANNA) == 10


@pytest.mark.parametrize(
    "other", [{"kind": "asset"}, {"currency": "PTS"}, {"floor": None}, {"floor": -5}, {"ceiling": 100}]
)
async def test_an_account_is_not_opened_twice_in_two_ways(database: Database, other: dict[str, Any]) -> None:
    async with database.transaction() as tx:
        await accounts.open(tx, ANNA)
    with pytest.raises(AccountMismatch):
        async with database.transaction() as tx:
            await accounts.open(tx, msgspec.structs.replace(ANNA, **other))


async def test_dollars_are_bought_with_francs_each_currency_balanced(database: Database) -> None:
    credit = chart.sms_credit("africastalking")
    async with database.transaction() as tx:
        await accounts.open(tx, credit)
        await accounts.open(tx, FLOAT)
    bought = [
        Line(chart.EXCHANGE["XAF"].code, FLOAT.code, 60_500),
        Line(credit.code, chart.EXCHANGE["USD"].code, 10_000),
    ]
    await approve(database, await propose(database, *bought, reason="SMS credit, 100 dollars"))
    assert (await held(database, credit), await held(database, FLOAT)) == (10_000, -60_500)
    async with database.reading() as tx:
        assert await audit(tx) == []


def test_every_account_of_the_chart_is_found_by_its_code() -> None:
    owner = {"provider": "campay", "carrier": "mtn"}
    for family in chart.CHART:
        owners = [owner.get(name, uuid4()) for name in chart._OWNER.findall(family.pattern)]
        account = family.account(*owners)
        assert (chart.family(account.code), chart.named(account.code)) == (family, account)
        assert [one for one in chart.CHART if one.codes.fullmatch(account.code)] == [family]
    for stranger in ("wallet", "wallet:1", f"wallet:{uuid4()}:x", "float:campay", "float:campay:MTN", "income:other"):
        assert chart.named(stranger) is None


# ---- the audit trail -------------------------------------------------------------------------------------


async def test_the_trail_tells_who_wanted_what_and_who_agreed(database: Database, clock: ManualClock) -> None:
    await give(database, ANNA, 1000)
    start = clock.now()
    await approve(database, await propose(database, effective_at=start))
    refused = await propose(database, reason="again")
    async with database.transaction() as tx:
        await reject(tx, proposal_id=refused.id, by=BORIS)
    clock.advance(hours=1)
    await propose_reversal(database, (await journals(database))[0].id)
    async with database.reading() as tx:
        deeds = await trail(tx, since=start, until=clock.now() + timedelta(seconds=1))
        assert await trail(tx, since=start + timedelta(seconds=1), until=clock.now()) == []
    assert [(deed.kind, deed.state, deed.journal_id) for deed in deeds] == [
        ("manual_posting", "approved", 2 + 1),  # the rehearsal took a number too
        ("manual_posting", "rejected", None),
        ("manual_reversal", "open", None),
    ]
    names = {ANNE: "anne", BORIS: "boris"}
    table = trail_table(deeds, names=names, since=start, until=clock.now())
    french, english = (render(table, "text", language) for language in ("fr", "en"))
    assert f"expense:goodwill < {ANNA.code} 500" in french and "approuvée" in french
    assert "waiting" in english and "boris" in english and "posted twice" in english
