"""Reports about orders: money that waits for them, what restaurants and we earn by them, their tax, their receipts.

What counts is what was booked. An order's escrow is an account of its own, so its postings name the order; what is
taken back later counts where it is taken back.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Row as SqlRow
from sqlalchemy import text

from core.database import Tx
from core.errors import NotFound
from ledger.chart import COMMISSION as COMMISSION_ACCOUNT
from ledger.chart import TAX_PAYABLE
from ledger.rendering import Column, Facts
from ledger.reporting import Asked, Report, Rows, count, money, selected, stream
from ledger.reports.ageing import AGED, SPANS, spread

# ---- what waits in escrow --------------------------------------------------------------------------------

_WAITING = text(f"""{AGED}
SELECT customer_order.number, restaurant.name, code, effective_at, amount
FROM aged
LEFT JOIN customer_order ON customer_order.id = right(code, 36)::uuid
LEFT JOIN restaurant ON restaurant.id = restaurant_id
ORDER BY effective_at, journal_id
""")  # noqa: S608 - our own text


async def _escrow(tx: Tx, asked: Asked) -> Rows:
    async for number, name, code, since, amount in stream(tx, _WAITING, {"families": ["escrow"], "until": asked.until}):
        yield number, name, code, since, *spread(amount, since, asked)


ESCROW_AGEING = Report(
    name="escrow-ageing",
    asks="day",
    columns=(Column("order", number=True), Column("restaurant"), Column("account"), Column("resting_since"), *SPANS),
    rows=_escrow,
)

# ---- commission and tax ----------------------------------------------------------------------------------

# What each order's escrow gave to whom, by month of Douala.
_SHARES = """
WITH share AS (
    SELECT right(escrow.code, 36)::uuid AS order_id, other.family,
           to_char(effective_at AT TIME ZONE 'Africa/Douala', 'YYYY-MM') AS month, sum(debit - credit)::bigint AS amount
    FROM entry
    JOIN account AS escrow ON escrow.id = account_id
    JOIN account AS other ON other.id = other_account
    WHERE escrow.family = 'escrow' AND effective_at >= :since AND effective_at < :until
        AND other.family IN ('payable:restaurant', :commission, :tax)
    GROUP BY 1, 2, 3
)"""
_SHARERS = {"commission": COMMISSION_ACCOUNT.code, "tax": TAX_PAYABLE.code}

_COMMISSION = f"""{_SHARES}
SELECT restaurant.number, restaurant.name, month,
       count(DISTINCT order_id) FILTER (WHERE amount > 0), sum(amount)::bigint,
       coalesce(sum(amount) FILTER (WHERE family = :commission), 0)::bigint,
       coalesce(sum(amount) FILTER (WHERE family <> :commission), 0)::bigint
FROM share
JOIN customer_order ON customer_order.id = order_id
JOIN restaurant ON restaurant.id = restaurant_id
WHERE family <> :tax
GROUP BY restaurant.id, month ORDER BY restaurant.number, month
"""  # noqa: S608 - our own text

COMMISSION = Report(
    name="commission",
    asks="period",
    columns=(
        Column("number", number=True),
        Column("restaurant"),
        Column("month"),
        count("orders"),
        money("items_xaf"),
        money("commission_xaf"),
        money("restaurant_xaf"),
    ),
    rows=selected(_COMMISSION, **_SHARERS),
)

_TAX = f"""{_SHARES}, taken AS (
    SELECT month, count(DISTINCT order_id) FILTER (WHERE amount > 0) AS orders,
           coalesce(sum(amount) FILTER (WHERE family <> :tax), 0) AS base_xaf,
           coalesce(sum(amount) FILTER (WHERE family = :tax), 0) AS tax_xaf
    FROM share GROUP BY month
), paid AS (
    SELECT to_char(effective_at AT TIME ZONE 'Africa/Douala', 'YYYY-MM') AS month, sum(debit - credit) AS paid_xaf
    FROM entries_of((SELECT id FROM account WHERE code = :tax)) AS entry
    JOIN account AS other ON other.id = other_account
    WHERE other.family <> 'escrow' AND effective_at >= :since AND effective_at < :until GROUP BY 1
)
SELECT month, coalesce(orders, 0), coalesce(base_xaf, 0)::bigint, coalesce(tax_xaf, 0)::bigint,
       coalesce(paid_xaf, 0)::bigint, (coalesce(tax_xaf, 0) - coalesce(paid_xaf, 0))::bigint
FROM taken FULL JOIN paid USING (month) ORDER BY month
"""  # noqa: S608 - our own text

TAX = Report(
    name="tax",
    asks="period",
    columns=(
        Column("month"),
        count("orders"),
        money("base_xaf"),  # items without the tax
        money("tax_xaf"),
        money("paid_over_xaf"),
        money("owed_xaf"),
    ),
    rows=selected(_TAX, **_SHARERS),
)

# ---- the receipt of an order -----------------------------------------------------------------------------

_ORDER = text("""
SELECT customer_order.*, restaurant.name AS restaurant_name
FROM customer_order JOIN restaurant ON restaurant.id = restaurant_id
WHERE customer_order.id = :id AND placed_at < :until
""")
_LINES = text("SELECT name, quantity, price_xaf FROM order_line WHERE order_id = :id ORDER BY position")


async def _order(tx: Tx, asked: Asked) -> SqlRow[Any]:
    """Raises NotFound, also for what is no order's id."""
    try:
        row = await tx.first(_ORDER, {"id": UUID(asked.subject), "until": asked.until})
    except ValueError:
        row = None
    if row is None:
        raise NotFound()
    return row


async def _receipt_facts(tx: Tx, asked: Asked) -> Facts:
    """No name and no phone: whoever holds the receipt knows whose it is."""
    order = await _order(tx, asked)
    return {
        "order": str(order.number),
        "placed_at": order.placed_at,
        "restaurant": order.restaurant_name,
        "reference": str(order.id),
    }


async def _receipt(tx: Tx, asked: Asked) -> Rows:
    order = await _order(tx, asked)
    for line in await tx.all(_LINES, {"id": order.id}):
        yield "dish", line.name, line.quantity, line.price_xaf, line.quantity * line.price_xaf
    for name, amount in (
        ("discount", -order.discount_xaf),
        ("delivery", order.delivery_xaf),
        ("tax", order.tax_xaf),
        ("tip", order.tip_xaf),
    ):
        if amount:
            yield name, None, None, None, amount


RECEIPT = Report(
    name="receipt",
    asks="day",
    subject="order",
    columns=(
        Column("line", words=True),
        Column("article"),
        count("quantity", total=False),
        money("price_xaf", total=False),
        money("amount_xaf"),
    ),
    facts=_receipt_facts,
    rows=_receipt,
)
