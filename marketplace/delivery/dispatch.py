"""Dispatch: offers go out in waves until a driver takes the job (D17)."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Database, Tx
from core.ids import new_id
from marketplace.delivery import messages
from marketplace.delivery.queries import Job, job
from marketplace.delivery.states import FETCHING, JOB
from marketplace.delivery.tables import delivery, delivery_offer
from marketplace.delivery.transitions import move
from marketplace.people.tables import driver
from marketplace.support.cases import open_case

ADVANCE_JOB = "delivery.advance"
SWEEP_BATCH = 20

# A driver who has not picked up by then gives the job back.
FETCH_MINUTES = 45
# When nobody is on, everybody is asked again after this.
RETRY_SECONDS = 300
# Offers in a row that a driver may leave unanswered.
IGNORED_LIMIT = 2
# A driver carries two meals at most.
JOBS_LIMIT = 2
ADJACENT_KM = 5

Reach = Literal["zone", "adjacent", "city"]


class Wave(msgspec.Struct, frozen=True):
    """One round of offers: how far to look, how many to ask at once."""

    reach: Reach
    drivers: int


# The last wave puts the delivery on operations' list and is repeated until somebody comes.
WAVES = (Wave("zone", 1), Wave("zone", 3), Wave("adjacent", 10), Wave("city", 10))


class Inputs(msgspec.Struct, frozen=True):
    """What a driver's score is made of; stored with the offer, so that it can be explained later."""

    same_zone: bool
    km: int  # by the order's tariff, between the driver's zone and the restaurant's
    rating: float  # 1 to 5
    idle_minutes: int  # since the last handover, or since they were last heard of
    acceptance: float  # share of the last 30 days' offers, 1.0 for a newcomer
    open_jobs: int


class Candidate(msgspec.Struct, frozen=True):
    driver_id: UUID
    inputs: Inputs


def score(inputs: Inputs) -> int:
    """Nearness first (the food gets cold), then rating, a fair share of the work, and reliability."""
    nearness = 200 if inputs.same_zone else 100 if inputs.km <= ADJACENT_KM else 0
    fairness = min(inputs.idle_minutes, 60) // 2
    return nearness + round(10 * inputs.rating) + fairness + round(20 * inputs.acceptance) - 60 * inputs.open_jobs


async def advance(database: Database, delivery_id: UUID) -> None:
    """Do what is due for one delivery: the next wave, or taking the job back from a driver who never came."""
    async with database.transaction() as tx:
        row = await tx.first(
            select(delivery)
            .where(delivery.c.id == delivery_id, delivery.c.due_at <= tx.now)
            .with_for_update(skip_locked=True)
        )
        if row is None:
            return
        if row.state in FETCHING:
            row = await take_back(tx, row, actor="dispatch")
        await _next_wave(tx, row)


async def sweep(database: Database) -> int:
    """Advance every delivery that is due; how many."""
    async with database.reading() as tx:
        due = await tx.all(
            select(delivery.c.id).where(delivery.c.due_at <= tx.now).order_by(delivery.c.due_at).limit(SWEEP_BATCH)
        )
    for row in due:
        await advance(database, row.id)
    return len(due)


async def take_back(tx: Tx, row: Row[Any], *, actor: str) -> Row[Any]:
    """The driver loses the job, and dispatch begins anew without them."""
    await tx.run(
        update(delivery_offer)
        .where(delivery_offer.c.delivery_id == row.id, delivery_offer.c.state == "accepted")
        .values(state="returned")
    )
    params: dict[str, str | int] = {"number": row.number}
    await messages.tell_driver(tx, row.driver_id, "sms.job_gone", params, about=row.id)
    changes = {"driver_id": None, "wave": 0, "due_at": tx.now}
    return await move(
        tx, delivery_id=row.id, to="OFFERING", actor=actor, changes=changes, taken_from=str(row.driver_id)
    )


async def _next_wave(tx: Tx, row: Row[Any]) -> None:
    """Ask the next drivers, passing over waves that have none."""
    await _count_ignored(tx, row.id)
    sheet = await job(tx, row.id)
    chosen: list[Candidate] = []
    number = row.wave
    while not chosen and (number == row.wave or number < len(WAVES)):
        number += 1
        chosen = await _candidates(tx, sheet, number)
    if number >= len(WAVES):
        await open_case(tx, "no_driver", delivery_id=row.id)
    wait = tx.settings.driver_offer_seconds if chosen else RETRY_SECONDS
    await _note_wave(tx, row, number, wait)
    for candidate in chosen:
        await _offer(tx, sheet, candidate, wave=number)


async def _note_wave(tx: Tx, row: Row[Any], number: int, wait_seconds: int) -> None:
    changes = {"wave": number, "due_at": tx.now + timedelta(seconds=wait_seconds)}
    if row.state == "WAITING":
        await move(tx, delivery_id=row.id, to="OFFERING", actor="dispatch", changes=changes)
    else:
        await tx.run(update(delivery).where(delivery.c.id == row.id).values(changes))


