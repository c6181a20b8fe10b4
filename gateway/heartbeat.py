"""How the rest of the house knows that a worker lives: a row that it renews."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, Table, Uuid, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx, metadata

BEAT_SECONDS = 5
_SILENT = timedelta(seconds=4 * BEAT_SECONDS)

worker_heartbeat = Table(
    "worker_heartbeat",
    metadata,
    Column("worker_id", Uuid, primary_key=True),
    Column("beat_at", DateTime(timezone=True), nullable=False),
)


async def beat(tx: Tx, worker_id: UUID) -> None:
    """Say that `worker_id` lives, and forget those that have long been silent."""
    alive = insert(worker_heartbeat).values(worker_id=worker_id, beat_at=tx.now)
    await tx.run(alive.on_conflict_do_update(index_elements=["worker_id"], set_={"beat_at": tx.now}))
    await tx.run(delete(worker_heartbeat).where(worker_heartbeat.c.beat_at < tx.now - 10 * _SILENT))


async def leave(tx: Tx, worker_id: UUID) -> None:
    """Say that `worker_id` is about to end."""
    await tx.run(delete(worker_heartbeat).where(worker_heartbeat.c.worker_id == worker_id))


async def workers(tx: Tx) -> int:
    """How many workers were heard of lately."""
    recent = worker_heartbeat.c.beat_at > tx.now - _SILENT
    return int(await tx.value(select(func.count()).select_from(worker_heartbeat).where(recent)))
