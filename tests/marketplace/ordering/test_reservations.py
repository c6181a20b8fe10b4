"""An order from the wallet: reserved when it is placed, paid when the restaurant accepts, and free if it never does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.database import Database
from core.drivers import AWAY
from core.errors import GatewayError
from gateway.doctor import examine
from ledger import chart, holds
from ledger.errors import HoldClosed, InsufficientFunds
from ledger.service import Leg, post
from marketplace.ordering import service
from marketplace.ordering.errors import WrongState
from marketplace.ordering.queries import Order
from marketplace.payouts import service as payouts
from marketplace.wallets import service as wallets
from tests.support.town import KITCHEN, Town

pytestmark = pytest.mark.anyio


async def placed(town: Town, gift: int = 5000) -> Order:
    """An order of 3,800 from a wallet of `gift`."""
    await town.give(chart.wallet(await town.person()), gift)
    return await town.place(pay_with="wallet")


async def accept(town: Town, order: Order) -> None:
    kitchen = await town.person(KITCHEN)
    async with town.database.transaction() as tx:
        await service.accept(tx, order_id=order.id, minutes=20, by_person=kitchen)


async def cancel(town: Town, order: Order) -> None:
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)


async def refuse(town: Town, order: Order) -> None:
    kitchen = await town.person(KITCHEN)
    async with town.database.transaction() as tx:
        await service.refuse(tx, order_id=order.id, by_person=kitchen)


async def say_nothing(town: Town, order: Order) -> None:
    for minutes in (3, 2, 3):
        await town.wait(minutes=minutes)


async def money(town: Town, order: Order) -> tuple[int, int, int]:
    """What may be spent, what is reserved, and what is in escrow."""
    async with town.database.reading() as tx:
        free = await wallets.balance(tx, person_id=order.person_id)
        kept = await wallets.reserved(tx, person_id=order.person_id)
    return free, kept, await town.balance(chart.escrow(order.id))


async def journals(town: Town, order: Order) -> list[str]:
    async with town.database.reading() as tx:
        of_order = {"of": f"order:{order.id}:%"}
        return [
            row.kind for row in await tx.all(text("SELECT kind FROM journal WHERE key LIKE :of ORDER BY id"), of_order)
        ]


# ---- the two moments -------------------------------------------------------------------------------------


async def test_placing_reserves_and_accepting_pays(town: Town) -> None:
    order = await placed(town)
    assert order.state == "OFFERED"
    assert (await money(town, order), await journals(town, order)) == ((1200, 3800, 0), [])
    await town.check()
    await accept(town, order)
    assert (await money(town, order), await journals(town, order)) == ((1200, 0, 3800), ["order_funded"])
    assert town.campay.calls == []
    await town.check()


@pytest.mark.parametrize(("end", "state"), [(cancel, "CANCELLED"), (refuse, "REJECTED"), (say_nothing, "NO_ANSWER")])
async def test_what_the_restaurant_never_accepted_was_never_paid(
    town: Town, end: Callable[[Town, Order], Awaitable[None]], state: str
) -> None:
    order = await placed(town)
    await end(town, order)
    assert await town.state(order.id) == state
    assert (await money(town, order), await journals(town, order)) == ((5000, 0, 0), [])
    async with town.database.reading() as tx:
        assert [one.kind for one in await wallets.statement(tx, person_id=order.person_id)] == ["gift"]
    await town.check()


async def test_after_accepting_the_food_is_kept_as_with_any_order(town: Town) -> None:
    order = await placed(town)
    await accept(town, order)
    await cancel(town, order)
    assert await money(town, order) == (5000 - 3000, 0, 0)
    assert await journals(town, order) == ["order_funded", "order_cancelled"]
    await town.check()


async def test_a_dispute_gives_a_wallet_order_back_from_escrow(town: Town) -> None:
    await town.give(chart.wallet(await town.person()), 5000)
    order = await town.picked_up(pay_with="wallet")
    async with town.database.transaction() as tx:
        await service.dispute(tx, order_id=order.id, actor="customer")
    async with town.database.transaction() as tx:
        await service.resolve(tx, order_id=order.id, staff_id=order.person_id, refund=True)
    assert await money(town, order) == (5000, 0, 0)
    await town.check()


# ---- reserved is not to spend ----------------------------------------------------------------------------


async def test_what_is_reserved_cannot_be_spent_again(town: Town) -> None:
    order = await placed(town)
    with pytest.raises(InsufficientFunds):
        await town.place(await town.cart(), pay_with="wallet")
    with pytest.raises(InsufficientFunds):
        async with town.database.transaction() as tx:
            leg = Leg(chart.wallet(order.person_id), chart.GOODWILL, 1201)
            await post(tx, key="spend", kind="test", legs=[leg])
    async with town.database.reading() as tx:
        assert await payouts.free(tx, "customer", order.person_id) == 1200
    await accept(town, order)
    assert await money(town, order) == (1200, 0, 3800)
    await town.check()


async def test_ten_orders_at_once_reserve_what_the_wallet_holds(town: Town) -> None:
    await town.give(chart.wallet(await town.person()), 3 * 3800 + 3799)
    carts = [await town.cart() for _ in range(10)]
    results = await asyncio.gather(*(town.place(one, pay_with="wallet") for one in carts), return_exceptions=True)
    orders = [result for result in results if isinstance(result, Order)]
    assert len(orders) == len({order.id for order in orders}) == 3
    assert all(isinstance(result, Order | InsufficientFunds) for result in results)
    assert (await money(town, orders[0]))[:2] == (3799, 3 * 3800)
    await town.check()


# ---- repeats, races and kills ----------------------------------------------------------------------------


async def test_accepting_again_pays_once(town: Town) -> None:
    order = await placed(town)
    results = await asyncio.gather(*(accept(town, order) for _ in range(5)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, WrongState) for result in results) == 4
    assert await money(town, order) == (1200, 0, 3800)
    await town.check()


@pytest.mark.parametrize("attempt", range(5))
async def test_cancelling_and_accepting_at_once_is_one_or_the_other(town: Town, attempt: int) -> None:
    order = await placed(town)
    both = [cancel(town, order), accept(town, order)]
    results = await asyncio.gather(*both[:: 1 if attempt % 2 else -1], return_exceptions=True)
    assert all(result is None or isinstance(result, GatewayError) for result in results)
    assert await town.state(order.id) == "CANCELLED"
    # Free when the kitchen had not answered yet, else the fee alone comes back.
    assert await money(town, order) in ((5000, 0, 0), (2000, 0, 0))
    await town.check()


async def killed(database: Database, use: Callable[..., Awaitable[object]], **wanted: object) -> None:
    """Do it, and lose the connection when nothing but the commit is missing."""
    with pytest.raises(AWAY):
        async with database.transaction() as tx:
            await use(tx, **wanted)
            await (await tx.driver()).execute("SET ROLE NONE; SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_kill_before_the_commit_changes_nothing_and_the_same_again_works(town: Town) -> None:
    await town.give(chart.wallet(await town.person()), 5000)
    cart, person_id = await town.cart(), await town.person()
    assert cart.quote is not None
    wish = {"cart_id": cart.cart_id, "cart_version": cart.version, "total_xaf": cart.quote.total_xaf}
    await killed(town.database, service.place, person_id=person_id, **wish, pay_with="wallet", channel="ussd")
    order = await town.place(cart, pay_with="wallet")
    assert await money(town, order) == (1200, 3800, 0)
    kitchen = await town.person(KITCHEN)
    await killed(town.database, service.accept, order_id=order.id, minutes=20, by_person=kitchen)
    assert (await town.state(order.id), await money(town, order)) == ("OFFERED", (1200, 3800, 0))
    await killed(town.database, service.cancel, order_id=order.id, person_id=person_id)
    assert (await town.state(order.id), await money(town, order)) == ("OFFERED", (1200, 3800, 0))
    await accept(town, order)
    assert (await town.place(cart, pay_with="wallet")).id == order.id
    assert (await money(town, order), await journals(town, order)) == ((1200, 0, 3800), ["order_funded"])
    await town.check()


# ---- nobody worked for a day -----------------------------------------------------------------------------


async def test_a_reservation_that_expired_can_be_given_up_but_not_accepted(town: Town) -> None:
    order = await placed(town)
    town.clock.advance(hours=town.database.settings.wallet_hold_hours)
    assert await holds.expire(town.database) == 1
    assert await money(town, order) == (5000, 0, 0)
    with pytest.raises(HoldClosed):
        await accept(town, order)
    await say_nothing(town, order)
    assert (await town.state(order.id), await money(town, order)) == ("NO_ANSWER", (5000, 0, 0))
    await town.check()


async def test_an_order_that_waits_outlasts_its_deadlines(town: Town) -> None:
    """Its reservation is there as long as its restaurant may still answer."""
    settings = town.database.settings
    assert timedelta(hours=settings.wallet_hold_hours) > 10 * timedelta(minutes=settings.restaurant_refuse_minutes)


async def test_the_doctor_misses_a_reservation(town: Town) -> None:
    order = await placed(town)
    async with town.database.reading() as tx:
        kept = await holds.find(tx, key=f"order:{order.id}:reserve")
    assert kept is not None
    async with town.database.transaction() as tx:
        await holds.release(tx, hold_id=kept.id)
    assert await examine(town.database) == [
        f"order {order.number} ({order.id}) is OFFERED: 0 is reserved for it, should be 3800"
    ]
