"""People at work in the walker's town: a cook who drives as well, with orders, jobs and offers; a driver at home."""

from uuid import UUID

from sqlalchemy import insert

from core.database import Database, Tx
from core.ids import new_id
from core.sealed import DIGITS
from marketplace.delivery import dispatch, handover
from marketplace.delivery import service as delivery
from marketplace.delivery.queries import open_offers
from marketplace.people import service as people
from marketplace.people.tables import driver

COOK, AT_HOME = "+237671000010", "+237672000006"
EATER = "+237670000211"  # whose meals are carried; nobody walks their menus, where they could be called off
AT_WORK = (COOK, AT_HOME)

# Typed where a menu asks for it; the codes are wrong ones, the right ones are nobody's to know.
SAMPLES = {
    "staff.minutes": ("25", "181", "abc"),
    "staff.price": ("2500", "24", "2,5"),
    "staff.amount": ("500", "499", "99999999"),
    "staff.quarter": ("bon", "xyz"),
    "staff.found": ("ako", "zzz"),
    "staff.counter": ("00", "123"),
    "staff.code": ("0000", "12345"),
}


async def go_to_work(database: Database, *, quarter: str, pin: str) -> None:
    """The cook comes on as a driver and takes two of the jobs that wait, one of them as far as the food in hand."""
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=COOK)
        await people.set_pin(tx, person_id=person.id, pin=pin)
        driver_id = new_id()
        await tx.run(insert(driver).values(id=driver_id, person_id=person.id))
        await delivery.set_presence(tx, driver_id=driver_id, on=True, quarter=quarter)
    await dispatch.sweep(database)
    async with database.transaction() as tx:
        await _take_two(tx, driver_id)


async def _take_two(tx: Tx, driver_id: UUID) -> None:
    carried, fetched, *_ = await open_offers(tx, driver_id=driver_id)
    for job in (carried, fetched):
        await delivery.claim(tx, driver_id=driver_id, number=job.number)
    counter = tx.keys.digits("pickup_number", str(carried.delivery_id), DIGITS["pickup_number"])
    await handover.pick_up(tx, driver_id=driver_id, number=carried.number, pickup_number=counter)
