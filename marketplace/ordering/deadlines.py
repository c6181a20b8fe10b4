"""What happens to an order when nobody does anything: D16 for a restaurant that is silent, D19 for a handover.

An order knows when it is due (`due_at`) and how far it is (`due_step`); `states.schedule` says when, `STEPS` what.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from core.clock import day_start
from core.database import Database, Tx
from core.logs import logger
from marketplace.catalogue import queries as restaurants
from marketplace.catalogue import service as catalogue
from marketplace.delivery import service as delivery
from marketplace.ordering import messages, settlement
from marketplace.ordering.placing import offer_now
from marketplace.ordering.states import State, schedule
from marketplace.ordering.tables import customer_order
from marketplace.ordering.transitions import COLUMNS, OrderRow, move

# Orders per sweep; what is left over is found by the next.
BATCH = 50

log = logger(__name__)


async def sweep(database: Database) -> int:
    """Do what is due, each order in a transaction of its own; how many were. Raises when it cannot ask what is."""
    tried: set[UUID] = set()
    while (done := len(tried)) < BATCH:
        try:
            async with database.transaction() as tx:
                order = await _next(tx, tried)
                if order is None:
                    break
                tried.add(order.id)
                await _advance(tx, order)
                await STEPS[order.state][order.due_step](tx, order)
        except Exception:
            if len(tried) == done:
                raise  # no order's trouble but the database's: the worker pauses before it asks again
            # One order's trouble must not stop the others; it stays due, and comes round again.
            log.exception("order.deadline")
    return len(tried)


async def _next(tx: Tx, tried: set[UUID]) -> OrderRow | None:
    """The order that is due longest, of those that nobody else has in hand."""
    due = select(*COLUMNS).where(customer_order.c.due_at <= tx.now, customer_order.c.id.not_in(tried))
    row = await tx.first(due.order_by(customer_order.c.due_at).limit(1).with_for_update(skip_locked=True))
    return None if row is None else OrderRow(**row._mapping)


async def _advance(tx: Tx, order: OrderRow) -> None:
    """Set the next deadline of this state; a step that leaves the state sets that of the new one."""
    later = schedule(tx.settings, order.state)[order.due_step + 1 :]
    due_at = order.state_since + later[0] if later else None
    changes = {"due_at": due_at, "due_step": order.due_step + 1}
    await tx.run(update(customer_order).where(customer_order.c.id == order.id).values(changes))


# ---- a meal for later ------------------------------------------------------------------------------------


async def _offer(tx: Tx, order: OrderRow) -> None:
    await offer_now(tx, order_id=order.id)


# ---- the restaurant is silent (D16) ----------------------------------------------------------------------


async def _remind(tx: Tx, order: OrderRow) -> None:
    ends = order.state_since + timedelta(minutes=tx.settings.restaurant_refuse_minutes)
    await messages.offer(tx, order, minutes_left=max(1, (ends - tx.now) // timedelta(minutes=1)))


async def _ask_second_phone(tx: Tx, order: OrderRow) -> None:
    await messages.offer(tx, order, phone_position=1)


async def _give_up(tx: Tx, order: OrderRow) -> None:
    """Refuse for the restaurant: refund, then BUSY; after the third time in a day, until it says OUVERT.

    One that was resting already (a meal for later came) rests as long as it has said.
    """
    order = await move(tx, order_id=order.id, to="NO_ANSWER", actor="system")
    await messages.unanswered(tx, order)
    kitchen = await restaurants.get_restaurant(tx, restaurant_id=order.restaurant_id)
    if kitchen.state != "open":
        await messages.tell_restaurant(tx, order, "sms.order_missed_resting")
    elif await _missed_today(tx, order) >= tx.settings.restaurant_misses_to_pause:
        await catalogue.set_state(tx, restaurant_id=order.restaurant_id, state="closed")
        await messages.tell_restaurant(tx, order, "sms.order_missed_paused")
    else:
        minutes = tx.settings.restaurant_busy_minutes
        until = tx.now + timedelta(minutes=minutes)
        await catalogue.set_state(tx, restaurant_id=order.restaurant_id, state="busy", until=until)
        await messages.tell_restaurant(tx, order, "sms.order_missed", {"minutes": minutes})
    await settlement.refund(tx, order)


async def _missed_today(tx: Tx, order: OrderRow) -> int:
    """Orders of today that the restaurant has not answered, this one included."""
    here = customer_order.c.restaurant_id == order.restaurant_id, customer_order.c.state == "NO_ANSWER"
    today = customer_order.c.state_since >= day_start(tx.now)
    return int(await tx.value(select(func.count()).where(*here, today)))


# ---- nobody confirms the handover (D19) ------------------------------------------------------------------


async def _release(tx: Tx, order: OrderRow) -> None:
    """No dispute for so long: it was delivered."""
    await delivery.received(tx, order_id=order.id, actor="system")
    await settlement.deliver(tx, order_id=order.id, how="timeout")


async def _close(tx: Tx, order: OrderRow) -> None:
    await move(tx, order_id=order.id, to="CLOSED", actor="system")


Step = Callable[[Tx, OrderRow], Awaitable[None]]

# For each state, what is done at the times of `states.schedule`; PAID waits for the order's own hour.
STEPS: dict[State, tuple[Step, ...]] = {
    "PAID": (_offer,),
    "OFFERED": (_remind, _ask_second_phone, _give_up),
    "PICKED_UP": (messages.ask_received, _release),
    "DELIVERED": (_close,),
}
