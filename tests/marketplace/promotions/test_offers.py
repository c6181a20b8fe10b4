"""Offers: what a person is shown is what would count for them."""

from datetime import timedelta
from typing import Any

import pytest

from core.errors import GatewayError
from marketplace.ordering.pricing import Extras
from marketplace.promotions import queries
from marketplace.promotions import service as promotions
from tests.support.coupons import NUMBER, make_coupon
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def offered(town: Town, phone: str = CUSTOMER) -> list[int]:
    """The numbers on the page, after asking whether each of them really counts."""
    person_id = await town.person(phone)
    async with town.database.reading() as tx:
        numbers = [offer.number for offer in await queries.offers(tx, person_id=person_id)]
        where = {"person_id": person_id, "restaurant_id": town.restaurant_id, "items_xaf": 1_000_000}
        try:
            await promotions.find(tx, typed=str(NUMBER), **where)
        except GatewayError:
            assert numbers == []
        else:
            assert numbers == [NUMBER]
    return numbers


async def test_what_counts_is_offered_until_it_is_over(town: Town) -> None:
    await make_coupon(town.database, valid_until=town.clock.now() + timedelta(days=2))
    assert await offered(town) == [NUMBER]
    town.clock.advance(days=2)
    assert await offered(town) == []


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ({"per_person_limit": 1}, [NUMBER], []),
        ({"per_person_limit": 2}, [NUMBER], [NUMBER]),
        ({"usage_limit": 1, "per_person_limit": 2}, [NUMBER], []),
        ({"audience": "new", "per_person_limit": 2}, [NUMBER], []),
    ],
)
async def test_a_use_takes_it_off_the_page(
    town: Town, changes: dict[str, Any], before: list[int], after: list[int]
) -> None:
    coupon_id = await make_coupon(town.database, **changes)
    assert await offered(town) == before
    await town.place(await town.cart(CUSTOMER, extras=Extras(coupon_id)))
    assert await offered(town) == after


async def test_one_for_chosen_people_is_shown_to_them_alone(town: Town) -> None:
    await make_coupon(town.database, audience="chosen", chosen=(await town.person(FRIEND),))
    assert (await offered(town), await offered(town, FRIEND)) == ([], [NUMBER])
