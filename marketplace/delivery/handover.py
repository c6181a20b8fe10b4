"""Proof at the counter and at the door: two numbers that only the right person can name.

The restaurant knows the pickup number, the customer the delivery code; the driver learns each by
being there. Neither is stored: both are derived when they are sent and when they are checked (D15).
"""

from datetime import timedelta
from secrets import token_hex
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select

from core import sealed
from core.clock import business_day
from core.crypto import same
from core.database import Tx
from marketplace.delivery import messages
from marketplace.delivery.errors import CodeLocked, CodeRefused, NoSuchJob, NotPickedUp, WhichJob
from marketplace.delivery.queries import Job, code_ref, job, open_jobs
from marketplace.delivery.states import CARRYING
from marketplace.delivery.tables import code_miss, delivery
from marketplace.delivery.transitions import lock_with_order, move
from marketplace.ordering import settlement
from marketplace.ordering import transitions as orders
from marketplace.support.cases import open_case

# How long a repeated handover is still answered with the same OK.
REPEAT_HOURS = 24


async def pick_up(tx: Tx, *, driver_id: UUID, number: int, pickup_number: str) -> Job:
    """The driver has the food: the order is PICKED_UP, the customer gets the code. A repeat changes nothing.

    Raises NoSuchJob, CodeRefused (which keeps the miss) and CodeLocked.
    """
    held = await open_jobs(tx, driver_id=driver_id, number=number)
    if not held:
        raise NoSuchJob(number=number)
    row = await lock_with_order(tx, order_id=held[0].order_id, delivery_id=held[0].delivery_id)
    if row.driver_id != driver_id:
        raise NoSuchJob(number=number)
    await _check(tx, row, kind="pickup_number", ref=str(row.id), typed=pickup_number)
    if row.state not in CARRYING:
        await _set_off(tx, row)
    return await job(tx, row.id)


async def hand_over(tx: Tx, *, driver_id: UUID, number: int | None = None, code: str) -> Job:
    """The customer has the food: the order is DELIVERED and everyone gets their share, in this transaction.

    Without `number` the driver must hold exactly one job. The same code again gets the same answer.
    Raises WhichJob, NoSuchJob, NotPickedUp, CodeRefused (which keeps the miss) and CodeLocked.
    """
    held = await open_jobs(tx, driver_id=driver_id, number=number)
    if len(held) > 1:
        raise WhichJob(options=", ".join(str(one.number) for one in held))
    if not held:
        return await _handed_over_before(tx, driver_id, number, code)
    row = await lock_with_order(tx, order_id=held[0].order_id, delivery_id=held[0].delivery_id)
    if row.state == "HANDED_OVER":
        # A twin of this message was faster.
        return await _handed_over_before(tx, driver_id, row.number, code)
    if row.driver_id != driver_id:
        raise NoSuchJob(number=row.number)
    if row.state not in CARRYING:
        raise NotPickedUp(number=row.number)
    await _check(tx, row, kind="delivery_code", ref=code_ref(row), typed=code)
    actor = f"driver:{driver_id}"
    await move(tx, delivery_id=row.id, to="HANDED_OVER", actor=actor, changes={"handed_over_at": tx.now})
    sheet = await job(tx, row.id)
    # Last, because it posts: business rows are locked first, accounts after them (design/ledger.md).
    await settlement.deliver(tx, order_id=row.order_id, how="code", actor=actor)
    return sheet


async def _set_off(tx: Tx, row: Row[Any]) -> None:
    actor = f"driver:{row.driver_id}"
    await orders.move(tx, order_id=row.order_id, to="PICKED_UP", actor=actor)
    changes = {"code_nonce": token_hex(8), "due_at": None}
    await move(tx, delivery_id=row.id, to="PICKED_UP", actor=actor, changes=changes)
    await messages.on_the_way(tx, await job(tx, row.id))


async def _handed_over_before(tx: Tx, driver_id: UUID, number: int | None, typed: str) -> Job:
    """The driver's newest handovers, when the code is theirs: the answer got lost, or the message came twice."""
    recent = (
        select(delivery)
        .where(delivery.c.driver_id == driver_id, delivery.c.state == "HANDED_OVER")
        .where(delivery.c.handed_over_at > tx.now - timedelta(hours=REPEAT_HOURS))
        .order_by(delivery.c.handed_over_at.desc())
    )
    if number is not None:
        recent = recent.where(delivery.c.number == number)
    for row in await tx.all(recent):
        if same(sealed.code(tx.keys, "delivery_code", code_ref(row)), typed):
            return await job(tx, row.id)
    raise NoSuchJob(number=number or "")


async def _check(tx: Tx, row: Row[Any], *, kind: str, ref: str, typed: str) -> None:
    """Compare in constant time while attempts are left; count a miss."""
    left = await _attempts_left(tx, row, kind)
    if left <= 0:
        raise CodeLocked(number=row.number)
    if same(sealed.code(tx.keys, kind, ref), typed):
        return
    miss = {"delivery_id": row.id, "driver_id": row.driver_id, "kind": kind, "day": business_day(tx.now), "at": tx.now}
    await tx.run(insert(code_miss).values(miss))
    if left == 1:
        await open_case(tx, "code_locked", delivery_id=row.id, driver_id=row.driver_id, about=kind)
    raise CodeRefused(number=row.number, left=left - 1)


async def _attempts_left(tx: Tx, row: Row[Any], kind: str) -> int:
    """What remains of the delivery's attempts and of the driver's for today, whichever is less."""
    here = (code_miss.c.delivery_id == row.id) & (code_miss.c.kind == kind)
    today = (code_miss.c.driver_id == row.driver_id) & (code_miss.c.day == business_day(tx.now))
    misses = await tx.one(
        select(func.count().filter(here).label("here"), func.count().filter(today).label("today")).where(here | today)
    )
    limits = tx.settings
    return min(limits.delivery_code_attempts - int(misses.here), limits.driver_code_misses_per_day - int(misses.today))
