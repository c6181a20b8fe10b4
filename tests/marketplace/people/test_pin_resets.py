"""A forgotten PIN: a code to the same number, then a day in which the wallet pays nothing (docs/decisions/0018)."""

import re
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, insert, select

from core.ids import new_id
from ledger import chart
from marketplace.ordering import service as ordering
from marketplace.payouts import withdrawals
from marketplace.people import login, pin_resets, pins
from marketplace.people import service as people
from marketplace.people.errors import CodeExpired, NoPin, PinResetsUsed, SessionEnded, WalletResting, WeakPin, WrongCode
from marketplace.people.sim_freeze import SimChanged
from marketplace.people.tables import pin_reset, sim_change
from marketplace.people.tokens import open_customer_session
from tests.support.town import CUSTOMER, Town

pytestmark = pytest.mark.anyio

OLD, NEW = "739164", "482057"


@pytest.fixture
async def holder(town: Town) -> UUID:
    """A customer with a PIN and money."""
    person_id = await town.person()
    await town.give(chart.wallet(person_id), 50_000)
    async with town.database.transaction() as tx:
        await people.set_pin(tx, person_id=person_id, pin=OLD)
    return person_id


async def ask(town: Town, person_id: UUID) -> str:
    """The code, as the handset shows it."""
    async with town.database.transaction() as tx:
        await pin_resets.ask(tx, person_id=person_id)
    found = re.search(r"\b(\d{6})\b", (await town.texts(CUSTOMER))[-1])
    assert found
    return found[1]


async def prove(town: Town, person_id: UUID, code: str) -> None:
    async with town.database.transaction() as tx:
        await pin_resets.prove(tx, person_id=person_id, code=code)


async def finish(town: Town, person_id: UUID, pin: str = NEW) -> None:
    async with town.database.transaction() as tx:
        await pin_resets.finish(tx, person_id=person_id, pin=pin)


async def reset(town: Town, person_id: UUID) -> None:
    await prove(town, person_id, await ask(town, person_id))
    await finish(town, person_id)


async def test_a_code_gives_a_new_pin_and_the_person_is_told(town: Town, holder: UUID) -> None:
    await reset(town, holder)
    await pins.check_pin(town.database, person_id=holder, pin=NEW, attempt="a1")
    assert "Votre PIN Mboa a changé" in (await town.texts(CUSTOMER))[-1]
    with pytest.raises(CodeExpired):
        await finish(town, holder, OLD)


async def test_for_a_day_the_wallet_pays_nothing_and_mobile_money_does(town: Town, holder: UUID) -> None:
    await reset(town, holder)
    with pytest.raises(WalletResting) as resting:
        await town.place(pay_with="wallet")
    assert resting.value.params == {"hours": 24}
    assert (await town.place()).state == "AWAITING_PAYMENT"
    town.database.settings = msgspec.structs.replace(town.database.settings, wallet_withdrawals=True)
    with pytest.raises(WalletResting):
        async with town.database.transaction() as tx:
            await withdrawals.withdraw(tx, person_id=holder, amount_xaf=1000, key="k1")
    town.clock.advance(hours=24)
    assert (await town.place(await town.cart(), pay_with="wallet")).state == "OFFERED"


async def test_a_pin_changed_by_the_old_one_lets_the_wallet_pay(town: Town, holder: UUID) -> None:
    async with town.database.transaction() as tx:
        await people.set_pin(tx, person_id=holder, pin=NEW)
    assert (await town.place(pay_with="wallet")).state == "OFFERED"


async def test_every_login_ends(town: Town, holder: UUID) -> None:
    async with town.database.transaction() as tx:
        tokens = await open_customer_session(tx, person_id=holder)
    await reset(town, holder)
    with pytest.raises(SessionEnded):
        async with town.database.transaction() as tx:
            await login.refresh(tx, refresh_token=tokens.refresh_token)


async def test_five_misses_void_a_code(town: Town, holder: UUID) -> None:
    code = await ask(town, holder)
    wrong = "000000" if code != "000000" else "111111"
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(WrongCode) as missed:
            await prove(town, holder, wrong)
        assert missed.value.params == {"left": left}
    with pytest.raises(CodeExpired):
        await prove(town, holder, code)


async def test_a_newer_code_voids_the_older(town: Town, holder: UUID) -> None:
    first = await ask(town, holder)
    town.clock.advance(seconds=1)
    second = await ask(town, holder)
    with pytest.raises(WrongCode):
        await prove(town, holder, first)
    await prove(town, holder, second)


async def test_a_code_counts_for_half_an_hour(town: Town, holder: UUID) -> None:
    code = await ask(town, holder)
    town.clock.advance(minutes=30)
    with pytest.raises(CodeExpired):
        await prove(town, holder, code)


async def test_three_codes_a_day(town: Town, holder: UUID) -> None:
    for _ in range(3):
        await ask(town, holder)
        town.clock.advance(minutes=1)
    with pytest.raises(PinResetsUsed):
        await ask(town, holder)
    town.clock.advance(days=1)
    await ask(town, holder)


async def test_a_number_on_a_new_sim_card_gets_no_code_and_uses_none(town: Town, holder: UUID) -> None:
    code = await ask(town, holder)
    async with town.database.transaction() as tx:
        change = {"id": new_id(), "source": "test", "reference": "1", "changed_at": tx.now, "told_at": tx.now}
        until = tx.now + timedelta(hours=24)
        await tx.run(insert(sim_change).values(**change, person_id=holder, frozen_until=until))
    with pytest.raises(SimChanged):
        await ask(town, holder)
    await prove(town, holder, code)
    with pytest.raises(SimChanged):
        await finish(town, holder)


async def test_without_the_code_no_pin_is_chosen(town: Town, holder: UUID) -> None:
    await ask(town, holder)
    with pytest.raises(CodeExpired):
        await finish(town, holder)
    await pins.check_pin(town.database, person_id=holder, pin=OLD, attempt="a1")


async def test_a_weak_pin_leaves_the_code_to_try_again(town: Town, holder: UUID) -> None:
    await prove(town, holder, await ask(town, holder))
    with pytest.raises(WeakPin):
        await finish(town, holder, "1234")
    await finish(town, holder)


async def test_who_has_no_pin_has_forgotten_none(town: Town) -> None:
    with pytest.raises(NoPin):
        await ask(town, await town.person())


async def test_old_codes_and_challenges_are_forgotten(town: Town, holder: UUID) -> None:
    await ask(town, holder)
    async with town.database.transaction() as tx:
        await login.start(tx, phone=CUSTOMER)
    town.clock.advance(hours=23)
    assert await login.sweep(town.database) == 0
    town.clock.advance(hours=2)
    assert await login.sweep(town.database) == 2
    async with town.database.reading() as tx:
        assert await tx.value(select(func.count()).select_from(pin_reset)) == 0


async def test_an_order_that_waits_already_is_cooked_all_the_same(town: Town, holder: UUID) -> None:
    order = await town.place(pay_with="wallet")
    await reset(town, holder)
    cook = await town.person("+237671000045")
    async with town.database.transaction() as tx:
        await ordering.accept(tx, order_id=order.id, minutes=20, by_person=cook)
    assert await town.state(order.id) == "ACCEPTED"
