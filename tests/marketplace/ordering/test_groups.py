"""Several phones fill one cart: nothing is lost when they do it at once, and nothing is added once it is ordered."""

import asyncio

import pytest

from core.errors import NotFound
from core.ids import new_id
from marketplace.ordering import groups
from marketplace.ordering.carts import Cart
from marketplace.ordering.errors import EmptyCart
from marketplace.ordering.groups import Group, GroupOver
from marketplace.ordering.pricing import Line
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def opened(town: Town, phone: str = CUSTOMER) -> Group:
    """A group with two Ndole of its host."""
    host_id = await town.person(phone)
    async with town.database.transaction() as tx:
        lines = [Line(town.dishes[12], 2)]
        return await groups.open_group(tx, host_id=host_id, restaurant_id=town.restaurant_id, lines=lines)


async def add(town: Town, group: Group, phone: str, dish: int, quantity: int = 1) -> None:
    person_id = await town.person(phone)
    async with town.database.transaction() as tx:
        await groups.add(tx, group_id=group.id, person_id=person_id, lines=[Line(town.dishes[dish], quantity)])


async def close(town: Town, group: Group, phone: str = CUSTOMER) -> Cart:
    host_id = await town.person(phone)
    async with town.database.transaction() as tx:
        return await groups.close(tx, group_id=group.id, host_id=host_id, channel="ussd")


async def test_everybodys_dishes_become_the_hosts_cart(town: Town) -> None:
    group = await opened(town)
    await add(town, group, FRIEND, 13, 2)
    town.clock.advance(minutes=1)
    await add(town, group, FRIEND, 12)
    async with town.database.reading() as tx:
        portions = await groups.portions(tx, group_id=group.id)
    assert [(one.phone_end, one.name, one.quantity) for one in portions] == [
        ("01", "Ndole+plantain", 2),
        ("02", "Jus", 2),
        ("02", "Ndole+plantain", 1),
    ]
    cart = await close(town, group)
    assert {line.dish_id: line.quantity for line in cart.lines} == {town.dishes[12]: 3, town.dishes[13]: 2}
    assert (cart.restaurant_name, cart.place) == ("Chez Mama", None)


async def test_nothing_is_lost_when_many_add_at_once(town: Town) -> None:
    group = await opened(town)
    phones = [FRIEND] * 5 + [f"+23767010000{n}" for n in range(5)]
    await asyncio.gather(*(add(town, group, phone, 13) for phone in phones))
    cart = await close(town, group)
    assert {line.dish_id: line.quantity for line in cart.lines} == {town.dishes[12]: 2, town.dishes[13]: 10}


async def test_what_comes_while_it_closes_is_in_the_cart_or_refused(town: Town) -> None:
    group = await opened(town)
    cart, *added = await asyncio.gather(
        close(town, group),
        *(add(town, group, f"+23767010000{n}", 13) for n in range(6)),
        return_exceptions=True,
    )
    assert isinstance(cart, Cart)
    assert all(one is None or isinstance(one, GroupOver) for one in added)
    juices = sum(line.quantity for line in cart.lines if line.dish_id == town.dishes[13])
    assert juices == sum(one is None for one in added)


async def test_an_ordered_group_and_one_that_is_too_old_take_nothing_more(town: Town) -> None:
    ordered = await opened(town)
    await close(town, ordered)
    late = await opened(town)
    town.clock.advance(minutes=60)
    for group in (ordered, late):
        with pytest.raises(GroupOver):
            await add(town, group, FRIEND, 13)
        with pytest.raises(GroupOver):
            await close(town, group)
        async with town.database.reading() as tx:
            with pytest.raises(GroupOver):
                await groups.find(tx, number=group.number)


async def test_a_host_has_one_group_the_newest(town: Town) -> None:
    first, second = await opened(town), await opened(town)
    async with town.database.reading() as tx:
        assert await groups.of_host(tx, host_id=second.host_id) == second
        assert (await groups.find(tx, number=second.number)) == second
    with pytest.raises(GroupOver):
        await add(town, first, FRIEND, 13)


async def test_only_the_host_orders_and_only_dishes_of_that_menu_are_added(town: Town) -> None:
    group = await opened(town)
    with pytest.raises(GroupOver):
        await close(town, group, FRIEND)
    friend = await town.person(FRIEND)
    async with town.database.transaction() as tx:
        with pytest.raises(NotFound):
            await groups.add(tx, group_id=group.id, person_id=friend, lines=[Line(new_id(), 1)])
        with pytest.raises(EmptyCart):
            await groups.add(tx, group_id=group.id, person_id=friend, lines=[Line(town.dishes[13], 51)])


async def test_a_guest_cannot_fill_a_group_beyond_what_its_host_can_order(town: Town) -> None:
    group = await opened(town)
    await add(town, group, FRIEND, 12, 40)
    for phone, quantity in ((FRIEND, 20), (CUSTOMER, 9)):
        with pytest.raises(EmptyCart):
            await add(town, group, phone, 12, quantity)
    cart = await close(town, group)
    assert {line.dish_id: line.quantity for line in cart.lines} == {town.dishes[12]: 42}


async def test_many_who_add_at_once_do_not_fill_it_beyond_that_either(town: Town) -> None:
    group = await opened(town)
    phones = [f"+23767010000{n}" for n in range(6)]
    added = await asyncio.gather(*(add(town, group, phone, 13, 20) for phone in phones), return_exceptions=True)
    assert sum(one is None for one in added) == 2 and all(one is None or isinstance(one, EmptyCart) for one in added)
    assert Line(town.dishes[13], 40) in (await close(town, group)).lines