async def _offer(tx: Tx, sheet: Job, candidate: Candidate, *, wave: int) -> None:
    until = tx.now + timedelta(seconds=tx.settings.driver_offer_seconds)
    row = {
        "id": new_id(),
        "delivery_id": sheet.delivery_id,
        "driver_id": candidate.driver_id,
        "wave": wave,
        "state": "offered",
        "score": score(candidate.inputs),
        "inputs": msgspec.to_builtins(candidate.inputs),
        "offered_at": tx.now,
        "expires_at": until,
    }
    await tx.run(insert(delivery_offer).values(row))
    await messages.offer(tx, sheet, driver_id=candidate.driver_id, until=until)


async def _count_ignored(tx: Tx, delivery_id: UUID) -> None:
    """Offers of the last wave that nobody answered; two in a row end a driver's presence."""
    ignored = await tx.all(
        update(delivery_offer)
        .where(delivery_offer.c.delivery_id == delivery_id, delivery_offer.c.state == "offered")
        .values(state="ignored")
        .returning(delivery_offer.c.driver_id)
    )
    for driver_id in sorted(row.driver_id for row in ignored):  # in one order everywhere: no deadlock
        count = await tx.value(
            update(driver)
            .where(driver.c.id == driver_id)
            .values(ignored_offers=driver.c.ignored_offers + 1)
            .returning(driver.c.ignored_offers)
        )
        if count >= IGNORED_LIMIT:
            await tx.run(update(driver).where(driver.c.id == driver_id).values(state="off"))
            await messages.tell_driver(tx, driver_id, "sms.gone_off", {})


# Drivers who are on and may be offered this job, with their figures. Those who held it and gave it back
# are out for good; those who let an earlier offer of it pass come again in the last wave only.
_DRIVERS = text("""
    SELECT d.id AS driver_id, q.zone_id = :zone AS same_zone, f.km, d.rating,
           extract(epoch FROM :now - coalesce(
               (SELECT max(j.handed_over_at) FROM delivery j WHERE j.driver_id = d.id), d.last_seen_at
           )) AS idle_seconds,
           (SELECT count(*) FROM delivery j WHERE j.driver_id = d.id AND j.state = ANY(:jobs)) AS open_jobs,
           (SELECT avg((o.state = 'accepted')::int) FROM delivery_offer o
             WHERE o.driver_id = d.id AND o.state IN ('accepted', 'ignored', 'returned') AND o.offered_at > :month_ago
           ) AS acceptance
      FROM driver d
      JOIN quarter q ON q.id = d.quarter_id
      JOIN tariff_fee f ON f.version = :tariff
       AND f.lower_zone_id = least(q.zone_id, :zone) AND f.upper_zone_id = greatest(q.zone_id, :zone)
     WHERE d.state = 'on' AND d.last_seen_at > :heard_since
       AND NOT EXISTS (SELECT FROM delivery j WHERE j.driver_id = d.id AND j.number = :number AND j.state = ANY(:jobs))
       AND NOT EXISTS (SELECT FROM delivery_offer o JOIN delivery j ON j.id = o.delivery_id
                        WHERE o.driver_id = d.id AND o.state = 'offered' AND j.number = :number)
       AND NOT EXISTS (SELECT FROM delivery_offer o
                        WHERE o.driver_id = d.id AND o.delivery_id = :delivery
                          AND (o.state = 'returned' OR NOT :again))
""")


async def _candidates(tx: Tx, sheet: Job, number: int) -> list[Candidate]:
    """The best drivers for wave `number`."""
    wave = WAVES[min(number, len(WAVES)) - 1]
    rows = await tx.all(
        _DRIVERS,
        {
            "zone": sheet.from_zone_id,
            "tariff": sheet.tariff_version,
            "number": sheet.number,
            "delivery": sheet.delivery_id,
            "jobs": list(JOB),
            "again": number >= len(WAVES),
            "now": tx.now,
            "heard_since": tx.now - timedelta(minutes=tx.settings.driver_silence_minutes),
            "month_ago": tx.now - timedelta(days=30),
        },
    )
    found = [Candidate(row.driver_id, _inputs(row)) for row in rows]
    near = [one for one in found if _reaches(wave.reach, one.inputs) and one.inputs.open_jobs < JOBS_LIMIT]
    return sorted(near, key=lambda one: (-score(one.inputs), one.driver_id))[: wave.drivers]


def _inputs(row: Row[Any]) -> Inputs:
    return Inputs(
        same_zone=row.same_zone,
        km=row.km,
        rating=row.rating,
        idle_minutes=int(row.idle_seconds) // 60,
        acceptance=round(float(1 if row.acceptance is None else row.acceptance), 2),
        open_jobs=row.open_jobs,
    )


def _reaches(reach: Reach, inputs: Inputs) -> bool:
    return reach == "city" or inputs.same_zone or (reach == "adjacent" and inputs.km <= ADJACENT_KM)
