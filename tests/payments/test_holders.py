"""Payouts to an account under another name than before: they wait for people, whatever else happens meanwhile."""

import pytest

from gateway.doctor import examine
from ledger.chart import restaurant_payable
from payments.decisions import Ruling
from payments.outcomes import Payment
from tests.payments.house import House
from tests.payments.network import FakeCampay, lost, says
from tests.payments.pawapay_network import FakePawapay
from tests.payments.rulings import rule, waiting

pytestmark = pytest.mark.anyio


async def renamed(house: House, campay: FakeCampay) -> Payment:
    """A second payout, to a number whose holder is another one than at the first."""
    await house.pay_out(key="payout:0", amount_xaf=1000)
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    owed = await house.pay_out()
    campay.before["/holder_info/"].append(says(200, full_name="FOTSO Rodrigue"))
    await house.sweep(minutes=2)
    assert (await house.states(), campay.count("/withdraw/")) == (["SUCCEEDED", "PREPARED"], 1)
    return owed


async def test_another_name_holds_the_payout_back_until_people_trust_it(house: House, campay: FakeCampay) -> None:
    await renamed(house, campay)
    attempt_id = (await house.attempts())[1].id
    assert await waiting(house) == [("PREPARED", ["refuse", "trust"])]
    await rule(house, Ruling.TRUST, attempt_id=attempt_id)
    campay.before["/holder_info/"].append(says(200, full_name="Rodrigue Fotso"))  # the same, the other way round
    await house.sweep()
    assert (await house.states(), campay.count("/withdraw/")) == (["SUCCEEDED", "PENDING"], 2)
    assert await waiting(house) == []


async def test_a_name_that_nobody_trusts_gets_nothing(house: House, campay: FakeCampay) -> None:
    owed = await renamed(house, campay)
    await rule(house, Ruling.REFUSE, attempt_id=(await house.attempts())[1].id)
    assert (await house.states(), campay.count("/withdraw/")) == (["SUCCEEDED", "DEAD"], 1)
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert house.told[-1][1].failure == "wrong_number"
    assert await examine(house.database) == []


async def test_a_payout_that_waits_for_its_holder_does_not_move_to_where_there_is_float(
    two_providers: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    """The other provider tells no names: it would pay whoever has the number now."""
    await renamed(two_providers, campay)
    campay.floats["mtn_balance"] = 0
    campay.holder = "FOTSO Rodrigue"
    await two_providers.sweep(minutes=11)
    assert await waiting(two_providers) == [("PREPARED", ["refuse", "trust"])]
    await two_providers.sweep(hours=1)
    assert (campay.count("/withdraw/"), pawapay.count("POST payouts")) == (1, 0)


async def test_a_name_that_cannot_be_read_any_more_is_not_trusted(house: House, campay: FakeCampay) -> None:
    await renamed(house, campay)
    campay.before["/holder_info/"].append(lost)
    await house.sweep(minutes=11)
    assert await waiting(house) == [("PREPARED", ["refuse", "trust"])]
    assert campay.count("/withdraw/") == 1
