"""Jobs and offers as drivers read them. They may be kept in sessions: whom to call rests as a token."""

from uuid import UUID

import msgspec

from core.database import Tx
from core.sealed import seal_phone
from marketplace.delivery.errors import NoSuchJob
from marketplace.delivery.queries import Job, open_jobs, open_offers
from marketplace.delivery.states import CARRYING, State
from marketplace.people import service as people


class Sheet(msgspec.Struct, frozen=True):
    """`phone` is whom to call at the door: sealed, and only with the food in hand."""

    number: int
    state: State
    restaurant_name: str
    from_quarter: str
    to_quarter: str
    place: str
    phone: str | None
    km: int
    pay_xaf: int


async def jobs(tx: Tx, *, driver_id: UUID) -> list[Sheet]:
    """What the driver holds now, oldest first."""
    return [await sheet(tx, job) for job in await open_jobs(tx, driver_id=driver_id)]


async def held(tx: Tx, *, driver_id: UUID, number: int) -> Sheet:
    """The driver's job of that number. Raises NoSuchJob."""
    for job in await open_jobs(tx, driver_id=driver_id, number=number):
        return await sheet(tx, job)
    raise NoSuchJob(number=number)


async def offers(tx: Tx, *, driver_id: UUID) -> list[Sheet]:
    """What the driver may take now, the best paid first."""
    return [await sheet(tx, job) for job in await open_offers(tx, driver_id=driver_id)]


async def sheet(tx: Tx, job: Job) -> Sheet:
    """One job: where from, where to, for how much."""
    return Sheet(
        number=job.number,
        state=job.state,
        restaurant_name=job.restaurant_name,
        from_quarter=job.from_quarter,
        to_quarter=job.to_quarter,
        place=f"{job.place_label}, {job.directions}" if job.directions else job.place_label,
        phone=await _contact(tx, job) if job.state in CARRYING else None,
        km=job.km,
        pay_xaf=job.pay_xaf,
    )


async def _contact(tx: Tx, job: Job) -> str:
    """The number that the customer named for this meal, else their own."""
    phone = job.contact_phone or (await people.get(tx, person_id=job.customer_id)).phone
    return seal_phone(tx.keys, phone)
