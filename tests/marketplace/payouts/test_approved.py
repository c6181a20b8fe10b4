"""Payouts above the day's limit: two people, instalments one after another, and what is left stays owed."""

from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select

from core import four_eyes
from core.four_eyes import Proposal, SelfApproval
from ledger import chart
from ledger.errors import InsufficientFunds
from ledger.service import Leg, post
from marketplace.payouts import approved
from marketplace.payouts import service as payouts
from marketplace.payouts.errors import PayoutLimit
from marketplace.payouts.service import Payout
from marketplace.payouts.tables import payout
from tests.support.town import KITCHEN, Town

pytestmark = pytest.mark.anyio

ANNE, BORIS = uuid4(), uuid4()


async def earn(town: Town, amount_xaf: int) -> None:
    await town.give(chart.restaurant_payable(town.restaurant_id), amount_xaf)


async def owed(town: Town) -> int:
    return await town.balance(chart.restaurant_payable(town.restaurant_id))


async def propose(town: Town, amount_xaf: int) -> Proposal:
    asked = {"owner": "restaurant", "owner_id": town.restaurant_id, "phone": KITCHEN, "reason": "September"}
    async with town.database.transaction() as tx:
        return await approved.propose(tx, amount_xaf=amount_xaf, **asked, by=ANNE)


async def approve(town: Town, proposal_id: UUID, by: UUID = BORIS) -> Payout:
    async with town.database.transaction() as tx:
        return await approved.carry_out(tx, await four_eyes.approve(tx, proposal_id=proposal_id, by=by))


async def next_instalment(town: Town) -> None:
    town.clock.advance(seconds=61)
    await payouts.sweep(town.database)


async def withdrawals(town: Town) -> list[int]:
    return [int(float(row["amount"])) for row in town.campay.transactions.values()]


async def test_a_large_payout_goes_out_in_instalments_one_after_another(town: Town) -> None:
    town.campay.floats["mtn_balance"] = 5_000_000
    await earn(town, 1_300_050)
    made = await approve(town, (await propose(town, 1_200_050)).id)
    assert (made.amount_xaf, made.asked_xaf, await owed(town)) == (1_200_050, 400_017, 900_033)
    await town.decide("SUCCESSFUL")
    assert len(await withdrawals(town)) == 1  # the next one waits a minute
    await next_instalment(town)
    await town.decide("SUCCESSFUL")
    await next_instalment(town)
    await town.decide("SUCCESSFUL")
    await next_instalment(town)
    assert await withdrawals(town) == [400_017, 400_017, 400_016]
    assert await owed(town) == 100_000
    assert (await town.texts(KITCHEN)) == ["1200050F envoyés sur votre mobile money. Merci de travailler avec Mboa."]
    await town.check()


async def test_what_did_not_arrive_stays_owed(town: Town) -> None:
    await earn(town, 800_000)
    await approve(town, (await propose(town, 800_000)).id)
    await town.decide("SUCCESSFUL")
    await next_instalment(town)
    await town.decide("FAILED", reason="Rejected")
    await next_instalment(town)
    assert (await withdrawals(town), await owed(town)) == ([400_000, 400_000], 400_000)
    assert "400000F envoyés" in (await town.texts(KITCHEN))[-1]
    assert "400000F restent" in (await town.texts(KITCHEN))[-1]
    await town.check()


async def test_an_instalment_whose_money_is_gone_ends_the_payout(town: Town) -> None:
    await earn(town, 800_000)
    await approve(town, (await propose(town, 800_000)).id)
    await town.decide("SUCCESSFUL")
    async with town.database.transaction() as tx:
        legs = [Leg(chart.restaurant_payable(town.restaurant_id), chart.GOODWILL, 1)]
        await post(tx, key="correction", kind="correction", legs=legs)
    await next_instalment(town)
    await next_instalment(town)
    assert (await withdrawals(town), await owed(town)) == ([400_000], 399_999)
    assert "400000F restent" in (await town.texts(KITCHEN))[-1]


async def test_an_instalment_that_no_provider_takes_ends_the_payout_and_its_payee_is_told(town: Town) -> None:
    await earn(town, 800_000)
    await approve(town, (await propose(town, 800_000)).id)
    await town.decide("SUCCESSFUL")
    town.database.settings = msgspec.structs.replace(town.database.settings, attempt_minimum_xaf=400_001)
    await next_instalment(town)
    assert (await withdrawals(town), await owed(town)) == ([400_000], 400_000)
    assert "400000F restent" in (await town.texts(KITCHEN))[-1]
    async with town.database.reading() as tx:
        row = await tx.one(select(payout))
    assert (row.state, row.asked_xaf, row.due_at) == ("PARTLY_PAID", 400_000, None)
    await town.check()


async def test_whoever_approves_sees_to_which_number_it_goes(town: Town) -> None:
    await earn(town, 800_000)
    assert (await propose(town, 800_000)).details["phone"] == "+23767***45"


async def test_what_is_promised_to_instalments_cannot_be_asked_for_again(town: Town) -> None:
    await earn(town, 800_000)
    await approve(town, (await propose(town, 700_000)).id)
    with pytest.raises(InsufficientFunds):
        await propose(town, 100_001)
    with pytest.raises(PayoutLimit):  # the day's limit is used up, whoever asked
        async with town.database.transaction() as tx:
            asked = {"owner": "restaurant", "owner_id": town.restaurant_id, "phone": KITCHEN, "key": "sms"}
            await payouts.request(tx, amount_xaf=500, **asked)


async def test_nobody_pays_out_alone(town: Town) -> None:
    await earn(town, 800_000)
    made = await propose(town, 800_000)
    with pytest.raises(SelfApproval):
        await approve(town, made.id, by=ANNE)
    assert await owed(town) == 800_000


async def test_money_that_went_meanwhile_refuses_the_approval_and_leaves_the_question_open(town: Town) -> None:
    await earn(town, 800_000)
    made = await propose(town, 800_000)
    async with town.database.transaction() as tx:
        asked = {"owner": "restaurant", "owner_id": town.restaurant_id, "phone": KITCHEN, "key": "sms"}
        await payouts.request(tx, amount_xaf=500, **asked)
    with pytest.raises(InsufficientFunds):
        await approve(town, made.id)
    async with town.database.reading() as tx:
        assert await four_eyes.open_proposals(tx) == [made]
