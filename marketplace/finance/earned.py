"""What a restaurant or a driver has earned since some moment, as it was booked: out of the escrows of orders."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from core.clock import business_day, day_start
from core.database import Tx
from ledger import chart
from ledger.chart import Account

# $1 the earner's account, $2 since when, $3 the commission's account.
_EARNED = """
    WITH share AS (
        SELECT other_account AS escrow, sum(credit - debit) AS amount
        FROM entries_of((SELECT id FROM account WHERE code = $1)) AS entry
        JOIN account AS other ON other.id = other_account
        WHERE other.family = 'escrow' AND effective_at >= $2
        GROUP BY other_account
    )
    SELECT count(*) AS orders, coalesce(sum(amount), 0)::bigint AS earned_xaf,
           coalesce(sum((SELECT sum(posting.amount) FROM posting JOIN account ON account.id = credit_account
                          WHERE debit_account = escrow AND code = $3)), 0)::bigint AS commission_xaf
    FROM share WHERE amount > 0
"""


class Earned(msgspec.Struct, frozen=True):
    """Of so many orders; `commission_xaf` went to us out of the same escrows."""

    orders: int
    earned_xaf: int
    commission_xaf: int


async def earned(tx: Tx, *, account: Account, since: datetime) -> Earned:
    """What `account` has earned since then."""
    row = await (await tx.driver()).fetchrow(_EARNED, account.code, since, chart.COMMISSION.code)
    return Earned(**row)


async def restaurant_today(tx: Tx, *, restaurant_id: UUID) -> Earned:
    """Today in Douala."""
    return await earned(tx, account=chart.restaurant_payable(restaurant_id), since=day_start(tx.now))


async def driver_today(tx: Tx, *, driver_id: UUID) -> Earned:
    """Today in Douala."""
    return await earned(tx, account=chart.driver_payable(driver_id), since=day_start(tx.now))


async def driver_week(tx: Tx, *, driver_id: UUID) -> Earned:
    """Since Monday in Douala."""
    monday = day_start(tx.now) - timedelta(days=business_day(tx.now).weekday())
    return await earned(tx, account=chart.driver_payable(driver_id), since=monday)
