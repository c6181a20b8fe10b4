"""Durable jobs: "do this now", written in the caller's own transaction.

A job carries a name and the id of a row, nothing else. It only wakes a worker early: whatever must happen
also has a `due_at` column that a sweeper reads (D29), so a lost job costs seconds and never money.
"""

from uuid import UUID

from core.database import Tx


async def enqueue(tx: Tx, name: str, ref: UUID | str) -> None:
    """Ask a worker to run the handler of `name` with `ref`, once this transaction commits."""
    # Imported late: the queue's package takes longer to load than the rest of the service.
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence.queries import Queries

    await Queries(AsyncpgDriver(await tx.driver())).enqueue(name, str(ref).encode())
