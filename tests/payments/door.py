"""The address that a provider's callbacks come in at, and what became of them."""

from sqlalchemy import select

from payments.tables import provider_event
from tests.payments.house import House

DOOR = "/payments/campay/demo"


async def verdicts(house: House) -> list[str]:
    """What was made of each callback, the first first."""
    async with house.database.reading() as tx:
        rows = await tx.all(select(provider_event.c.verdict).order_by(provider_event.c.id))
        return [row.verdict for row in rows]


async def prompted(house: House) -> None:
    """A customer has a prompt on their phone."""
    await house.collect()
    await house.sweep()
