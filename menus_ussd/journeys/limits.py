"""How often a caller may ask for money to move (D20)."""

from uuid import UUID

from core.database import Tx
from core.limits import Limit, limits_of
from menus_ussd.call import Call


async def within(call: Call, limit: Limit) -> None:
    """Count one act against the caller's limit, once per answer. Raises TooManyRequests."""
    await call.look(f"limit.{limit}", _spend, limit=limit, person_id=call.person_id)


async def _spend(tx: Tx, *, limit: Limit, person_id: UUID) -> bool:
    await limits_of(tx.database).spend(limit, str(person_id))
    return True
