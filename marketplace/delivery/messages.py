"""The texts of a delivery, to the people who need them."""

from datetime import datetime
from uuid import UUID

from core.database import Tx
from core.phones import mask_phone
from core.sealed import seal
from marketplace.catalogue import queries as catalogue
from marketplace.delivery.queries import Job, delivery_code
from marketplace.notifications.service import notify
from marketplace.people import service as people
from marketplace.people.drivers import get_driver


async def offer(tx: Tx, job: Job, *, driver_id: UUID, until: datetime) -> None:
    """`COURSE 4821 Chez Mama AKWA > BONAMOUSSADI 3km 800F. Rep OUI 4821 (75s)`."""
    params: dict[str, str | int] = {
        "number": job.number,
        "restaurant": job.restaurant_name,
        "start": job.from_quarter.upper(),
        "end": job.to_quarter.upper(),
        "km": job.km,
        "pay_xaf": job.pay_xaf,
        "seconds": tx.settings.driver_offer_seconds,
    }
    await tell_driver(tx, driver_id, "sms.offer", params, about=job.delivery_id, useful_until=until)


async def pickup_number(tx: Tx, job: Job, *, driver_id: UUID) -> None:
    """To the restaurant's phones, since any may lie at the counter: who comes, and the number that proves it."""
    driver = await get_driver(tx, driver_id=driver_id)
    for person in await catalogue.restaurant_staff(tx, restaurant_id=job.restaurant_id):
        params: dict[str, str | int] = {
            "number": job.number,
            "driver": driver.name or mask_phone(driver.phone),
            "code": seal("pickup_number", job.delivery_id),
        }
        await notify(
            tx, phone=person.phone, language=person.language, key="sms.driver_comes", params=params, about=job.order_id
        )


async def on_the_way(tx: Tx, job: Job) -> None:
    """To the customer: the meal comes, and the code that is asked for at the door."""
    code = await delivery_code(tx, order_id=job.order_id)
    assert code, "a delivery that was picked up has a code"
    customer = await people.get(tx, person_id=job.customer_id)
    params: dict[str, str | int] = {"number": job.number, "restaurant": job.restaurant_name, "code": code}
    await notify(
        tx, phone=customer.phone, language=customer.language, key="sms.on_the_way", params=params, about=job.order_id
    )


async def tell_driver(
    tx: Tx,
    driver_id: UUID,
    key: str,
    params: dict[str, str | int],
    *,
    about: UUID | None = None,
    useful_until: datetime | None = None,
) -> None:
    driver = await get_driver(tx, driver_id=driver_id)
    await notify(
        tx,
        phone=driver.phone,
        language=driver.language,
        key=key,
        params=params,
        about=about,
        useful_until=useful_until,
    )
