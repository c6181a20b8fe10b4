"""Coupons for tests: half off at the platform's expense, unless a test says otherwise."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from core.database import Database, Tx
from core.ids import new_id
from marketplace.promotions import service as promotions
from marketplace.promotions.service import NewCoupon

NUMBER, CODE = 2024, "mboa50"


async def make_coupon(database: Database, *, chosen: tuple[UUID, ...] = (), **changes: Any) -> UUID:
    """The id of a coupon that is valid today."""
    async with database.transaction() as tx:
        return await promotions.add(tx, new=promised(tx, **changes), staff_id=new_id(), chosen=chosen)


def promised(tx: Tx, **changes: Any) -> NewCoupon:
    """Half off, at most 1,000."""
    usual: dict[str, Any] = {
        "number": NUMBER,
        "code": CODE,
        "percent": 50,
        "max_discount_xaf": 1000,
        "valid_from": tx.now,
        "valid_until": tx.now + timedelta(days=1),
    }
    if "amount_xaf" in changes:
        del usual["percent"], usual["max_discount_xaf"]
    return NewCoupon(**{**usual, **changes})
