"""What dishes cost today, brought to a place: the one calculation that quotes and orders share."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from core.database import Tx
from core.money import basis_points
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.queries import Dish, Restaurant
from marketplace.ordering import scheduling
from marketplace.ordering.errors import DishUnavailable, RestaurantClosed
from marketplace.places import queries as places
from marketplace.places.queries import Place, Tariff
from marketplace.promotions import service as promotions
from marketplace.promotions.service import Discount


class Line(msgspec.Struct, frozen=True):
    """So many of one dish."""

    dish_id: UUID
    quantity: int


class Extras(msgspec.Struct, frozen=True):
    """What a customer adds to the dishes: a coupon, a tip for the driver, and the hour if it is not to be at once."""

    coupon_id: UUID | None = None
    tip_xaf: int = 0
    deliver_at: datetime | None = None


class PricedLine(msgspec.Struct, frozen=True):
    """The same with its name and today's price of one."""

    dish_id: UUID
    dish_number: int
    name: str
    quantity: int
    price_xaf: int


class Price(msgspec.Struct, frozen=True):
    """Everything a customer would agree to, and what an order then freezes."""

    restaurant: Restaurant
    lines: list[PricedLine]
    tariff: Tariff
    items_xaf: int
    tax_xaf: int
    discount: Discount | None
    tip_xaf: int
    place_label: str
    offer_at: datetime | None = None  # of a meal for later: when the restaurant learns of it

    @property
    def discount_xaf(self) -> int:
        return self.discount.amount_xaf if self.discount else 0

    @property
    def total_xaf(self) -> int:
        return self.items_xaf + self.tariff.fee_xaf + self.tax_xaf + self.tip_xaf - self.discount_xaf


async def quoted(
    tx: Tx,
    *,
    person_id: UUID,
    restaurant_id: UUID,
    lines: Sequence[Line],
    place: Place,
    extras: Extras,
    order_id: UUID | None = None,
) -> Price:
    """The price to show, as of a few seconds ago. Raises RestaurantClosed, DishUnavailable, TimeNotOffered, NotFound.

    A coupon that does not count (any more) is left out. `order_id` is the order that was made of it, if one was.
    """
    restaurant = await catalogue.known_restaurant(tx, restaurant_id=restaurant_id)
    menu = await catalogue.known_dishes(tx, restaurant_id=restaurant_id, available_only=False)
    priced = _priced(restaurant, menu, lines)
    quarter = await places.known_quarter(tx, quarter_id=place.quarter_id)
    tariff = await places.known_tariff(tx, from_zone=restaurant.zone_id, to_zone=quarter.zone_id)
    whose = _Whose(person_id, order_id, locked=False)
    return await _price(tx, restaurant, priced, tariff, await places.known_label(tx, place), extras, whose)


async def price(
    tx: Tx,
    *,
    person_id: UUID,
    restaurant_id: UUID,
    lines: Sequence[Line],
    place: Place,
    extras: Extras,
    order_id: UUID | None = None,
) -> Price:
    """The price to agree on, by what is true now; its coupon is locked. Raises RestaurantClosed, DishUnavailable,
    TimeNotOffered, NotFound.
    """
    restaurant = await catalogue.get_restaurant(tx, restaurant_id=restaurant_id)
    menu = await catalogue.dishes(tx, restaurant_id=restaurant_id, available_only=False)
    priced = _priced(restaurant, menu, lines)
    quarter = await places.get_quarter(tx, quarter_id=place.quarter_id)
    tariff = await places.tariff(tx, from_zone=restaurant.zone_id, to_zone=quarter.zone_id)
    whose = _Whose(person_id, order_id, locked=True)
    return await _price(tx, restaurant, priced, tariff, await places.describe(tx, place), extras, whose)


class _Whose(NamedTuple):
    """Whose coupon is weighed, for which order of theirs, and whether it must stay as it is."""

    person_id: UUID
    order_id: UUID | None
    locked: bool


async def _price(
    tx: Tx,
    restaurant: Restaurant,
    priced: list[PricedLine],
    tariff: Tariff,
    place_label: str,
    extras: Extras,
    whose: _Whose,
) -> Price:
    items_xaf = sum(line.quantity * line.price_xaf for line in priced)
    discount = None
    if extras.coupon_id:
        cart: dict[str, Any] = {"coupon_id": extras.coupon_id, "restaurant_id": restaurant.id, "items_xaf": items_xaf}
        discount = await promotions.worth(tx, **cart, **whose._asdict())
    return Price(
        restaurant=restaurant,
        lines=priced,
        tariff=tariff,
        items_xaf=items_xaf,
        tax_xaf=basis_points(items_xaf - _restaurants_own(discount), tx.settings.tax_bp),  # D26
        discount=discount,
        tip_xaf=extras.tip_xaf,
        place_label=place_label,
        offer_at=extras.deliver_at
        and scheduling.offer_at(tx, restaurant=restaurant, km=tariff.km, deliver_at=extras.deliver_at),
    )


def _restaurants_own(discount: Discount | None) -> int:
    """What the restaurant sells its dishes for less, in XAF: nobody earns or taxes that (D7)."""
    return discount.amount_xaf if discount and discount.funder == "restaurant" else 0


def _priced(restaurant: Restaurant, menu: Sequence[Dish], lines: Sequence[Line]) -> list[PricedLine]:
    if restaurant.state != "open":
        raise RestaurantClosed(restaurant=restaurant.name)
    by_id = {dish.id: dish for dish in menu}
    dishes = [(by_id[line.dish_id], line.quantity) for line in lines]
    for dish, _ in dishes:
        if not dish.available:
            raise DishUnavailable(dish=dish.name)
    return [PricedLine(dish.id, dish.number, dish.name, quantity, dish.price_xaf) for dish, quantity in dishes]
