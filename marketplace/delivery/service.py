"""What a delivery goes through beside dispatch and handover: beginning, claims, presence, trouble, the end."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.gsm import plain
from core.ids import new_id
from core.jobs import enqueue
from marketplace.delivery import messages
from marketplace.delivery.dispatch import ADVANCE_JOB, FETCH_MINUTES, WAVES, take_back
from marketplace.delivery.errors import (
    NoSuchJob,
    NotPickedUp,
    OfferOver,
    OfferTaken,
    ResendsUsed,
    UnknownQuarter,
    WhichQuarter,
)
from marketplace.delivery.queries import Job, job, open_jobs
from marketplace.delivery.states import CARRYING, FETCHING, JOB, PROBLEMS, State
from marketplace.delivery.tables import delivery, delivery_event, delivery_offer
from marketplace.delivery.transitions import lock, move, note
from marketplace.ordering.tables import customer_order
from marketplace.people.tables import driver
from marketplace.places import queries as places
from marketplace.places.queries import Quarter
from marketplace.support.cases import open_case

# Of the customer's code, at a driver's wish; more is no lost SMS.
MOST_RESENDS = 3

ARRIVAL: dict[State, State] = {"ASSIGNED": "AT_RESTAURANT", "PICKED_UP": "AT_DOOR"}


async def begin(tx: Tx, *, order_id: UUID, prep_minutes: int) -> None:
    """A restaurant has accepted: look for a driver, so that one is there when the food is ready."""
    delivery_id, wait = new_id(), max(0, prep_minutes - tx.settings.dispatch_lead_minutes)
    row = {
        "id": delivery_id,
        "order_id": order_id,
        "number": select(customer_order.c.number).where(customer_order.c.id == order_id).scalar_subquery(),
        "state": "WAITING",
        "wave": 0,
        "due_at": tx.now + timedelta(minutes=wait),
        "created_at": tx.now,
    }
    await tx.run(insert(delivery).values(row))
    if wait == 0:
        await enqueue(tx, ADVANCE_JOB, delivery_id)


async def hasten(tx: Tx, *, order_id: UUID) -> None:
    """The food is ready before its time: if nobody is looking for a driver yet, that begins now."""
    early = delivery.c.order_id == order_id, delivery.c.state == "WAITING", delivery.c.due_at > tx.now
    started = await tx.first(update(delivery).where(*early).values(due_at=tx.now).returning(delivery.c.id))
    if started is not None:
        await enqueue(tx, ADVANCE_JOB, started.id)


async def claim(tx: Tx, *, driver_id: UUID, number: int) -> Job:
    """The driver takes the job they were offered. A repeat by the winner gets the same answer.

    Raises OfferTaken when another was faster, OfferOver when there is no live offer.
    """
    offer = await tx.first(
        select(delivery_offer)
        .join(delivery, delivery.c.id == delivery_offer.c.delivery_id)
        .where(delivery_offer.c.driver_id == driver_id, delivery.c.number == number)
        .order_by(delivery_offer.c.offered_at.desc())
        .limit(1)
    )
    if offer is None:
        raise OfferOver(number=number)
    row = await lock(tx, offer.delivery_id)
    if row.driver_id == driver_id and row.state in JOB:
        return await job(tx, row.id)
    if row.driver_id is not None:
        raise OfferTaken(number=number)
    if row.state != "OFFERING" or offer.state != "offered" or offer.expires_at < tx.now:
        raise OfferOver(number=number)
    await _assign(tx, row.id, offer.id, driver_id)
    sheet = await job(tx, row.id)
    await messages.pickup_number(tx, sheet, driver_id=driver_id)
    return sheet


async def _assign(tx: Tx, delivery_id: UUID, offer_id: UUID, driver_id: UUID) -> None:
    # The unique index on accepted offers stands behind the row lock.
    offers = update(delivery_offer).where(delivery_offer.c.delivery_id == delivery_id)
    await tx.run(offers.where(delivery_offer.c.id == offer_id).values(state="accepted", answered_at=tx.now))
    await tx.run(offers.where(delivery_offer.c.state == "offered").values(state="withdrawn"))
    changes = {"driver_id": driver_id, "due_at": tx.now + timedelta(minutes=FETCH_MINUTES)}
    await move(tx, delivery_id=delivery_id, to="ASSIGNED", actor=f"driver:{driver_id}", changes=changes)
    await tx.run(update(driver).where(driver.c.id == driver_id).values(ignored_offers=0, last_seen_at=tx.now))


async def arrive(tx: Tx, *, driver_id: UUID, number: int) -> Job:
    """`A 4821`: at the restaurant, or with the food at the door. A repeat changes nothing."""
    sheet = await _own_job(tx, driver_id, number)
    arrived = ARRIVAL.get(sheet.state)
    if arrived:
        await move(tx, delivery_id=sheet.delivery_id, to=arrived, actor=f"driver:{driver_id}")
    return sheet


async def problem(tx: Tx, *, driver_id: UUID, number: int, kind: int) -> Job:
    """`PB 4821 2`, the 2 being one of PROBLEMS: before pickup another driver is sought; with the food in hand,
    operations calls.
    """
    sheet = await _own_job(tx, driver_id, number)
    if sheet.state in FETCHING:
        await take_back(tx, await lock(tx, sheet.delivery_id), actor=f"driver:{driver_id}")
        await enqueue(tx, ADVANCE_JOB, sheet.delivery_id)
    what = PROBLEMS.get(kind, "other")
    await open_case(tx, "problem", delivery_id=sheet.delivery_id, driver_id=driver_id, what=what, state=sheet.state)
    return sheet


async def sos(tx: Tx, *, driver_id: UUID) -> None:
    """A driver in danger: operations calls at once."""
    await open_case(tx, "sos", driver_id=driver_id)


async def resend_code(tx: Tx, *, driver_id: UUID, number: int) -> None:
    """The customer gets the SMS with their code once more; the driver is told nothing of it.

    Raises NoSuchJob, NotPickedUp, and ResendsUsed once it was sent often enough.
    """
    sheet = await _own_job(tx, driver_id, number)
    if sheet.state not in CARRYING:
        raise NotPickedUp(number=number)
    resent = select(func.count()).where(
        delivery_event.c.delivery_id == sheet.delivery_id, delivery_event.c.details.has_key("resent")
    )
    if await tx.value(resent) >= MOST_RESENDS:
        raise ResendsUsed(number=number)
    await note(tx, sheet.delivery_id, sheet.state, sheet.state, actor=f"driver:{driver_id}", resent="code")
    await messages.on_the_way(tx, sheet)


async def set_presence(
    tx: Tx, *, driver_id: UUID, on: bool, quarter: str | None = None, quarter_id: int | None = None
) -> Quarter | None:
    """`ON AKWA` (or a quarter from a list), `OFF`; `ON` alone means where they were last. Returns the quarter when on.

    Raises UnknownQuarter, WhichQuarter.
    """
    if not on:
        await tx.run(update(driver).where(driver.c.id == driver_id).values(state="off"))
        return None
    if quarter_id is not None:
        place = await places.get_quarter(tx, quarter_id=quarter_id)
    else:
        place = await _quarter(tx, driver_id, quarter)
    await _wake_unserved(tx)
    # The driver last: dispatch locks deliveries before drivers.
    values = {"state": "on", "quarter_id": place.id, "last_seen_at": tx.now, "ignored_offers": 0}
    await tx.run(update(driver).where(driver.c.id == driver_id).values(values))
    return place


async def heard_from(tx: Tx, *, driver_id: UUID) -> None:
    """Any message keeps a driver present (two hours of silence end it)."""
    await tx.run(update(driver).where(driver.c.id == driver_id).values(last_seen_at=tx.now))


async def call_off(tx: Tx, *, order_id: UUID, actor: str) -> None:
    """The order was cancelled: no more offers, and a driver who is on the way is told."""
    row = await tx.first(select(delivery).where(delivery.c.order_id == order_id).with_for_update())
    if row is None or row.state in ("HANDED_OVER", "FAILED"):
        return
    await tx.run(
        update(delivery_offer)
        .where(delivery_offer.c.delivery_id == row.id, delivery_offer.c.state == "offered")
        .values(state="withdrawn")
    )
    await move(tx, delivery_id=row.id, to="FAILED", actor=actor, changes={"due_at": None}, reason="cancelled")
    if row.driver_id:
        await messages.tell_driver(tx, row.driver_id, "sms.job_gone", {"number": row.number}, about=row.id)


async def received(tx: Tx, *, order_id: UUID, actor: str) -> None:
    """The customer says so, or 24 hours have passed (D19): the delivery ends without the code."""
    row = await tx.first(select(delivery).where(delivery.c.order_id == order_id).with_for_update())
    if row is not None and row.state in CARRYING:
        await move(tx, delivery_id=row.id, to="HANDED_OVER", actor=actor, changes={"handed_over_at": tx.now})


async def _own_job(tx: Tx, driver_id: UUID, number: int) -> Job:
    """The driver's job of that number, locked. Raises NoSuchJob, also when dispatch was taking it back just now."""
    for held in await open_jobs(tx, driver_id=driver_id, number=number):
        row = await lock(tx, held.delivery_id)
        if row.driver_id == driver_id and row.state in JOB:
            return await job(tx, row.id)
    raise NoSuchJob(number=number)


