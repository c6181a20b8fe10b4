"""Top-ups: one per request, inside the limits of day and month, credited when the payer has approved."""

import asyncio
from typing import Any

import pytest

from core.effects import KeyReused
from ledger import chart
from marketplace.wallets import service as wallets
from marketplace.wallets.service import TopUp, WalletLimit
from payments.errors import AmountOutOfLimits, UnsupportedCarrier
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def top_up(town: Town, amount_xaf: int = 2000, key: str = "one", **changes: Any) -> TopUp:
    asked = {"person_id": await town.person(), "amount_xaf": amount_xaf, "phone": CUSTOMER, "key": key, **changes}
    async with town.database.transaction() as tx:
        return await wallets.request_top_up(tx, **asked)


async def balance(town: Town, phone: str = CUSTOMER) -> int:
    person_id = await town.person(phone)
    async with town.database.reading() as tx:
        return await wallets.balance(tx, person_id=person_id)


async def test_an_approved_top_up_is_in_the_wallet(town: Town) -> None:
    assert (await top_up(town)).state == "PENDING"
    assert await balance(town) == 0
    await town.decide("SUCCESSFUL")
    assert await balance(town) == 2000
    assert await town.texts(CUSTOMER) == ["Recharge de 2000F recue. Solde Mboa: 2000F"]
    await town.check()


async def test_somebody_else_may_pay(town: Town) -> None:
    await top_up(town, phone=FRIEND)
    await town.decide("SUCCESSFUL")
    assert (await balance(town), await balance(town, FRIEND)) == (2000, 0)
    assert town.campay.only()["phone_number"] == FRIEND[1:]


async def test_a_refused_top_up_leaves_nothing(town: Town) -> None:
    await top_up(town)
    await town.decide("FAILED")
    assert await balance(town) == 0
    assert "pas abouti" in (await town.texts(CUSTOMER))[0]


async def test_a_late_top_up_goes_back(town: Town) -> None:
    await top_up(town)
    await town.engine.sweep()
    for _ in range(3):
        town.clock.advance(minutes=16)
        await town.engine.sweep()
    assert "à temps" in (await town.texts(CUSTOMER))[0]
    await town.decide("SUCCESSFUL")
    await town.decide("SUCCESSFUL")
    assert await balance(town) == 0
    assert "renvoyée" in (await town.texts(CUSTOMER))[-1]
    await town.check()


async def test_the_same_key_is_the_same_top_up(town: Town) -> None:
    made = await asyncio.gather(*(top_up(town) for _ in range(10)))
    assert len({one.id for one in made}) == 1
    with pytest.raises(KeyReused):
        await top_up(town, 2500)
    await town.decide("SUCCESSFUL")
    assert await balance(town) == 2000


async def test_the_days_limit_holds_for_many_at_once_and_ends_at_midnight_in_douala(town: Town) -> None:
    results = await asyncio.gather(*(top_up(town, 100_000, key=str(n)) for n in range(5)), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, WalletLimit)]
    assert len(refusals) == 2 and refusals[0].params == {"left_xaf": 0}
    # 12:00 in Douala
    town.clock.advance(hours=11, minutes=59)
    with pytest.raises(WalletLimit):
        await top_up(town, 100, key="before midnight")
    town.clock.advance(minutes=1)
    await top_up(town, 100, key="after midnight")


async def test_the_months_limit(town: Town) -> None:
    town.clock.instant = town.clock.instant.replace(day=1)
    for day in range(3):
        await top_up(town, 300_000, key=str(day))
        town.clock.advance(days=1)
    with pytest.raises(WalletLimit) as refusal:
        await top_up(town, 100_001, key="too much")
    assert refusal.value.params == {"left_xaf": 100_000}
    town.clock.instant = town.clock.instant.replace(month=12, day=1)
    await top_up(town, 100_001, key="next month")


async def test_what_failed_does_not_count(town: Town) -> None:
    await top_up(town, 300_000)
    await town.decide("FAILED")
    await top_up(town, 300_000, key="again")


async def test_what_mobile_money_cannot_do_is_refused(town: Town) -> None:
    with pytest.raises(AmountOutOfLimits):
        await top_up(town, 99)
    with pytest.raises(UnsupportedCarrier):
        await top_up(town, phone="+237620000001")


async def test_the_statement_shows_the_newest_first(town: Town) -> None:
    person_id = await town.person()
    async with town.database.reading() as tx:
        assert await wallets.statement(tx, person_id=person_id) == []
    await town.give(chart.wallet(person_id), 9000)
    town.clock.advance(days=31)
    await town.give(chart.wallet(person_id), 1000)
    await town.accepted(pay_with="wallet")
    async with town.database.reading() as tx:
        movements = await wallets.statement(tx, person_id=person_id)
    assert [(one.kind, one.amount_xaf, one.balance_xaf) for one in movements] == [
        ("order_funded", -3800, 6200),
        ("gift", 1000, 10_000),
    ]
