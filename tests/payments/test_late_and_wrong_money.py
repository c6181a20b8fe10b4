"""Money that comes too late, twice, or not as it was asked for: it goes back by itself, or to people."""

import pytest
from sqlalchemy import update

from ledger.chart import SUSPENSE_MISMATCH, SUSPENSE_SURPLUS, escrow, restaurant_payable, wallet
from payments.states import PaymentState
from payments.tables import attempt
from tests.payments.house import FEES, MTN_FLOAT, SAVER, House
from tests.payments.network import FakeCampay, refused_connection, says

pytestmark = pytest.mark.anyio


async def quarantined(house: House) -> None:
    """A prompt that nobody answered until its deadline."""
    await house.collect()
    await house.sweep()
    for _ in range(17):
        await house.sweep(minutes=1)
    assert await house.states() == ["QUARANTINED"]
    assert house.outcomes == ["expired"]


async def test_a_late_success_goes_back_by_itself(house: House, campay: FakeCampay) -> None:
    await quarantined(house)
    campay.decide("SUCCESSFUL")
    await house.sweep(minutes=6)
    await house.sweep()
    assert await house.states() == ["SUCCEEDED", "PENDING"]
    (_, asked) = campay.calls[-1]
    assert (asked["to"], asked["amount"]) == ("237670000001", "3800")

    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert house.outcomes == ["expired", "payout_done"]
    assert house.told[-1][1].purpose == "surplus"
    assert await house.balance(SUSPENSE_SURPLUS) == 0
    assert await house.balance(MTN_FLOAT) == 3705 - 3800 - 38
    assert await house.findings() == []


async def test_a_surplus_that_cannot_go_back_is_handed_to_the_house(house: House, campay: FakeCampay) -> None:
    await quarantined(house)
    campay.decide("SUCCESSFUL")
    await house.sweep(minutes=6)
    campay.before["/withdraw/"].append(says(400, message="Invalid phone", error_code="ER101"))
    await house.sweep()
    assert house.outcomes == ["expired", "surplus"]
    assert await house.balance(SUSPENSE_SURPLUS) == 0
    assert await house.balance(wallet(SAVER)) == 3800
    assert await house.findings() == []


async def test_only_consent_frees_a_quarantined_payment_and_the_second_success_goes_back(
    house: House, campay: FakeCampay
) -> None:
    await quarantined(house)
    (owed,) = await house.payments()
    await house.retry(owed.id)
    await house.sweep()
    assert campay.count("/collect/") == 2
    first, second = campay.transactions.values()

    second["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    assert house.outcomes == ["expired", "paid"]
    first["status"] = "SUCCESSFUL"
    await house.sweep(hours=1)
    await house.sweep()
    assert campay.count("/withdraw/") == 1
    assert await house.balance(escrow(owed.reference)) == 3800
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert await house.balance(SUSPENSE_SURPLUS) == 0


async def test_the_released_first_prompt_may_be_the_one_that_pays(house: House, campay: FakeCampay) -> None:
    await quarantined(house)
    (owed,) = await house.payments()
    campay.decide("SUCCESSFUL")
    campay.before["/collect/"].append(refused_connection)  # the second one is still on its way
    await house.retry(owed.id)
    await house.sweep()
    (first,) = (row for row in await house.attempts() if row.state == "QUARANTINED")
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).where(attempt.c.id == first.id).values(next_check_at=tx.now))  # as a callback does
    await house.engine.advance(first.id)
    await house.sweep(minutes=2)
    assert house.outcomes == ["expired", "paid"]
    assert campay.count("/collect/") == 2
    assert sorted(await house.states()) == ["DEAD", "DEAD", "SUCCEEDED"]


@pytest.mark.parametrize("ends", ["silent", "no amount", "mismatch"])
async def test_a_released_prompt_closes_nothing_while_the_second_is_live(
    house: House, campay: FakeCampay, ends: str
) -> None:
    await quarantined(house)
    (owed,) = await house.payments()
    await house.retry(owed.id)
    await house.sweep()
    (first,) = (row for row in await house.attempts() if row.state == "QUARANTINED")
    amounts = {"no amount": "None", "mismatch": "3700.00"}
    if ends != "silent":
        campay.transactions[first.provider_ref].update(status="SUCCESSFUL", amount=amounts[ends])
    async with house.database.transaction() as tx:
        await tx.run(update(attempt).where(attempt.c.id == first.id).values(next_check_at=tx.now, reads=99))
    await house.engine.advance(first.id)
    assert sorted(await house.states()) == ["PENDING", "REVIEW"]
    assert ((await house.payments())[0].state, house.outcomes) == ("OPEN", ["expired"])
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert house.outcomes == ["expired", "paid"]


