"""What customers say about their account by SMS: stars, and asking for help."""

from uuid import UUID

import pytest
from sqlalchemy import select

from gateway.menus.pasts import an_order
from marketplace.catalogue.tables import restaurant
from marketplace.ordering.tables import customer_order
from marketplace.people.tables import driver
from tests.channels.sms.conftest import Phones
from tests.support.market import CUSTOMER

pytestmark = pytest.mark.anyio


async def delivered(phones: Phones) -> tuple[UUID, int]:
    """A meal that has arrived: its id and number."""
    order_id = await an_order(phones.market.database, CUSTOMER, "DELIVERED")
    (order,) = await phones.market.rows(select(customer_order).where(customer_order.c.id == order_id))
    return order_id, order.number


async def stars(phones: Phones) -> tuple[list[int], list[int]]:
    """Of all restaurants and drivers that have any."""
    kitchens = await phones.market.rows(select(restaurant.c.stars).where(restaurant.c.ratings > 0))
    riders = await phones.market.rows(select(driver.c.stars).where(driver.c.ratings > 0))
    return [row.stars for row in kitchens], [row.stars for row in riders]


async def test_stars_by_sms_are_for_the_meal_and_with_a_second_digit_for_the_ride(phones: Phones) -> None:
    await delivered(phones)
    assert "4/5" in (await phones.ask(CUSTOMER, "NOTE 4") or "")
    assert await stars(phones) == ([4], [])
    phones.market.clock.advance(minutes=2)
    await delivered(phones)
    assert "3/5" in (await phones.ask(CUSTOMER, "rate 3 2") or "")
    assert await stars(phones) == ([7], [2])


async def test_a_named_order_is_rated_once(phones: Phones) -> None:
    _, number = await delivered(phones)
    assert str(number) in (await phones.ask(CUSTOMER, f"NOTE {number} 5 3") or "")
    assert "5/5" in (await phones.ask(CUSTOMER, f"NOTE {number} 5 3") or ""), "an echo is answered, not counted"
    phones.market.clock.advance(minutes=2)
    assert "notée" in (await phones.ask(CUSTOMER, f"NOTE {number} 1") or "").replace("é", "é")
    assert await stars(phones) == ([5], [3])


async def test_what_are_no_stars_rates_nothing(phones: Phones) -> None:
    await delivered(phones)
    for text in ("NOTE 0", "NOTE 6", "NOTE", "NOTE 4821"):
        assert "NOTE 5" in (await phones.ask(CUSTOMER, text) or ""), "the help line"
        phones.market.clock.advance(minutes=11)
    assert await stars(phones) == ([], [])


async def test_without_a_meal_there_is_nothing_to_rate(phones: Phones) -> None:
    assert "noter" in (await phones.ask(CUSTOMER, "NOTE 5") or "")