async def _quarter(tx: Tx, driver_id: UUID, name: str | None) -> Quarter:
    """The quarter meant: the one of that name, else the only one that begins so, else where they last were."""
    if name is None:
        return await _last_quarter(tx, driver_id)
    found = await places.search_quarters(tx, prefix=name)
    exact = [one for one in found if plain(one.name) == plain(name)]
    match exact or found:
        case []:
            raise UnknownQuarter(name=name)
        case [only]:
            return only
        case several:
            raise WhichQuarter(options=", ".join(one.name for one in several[:5]))


async def _last_quarter(tx: Tx, driver_id: UUID) -> Quarter:
    quarter_id = await tx.value(select(driver.c.quarter_id).where(driver.c.id == driver_id))
    if quarter_id is None:
        raise UnknownQuarter(name="")
    return await places.get_quarter(tx, quarter_id=quarter_id)


async def _wake_unserved(tx: Tx) -> None:
    """Deliveries that found nobody are offered again at once when somebody comes on."""
    live = exists().where(delivery_offer.c.delivery_id == delivery.c.id, delivery_offer.c.state == "offered")
    unserved = await tx.all(
        select(delivery.c.id)
        .where(delivery.c.state == "OFFERING", delivery.c.wave >= len(WAVES), delivery.c.due_at > tx.now, ~live)
        .order_by(delivery.c.id)  # an UPDATE alone locks in any order: two drivers who come on would deadlock
        .with_for_update(of=delivery)
    )
    for row in unserved:
        await tx.run(update(delivery).where(delivery.c.id == row.id).values(due_at=tx.now))
        await enqueue(tx, ADVANCE_JOB, row.id)
