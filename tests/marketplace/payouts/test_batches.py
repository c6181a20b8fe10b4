"""Batches: one file pays each restaurant once, however often it comes; and the report says what each payout was for."""

from datetime import timedelta
from uuid import uuid4

import pytest

from core import four_eyes
from core.errors import InvalidInput
from ledger import chart
from ledger.rendering import ReportTooLong, render
from marketplace.payouts import approved, batches, report
from marketplace.payouts.batches import Line, Outcome
from tests.support.town import KITCHEN, Town

pytestmark = pytest.mark.anyio

ANNE, BORIS = uuid4(), uuid4()


async def pay(town: Town, file: str, batch: str = "september") -> list[Outcome]:
    return await batches.pay(town.database, batches.parse(file), batch=batch, by=ANNE)


async def earn(town: Town, amount_xaf: int) -> None:
    await town.give(chart.restaurant_payable(town.restaurant_id), amount_xaf)


async def owed(town: Town) -> int:
    return await town.balance(chart.restaurant_payable(town.restaurant_id))


def test_a_file_names_restaurants_amounts_and_notes() -> None:
    file = "restaurant,amount_xaf,note\r\n45,2 500,week 39\r\n46,,\r\n"
    assert batches.parse(file) == [Line(45, 2500, "week 39"), Line(46, None, "")]


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("45,2500\n", "restaurant,amount_xaf,note"),
        ("", "restaurant,amount_xaf,note"),
        ("restaurant,amount_xaf,note\n45,2500.50,\n", "line 2"),
        ("restaurant,amount_xaf,note\n45,-1,\n", "line 2"),
        ("restaurant,amount_xaf,note\nMama,2500,\n", "line 2"),
        ("restaurant,amount_xaf,note\n45\n", "line 2"),
        ("restaurant,amount_xaf,note\n45,1000,\n45,1000,\n", "restaurant"),
    ],
)
def test_a_file_that_cannot_be_read_pays_nobody(file: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        batches.parse(file)
    assert refusal.value.params == {"field": field}


async def test_the_same_file_twice_pays_once(town: Town) -> None:
    await earn(town, 5000)
    for _ in range(2):
        (outcome,) = await pay(town, "restaurant,amount_xaf,note\n45,3000,week 39\n")
        assert outcome.payout is not None
    assert await owed(town) == 2000
    (outcome,) = await pay(town, "restaurant,amount_xaf,note\n45,,\n", batch="october")
    assert outcome.payout is not None and outcome.payout.amount_xaf == 2000
    await town.decide("SUCCESSFUL")
    assert await owed(town) == 0


async def test_a_line_that_is_refused_holds_up_no_other(town: Town) -> None:
    await earn(town, 5000)
    outcomes = await pay(town, "restaurant,amount_xaf,note\n99,1000,\n45,3000,\n")
    assert [one.refusal.code if one.refusal else "paid" for one in outcomes] == ["invalid_input", "paid"]


async def test_what_is_above_the_days_limit_becomes_a_proposal_and_is_paid_once(town: Town) -> None:
    await earn(town, 2_000_000)
    file = "restaurant,amount_xaf,note\n45,800000,\n"
    (outcome,) = await pay(town, file)
    assert outcome.proposal is not None
    (again,) = await pay(town, file)
    assert again.refusal is not None and again.refusal.code == "already_proposed"
    async with town.database.transaction() as tx:
        await approved.carry_out(tx, await four_eyes.approve(tx, proposal_id=outcome.proposal.id, by=BORIS))
    (last,) = await pay(town, file)
    assert last.payout is not None
    assert await owed(town) == 2_000_000 - 400_000


async def test_the_report_says_what_each_payout_was_for(town: Town) -> None:
    await town.handed_over()
    await pay(town, "restaurant,amount_xaf,note\n45,,week 39\n")
    await town.decide("SUCCESSFUL")
    now = town.clock.now()
    async with town.database.reading() as tx:
        lines = await report.payouts(tx, since=now - timedelta(days=1), until=now + timedelta(days=1))
        assert await report.payouts(tx, since=now, until=now + timedelta(days=1)) == []
        with pytest.raises(ReportTooLong):
            await report.payouts(tx, since=now - timedelta(days=1), until=now + timedelta(days=1), most=0)
    (line,) = lines
    assert (line.payee, line.phone, line.orders) == ("n° 45 Chez Mama", "+23767***45", 1)
    assert (line.amount_xaf, line.paid_xaf, line.fee_xaf, line.state) == (2550, 2550, 26, "PAID")
    shown = render(report.table(lines, since=now, until=now), "text", "en")
    assert "week 39" in shown and "batch" in shown and KITCHEN[4:] not in shown
