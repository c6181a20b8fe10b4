"""Opening cases, whoever finds that somebody must look."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.ids import new_id
from marketplace.support.tables import support_case


async def open_case(
    tx: Tx,
    kind: str,
    *,
    delivery_id: UUID | None = None,
    driver_id: UUID | None = None,
    person_id: UUID | None = None,
    order_id: UUID | None = None,
    **details: str | int,
) -> None:
    """Put something on operations' list, once while it is open. `details` hold no personal data."""
    row = {
        "id": new_id(),
        "kind": kind,
        "delivery_id": delivery_id,
        "driver_id": driver_id,
        "person_id": person_id,
        "order_id": order_id,
        "details": details,
        "opened_at": tx.now,
    }
    await tx.run(insert(support_case).values(row).on_conflict_do_nothing())
