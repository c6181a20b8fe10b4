"""A meal for later (A4.7): ordered and paid now, offered to the restaurant in time for the hour it is wanted at."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain

from core.clock import DOUALA, business_day
from core.database import Tx
from core.settings import Settings
from marketplace.catalogue.queries import Restaurant
from marketplace.ordering.errors import TimeNotOffered

STEP = timedelta(minutes=30)
DAYS = 2  # today and tomorrow


def lead(settings: Settings, restaurant: Restaurant, km: int) -> timedelta:
    """How long before it is wanted an order is offered: time to answer, to cook and to ride."""
    ride = settings.ride_base_minutes + settings.ride_minutes_per_km * km
    return timedelta(minutes=settings.restaurant_refuse_minutes + restaurant.preparation_minutes + ride)


def days(now: datetime) -> list[date]:
    """The days that a meal can be ordered for, in Douala."""
    return [business_day(now) + timedelta(days=number) for number in range(DAYS)]


def hours(settings: Settings, *, restaurant: Restaurant, km: int, day: date, now: datetime) -> list[datetime]:
    """When a meal can be had on `day`: each half hour that leaves time enough, while the kitchen is open."""
    wait = lead(settings, restaurant, km)
    return [at for at in _half_hours(restaurant, day) if at - wait >= max(now, _opening(restaurant, day))]


def offered(tx: Tx, *, restaurant: Restaurant, km: int) -> dict[date, list[datetime]]:
    """The hours of each day."""
    now = tx.now
    return {day: hours(tx.settings, restaurant=restaurant, km=km, day=day, now=now) for day in days(now)}


def offer_at(tx: Tx, *, restaurant: Restaurant, km: int, deliver_at: datetime) -> datetime:
    """When the restaurant learns of it. Raises TimeNotOffered for an hour that is no longer offered, or never was."""
    # Not only among those of its date: midnight is the last hour of the day before.
    if deliver_at not in chain.from_iterable(offered(tx, restaurant=restaurant, km=km).values()):
        raise TimeNotOffered()
    return deliver_at - lead(tx.settings, restaurant, km)


def told(at: datetime) -> str:
    """`21/11 12:30`: the same in every language."""
    return f"{at.astimezone(DOUALA):%d/%m %H:%M}"


def _opening(restaurant: Restaurant, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=DOUALA) + timedelta(minutes=restaurant.opens_minute)


def _half_hours(restaurant: Restaurant, day: date) -> Iterator[datetime]:
    at = _opening(restaurant, day)
    closing = at + timedelta(minutes=restaurant.closes_minute - restaurant.opens_minute)
    while at <= closing:
        yield at
        at += STEP
