"""What a sweep costs the database: an index walk, however many are pending, and few transactions at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from core.database import Database, Tx
from payments import due
from tests.payments.house import House
from tests.payments.network import FakeCampay

pytestmark = pytest.mark.anyio

MANY = text("""
WITH owed AS (
    INSERT INTO payment (id, kind, purpose, reference, key, amount_xaf, phone, phone_index, carrier, account, state,
                         created_at)
    SELECT gen_random_uuid(), 'collect', 'x', gen_random_uuid(), n::text, 1000, '', '', 'mtn', '{}', 'OPEN', now()
    FROM generate_series(1, 5000) AS n RETURNING id
)
INSERT INTO attempt (id, payment_id, kind, provider, carrier, phone_index, amount_xaf, state, provider_ref, postponed,
                     created_at, sent_at, next_check_at, reads, in_transit)
SELECT gen_random_uuid(), id, 'collect', 'campay', 'mtn', '', 1000, 'PENDING', gen_random_uuid(), false, now(), now(),
       now() + make_interval(secs => row_number() OVER () - 500), 1, false
FROM owed
""")


def nodes(plan: dict[str, Any]) -> list[str]:
    """The plan from its top down."""
    below = [name for part in plan.get("Plans", []) for name in nodes(part)]
    return [f"{plan['Node Type']} {plan.get('Index Name', '')}".strip(), *below]


async def test_the_due_are_found_by_the_index_in_its_order(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(MANY)
    async with database.reading() as tx:
        await tx.execute(text("ANALYZE attempt"))
        asked = {"now": tx.now, "slow": ["mtn"], "limit": 100}
        (explained,) = await tx.all(text(f"EXPLAIN (FORMAT JSON) {due.OLDEST.text}"), asked)
    assert nodes(explained[0][0]["Plan"]) == ["Limit", "Index Scan ix_attempt_next_check_at"]


async def test_many_attempts_share_few_transactions(house: House, campay: FakeCampay) -> None:
    """At most two open per hundred attempts that are advanced at once, whatever there is to do."""
    now_open, most = 0, 0
    plain = house.database.transaction

    @asynccontextmanager
    async def counted() -> AsyncIterator[Tx]:
        nonlocal now_open, most
        async with plain() as tx:
            now_open += 1
            most = max(most, now_open)
            try:
                yield tx
            finally:
                now_open -= 1

    for number in range(60):
        await house.collect(key=f"order:{number}", amount_xaf=1000 + number)
    house.database.transaction = counted  # type: ignore[method-assign]
    await house.sweep()
    for transaction in campay.transactions.values():
        transaction["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    assert await house.states() == ["SUCCEEDED"] * 60
    assert most <= 2
