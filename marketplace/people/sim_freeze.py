"""A number on a new SIM card: nothing is paid out to it for a day, no PIN is made out of it (docs/decisions/0017)."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from core.database import Tx
from core.errors import Forbidden
from marketplace.people.tables import sim_change


class SimChanged(Forbidden):
    """The number moved to another SIM card: that is safe again in `hours`."""

    text_key = "error.sim_changed"


async def frozen_until(tx: Tx, *, person_id: UUID) -> datetime | None:
    """When the freeze ends; None when there is none."""
    mine = sim_change.c.person_id == person_id, sim_change.c.frozen_until > tx.now
    until: datetime | None = await tx.value(select(func.max(sim_change.c.frozen_until)).where(*mine))
    return until


async def require_same_sim(tx: Tx, *, person_id: UUID) -> None:
    """Before what only the number's own person may do. Raises SimChanged."""
    if until := await frozen_until(tx, person_id=person_id):
        raise SimChanged(hours=-((tx.now - until) // timedelta(hours=1)))
