"""What customers ask of support: one case for one thing, with a number, and what became of it."""

import asyncio

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import new_id
from marketplace.ordering import transitions as orders
from marketplace.support import service as support
from marketplace.support.service import Case
from marketplace.support.tables import support_case
from tests.ledger.books import until_waiting
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def call_back(town: Town, phone: str = CUSTOMER) -> Case:
    person_id = await town.person(phone)
    async with town.database.transaction() as tx:
        return await support.ask_call_back(tx, person_id=person_id)


async def complain(town: Town, order_id: object, reason: str, phone: str = CUSTOMER) -> Case:
    person_id = await town.person(phone)
    async with town.database.transaction() as tx:
        return await support.complain(tx, person_id=person_id, order_id=order_id, reason=reason)  # type: ignore[arg-type]


async def cases(town: Town, phone: str = CUSTOMER) -> list[Case]:
    person_id = await town.person(phone)
    async with town.database.reading() as tx:
        return await support.cases(tx, person_id=person_id)


async def close(town: Town, number: int) -> None:
    async with town.database.transaction() as tx:
        await support.close(tx, number=number, staff_id=new_id())


async def test_a_call_asked_for_ten_times_is_one_case_until_it_was_made(town: Town) -> None:
    asked = await asyncio.gather(*(call_back(town) for _ in range(5)))
    assert len({case.number for case in asked}) == 1
    assert [case.closed_at for case in await cases(town)] == [None]
    await close(town, asked[0].number)
    await close(town, asked[0].number)
    assert [case.closed_at for case in await cases(town)] == [town.clock.now()]
    assert [f"demande {asked[0].number} est trait" in text for text in await town.texts(CUSTOMER)] == [True]
    assert (await call_back(town)).number != asked[0].number
    assert await cases(town, FRIEND) == []


async def test_a_complaint_is_about_one_order_of_ones_own(town: Town) -> None:
    order = await town.handed_over()
    case = await complain(town, order.id, "quality")
    assert (case.kind, case.order_number) == ("complaint", order.number)
    assert await complain(town, order.id, "wrong") == case
    assert await town.state(order.id) == "DELIVERED"
    with pytest.raises(NotFound):
        await complain(town, order.id, "quality", FRIEND)
    with pytest.raises(InvalidInput):
        await complain(town, order.id, "cold")


async def test_a_meal_that_should_long_be_there_is_paid_to_nobody_until_support_has_decided(town: Town) -> None:
    order = await town.picked_up()
    await complain(town, order.id, "not_received")
    assert await town.state(order.id) == "PICKED_UP", "it is still on its way"
    town.clock.advance(minutes=30)
    await complain(town, order.id, "not_received")
    assert await town.state(order.id) == "DISPUTED"
    await complain(town, order.id, "not_received")
    await town.wait(hours=25)
    assert await town.state(order.id) == "DISPUTED"
    async with town.database.reading() as tx:
        assert await tx.value(select(func.count()).select_from(support_case)) == 1
    await town.check()


async def test_who_complains_while_support_decides_holds_nobody_up(town: Town, owner: Database) -> None:
    order = await town.picked_up()
    town.clock.advance(minutes=30)
    case = await complain(town, order.id, "not_received")

    async def decide() -> None:
        async with town.database.transaction() as tx:
            await support.decide(tx, number=case.number, staff_id=new_id(), refund=True)

    async with town.database.transaction() as tx:
        await orders.lock(tx, order.id)
        deciding = asyncio.create_task(decide())
        await until_waiting(owner, 1)
        await support.complain(tx, person_id=order.person_id, order_id=order.id, reason="not_received")
    await deciding
    assert await town.state(order.id) == "RESOLVED_REFUND"


async def test_an_old_order_is_not_complained_about(town: Town) -> None:
    order = await town.handed_over()
    town.clock.advance(days=7)
    with pytest.raises(NotFound):
        await complain(town, order.id, "quality")
    person_id = await town.person()
    async with town.database.reading() as tx:
        assert await support.complainable(tx, person_id=person_id) == []


async def test_nobodys_case_is_not_closed(town: Town) -> None:
    with pytest.raises(NotFound):
        await close(town, 99)
