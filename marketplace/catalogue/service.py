"""What changes about restaurants and dishes: by the restaurant itself, or by a delivered order."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.errors import InvalidAmount, InvalidInput, NotFound
from marketplace.catalogue.tables import dish, favourite, restaurant

STATES = ("open", "busy", "closed")

# Who is busy for longer closes.
LONGEST_PAUSE_MINUTES = 999

# Outside of these a price is a mistyped number.
LOWEST_PRICE_XAF, HIGHEST_PRICE_XAF = 25, 200_000


async def set_state(tx: Tx, *, restaurant_id: UUID, state: str, until: datetime | None = None) -> None:
    """Open, busy or closed; open again at `until`, or when they say so."""
    if state not in STATES:
        raise InvalidInput(field="state")
    values = {"state": state, "state_until": until}
    await tx.run(update(restaurant).where(restaurant.c.id == restaurant_id).values(values))


async def pause(tx: Tx, *, restaurant_id: UUID, minutes: int) -> None:
    """Busy: no new orders for so many minutes. Raises InvalidInput."""
    if not 1 <= minutes <= LONGEST_PAUSE_MINUTES:
        raise InvalidInput(field="minutes")
    until = tx.now + timedelta(minutes=minutes)
    await set_state(tx, restaurant_id=restaurant_id, state="busy", until=until)


async def set_available(tx: Tx, *, restaurant_id: UUID, dish_number: int, available: bool) -> None:
    """Take a dish off the menu of the day, or put it back. Raises NotFound."""
    which = (dish.c.restaurant_id == restaurant_id) & (dish.c.number == dish_number)
    if await tx.run(update(dish).where(which).values(available=available)) == 0:
        raise NotFound()


async def set_price(tx: Tx, *, restaurant_id: UUID, dish_number: int, price_xaf: int) -> None:
    """From now on the dish costs `price_xaf`; whoever confirms an older total is asked again. Raises InvalidAmount,
    NotFound.
    """
    if not LOWEST_PRICE_XAF <= price_xaf <= HIGHEST_PRICE_XAF:
        raise InvalidAmount()
    which = (dish.c.restaurant_id == restaurant_id) & (dish.c.number == dish_number)
    if await tx.run(update(dish).where(which).values(price_xaf=price_xaf)) == 0:
        raise NotFound()


async def like(tx: Tx, *, person_id: UUID, restaurant_id: UUID, liked: bool) -> None:
    """Keep a restaurant among the favourites, or no longer. A repeat changes nothing."""
    if liked:
        row = {"person_id": person_id, "restaurant_id": restaurant_id, "since": tx.now}
        await tx.run(insert(favourite).values(row).on_conflict_do_nothing())
    else:
        mine = (favourite.c.person_id == person_id) & (favourite.c.restaurant_id == restaurant_id)
        await tx.run(delete(favourite).where(mine))


async def count_delivered(tx: Tx, *, restaurant_id: UUID) -> None:
    """One more order delivered in the restaurant's life, which its commission depends on (D7)."""
    one_more = {"delivered_orders": restaurant.c.delivered_orders + 1}
    await tx.run(update(restaurant).where(restaurant.c.id == restaurant_id).values(one_more))
