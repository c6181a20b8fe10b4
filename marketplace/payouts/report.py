"""What was paid out, to whom and what for: each payout with what has arrived of it."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text

from core.database import Tx
from core.phones import mask_phone
from ledger.rendering import Column, ReportTooLong, Table


class Line(Struct, frozen=True):
    """One payout. `payee` is the restaurant's or person's name where we know one, `phone` is masked.

    `orders` were earned since the payout before it: what the money is for.
    """

    id: UUID
    created_at: datetime
    owner: str
    payee: str
    phone: str
    amount_xaf: int
    paid_xaf: int
    fee_xaf: int
    orders: int
    purpose: str
    note: str
    state: str


_PAYOUTS = text("""
SELECT payout.id, payout.created_at, owner, payout.amount_xaf, paid_xaf, purpose, note, payout.state, person.phone,
       coalesce('n° ' || restaurant.number || ' ' || restaurant.name, person.name, '') AS payee,
       (SELECT coalesce(sum(fee_xaf), 0) FROM attempt JOIN payment ON payment.id = payment_id
        WHERE reference = payout.id AND settled_at IS NOT NULL)::bigint AS fee_xaf,
       (SELECT count(DISTINCT journal_id) FROM entry JOIN account ON account.id = account_id
        WHERE code = 'payable:' || owner || ':' || owner_id AND entry.kind = 'order_released'
        AND recorded_at <= payout.created_at AND recorded_at > coalesce(
            (SELECT max(earlier.created_at) FROM payout AS earlier
             WHERE earlier.owner_id = payout.owner_id AND earlier.created_at < payout.created_at
             AND earlier.state <> 'FAILED'), '-infinity')) AS orders
FROM payout JOIN person ON person.id = payee_id LEFT JOIN restaurant ON restaurant.id = owner_id
WHERE payout.created_at >= :since AND payout.created_at < :until
ORDER BY payout.created_at, payout.id LIMIT :most + 1
""")


async def payouts(tx: Tx, *, since: datetime, until: datetime, most: int = 10_000) -> list[Line]:
    """The payouts asked for from `since` to before `until`, the oldest first. Raises ReportTooLong beyond `most`.

    `gateway report payouts` has no such limit: it says less of each, and writes while it reads.
    """
    rows = await tx.all(_PAYOUTS, {"since": since, "until": until, "most": most})
    if len(rows) > most:
        raise ReportTooLong(rows=most)
    return [Line(**{**row._mapping, "phone": mask_phone(tx.keys.decrypt(row.phone))}) for row in rows]


def table(lines: list[Line], *, since: datetime, until: datetime) -> Table:
    """The report for `ledger.rendering.render`."""
    columns = (
        Column("asked_at"),
        Column("payee"),
        Column("phone"),
        Column("amount_xaf", number=True),
        Column("paid_xaf", number=True),
        Column("fee_xaf", number=True),
        Column("orders", number=True),
        Column("purpose", words=True),
        Column("note"),
        Column("state", words=True),
    )
    rows = [
        (x.created_at, x.payee, x.phone, x.amount_xaf, x.paid_xaf, x.fee_xaf, x.orders, x.purpose, x.note, x.state)
        for x in lines
    ]
    sums = (sum(x.amount_xaf for x in lines), sum(x.paid_xaf for x in lines), sum(x.fee_xaf for x in lines))
    totals = (None, None, None, *sums, None, None, None, None)
    return Table(name="payouts", facts={"since": since, "until": until}, columns=columns, rows=rows, totals=[totals])