@pytest.mark.parametrize(
    ("changes", "received_xaf"),
    [
        ({"amount": "3700.00"}, 3700),
        ({"amount": "3800.50"}, 3800),
        ({"amount": "3000.0000000000000001"}, 3000),
        ({"phone_number": "237670000099"}, 3800),
        ({"currency": "EUR"}, 0),
    ],
)
async def test_what_does_not_fit_goes_to_suspense_and_to_a_person(
    house: House, campay: FakeCampay, changes: dict[str, str], received_xaf: int
) -> None:
    owed = await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", **changes)
    await house.sweep(seconds=6)
    await house.sweep(hours=2)
    assert await house.states() == ["REVIEW"]
    assert [(name, told.state) for name, told in house.told] == [("expired", PaymentState.REVIEW)]
    assert await house.balance(SUSPENSE_MISMATCH) == received_xaf
    assert await house.balance(escrow(owed.reference)) == 0
    assert await house.findings() == []


async def test_a_fraction_in_the_amount_is_no_fee(house: House, campay: FakeCampay) -> None:
    """The float holds what the provider holds, to the franc: 3,000 less 75, not less 76."""
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="3000.0000000000000001", app_amount="2925.0")
    await house.sweep(seconds=6)
    assert (await house.balance(MTN_FLOAT), await house.balance(FEES)) == (2925, 75)


@pytest.mark.parametrize("amount", ["None", "", None, "NaN", "-5"])
async def test_a_success_without_an_amount_goes_to_a_person_and_is_read_on(
    house: House, campay: FakeCampay, amount: str | None
) -> None:
    owed = await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount=amount)
    await house.sweep(seconds=6)
    (tried,) = await house.attempts()
    assert (tried.state, tried.evidence) == ("REVIEW", "NO_AMOUNT")
    assert [(name, told.state) for name, told in house.told] == [("expired", PaymentState.REVIEW)]
    assert await house.balance(MTN_FLOAT) == 0

    campay.only()["amount"] = "3800.00"
    await house.sweep(minutes=2)
    assert sorted(await house.states()) == ["PREPARED", "SUCCEEDED"]  # nobody waits for it: it goes back
    assert await house.balance(escrow(owed.reference)) == 0
    assert await house.findings() == []


async def test_an_amount_that_is_never_told_is_asked_for_a_week(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="None")
    for _ in range(40):
        await house.sweep(days=1.2)
    (tried,) = await house.attempts()
    assert (tried.state, tried.evidence, tried.next_check_at) == ("REVIEW", "NO_AMOUNT", None)
    assert house.outcomes == ["expired"]


async def test_a_payer_who_never_answers_is_read_for_a_week_and_then_left_to_a_person(
    house: House, campay: FakeCampay
) -> None:
    await quarantined(house)
    for _ in range(24):
        await house.sweep(days=1.2)
    assert await house.states() == ["REVIEW"]
    assert (await house.attempts())[0].evidence == "SILENT"
    assert campay.count("/transaction/") == 29


async def test_money_that_the_house_refuses_goes_back_by_itself(house: House, campay: FakeCampay) -> None:
    owed = await house.collect()
    await house.sweep()
    house.refuses = {"paid"}
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert sorted(await house.states()) == ["PREPARED", "SUCCEEDED"]
    assert (await house.payments())[0].state == PaymentState.CANCELLED
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert house.outcomes == ["payout_done"]
    assert await house.balance(SUSPENSE_SURPLUS) == await house.balance(escrow(owed.reference)) == 0
    assert await house.balance(MTN_FLOAT) == 3705 - 3800 - 38
    assert await house.findings() == []


async def test_a_house_that_does_not_want_to_know_undoes_no_fact(house: House, campay: FakeCampay) -> None:
    house.refuses = {"expired", "failed", "surplus", "payout_done"}
    await house.collect()
    await house.sweep()
    campay.decide("SUCCESSFUL", amount="3700.00")
    await house.sweep(seconds=6)
    assert await house.balance(SUSPENSE_MISMATCH) == 3700

    await house.collect(key="order:2", amount_xaf=2000)
    await house.sweep()
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    owed = await house.pay_out()
    await house.sweep()
    campay.decide("FAILED")
    await house.sweep(seconds=6)
    assert sorted(await house.states()) == ["FAILED", "FAILED", "REVIEW"]
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert await house.findings() == []
