"""Which attempts are due, the longest overdue first.

Nothing is locked here: the claim locks each one by itself and skips those that another worker has.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text

from core.database import Tx

# In the order of the index: of fifty thousand pending attempts only the page that is wanted is touched.
OLDEST = text("""
SELECT id FROM attempt
WHERE next_check_at <= :now AND (state = 'PREPARED' OR provider <> ALL (CAST(:slow AS text[])))
ORDER BY next_check_at LIMIT :limit
""")
_DUE_AT = text("""
SELECT id FROM attempt WHERE next_check_at <= :now AND state <> 'PREPARED' AND provider = :provider
ORDER BY next_check_at LIMIT :limit
""")
_IS_DUE = "SELECT next_check_at <= $2 FROM attempt WHERE id = $1"


async def is_due(tx: Tx, attempt_id: UUID) -> bool:
    """Whether it is time to send it, to end its lease, or to read it again. Most jobs come after a sweep."""
    return bool(await (await tx.driver()).fetchval(_IS_DUE, attempt_id, tx.now))


async def oldest(tx: Tx, *, slow: list[str], limit: int) -> list[UUID]:
    """At most `limit` attempts to send, or to read at any provider but the `slow` ones."""
    return [row.id for row in await tx.all(OLDEST, {"now": tx.now, "slow": slow, "limit": limit})]


async def at_slow(tx: Tx, room: Mapping[str, int]) -> list[UUID]:
    """Attempts to read at providers that limit it: as many as each has `room` for. The others stay due."""
    found: list[UUID] = []
    for provider, limit in room.items():
        rows = await tx.all(_DUE_AT, {"now": tx.now, "provider": provider, "limit": limit}) if limit else []
        found += (row.id for row in rows)
    return found
