"""Reports about people: what drivers earned, what was paid out, and what we owe in points.

Phones are masked: a report is for counting, not for calling.
"""

from sqlalchemy import text

from core.database import Tx
from core.phones import mask_phone
from ledger.chart import PROVIDER_FEES
from ledger.rendering import Column
from ledger.reporting import Asked, Report, Rows, count, money, selected, stream
from ledger.reports.ageing import AGED, STANDING

# ---- drivers ---------------------------------------------------------------------------------------------

_DRIVERS = text(f"""{STANDING}, moved AS (
    SELECT account_id, count(*) FILTER (WHERE other.family = 'escrow' AND credit > 0) AS deliveries,
           sum(credit - debit) FILTER (WHERE other.family = 'escrow') AS earned_xaf,
           sum(debit - credit) FILTER (WHERE other.family <> 'escrow') AS paid_xaf
    FROM standing CROSS JOIN LATERAL entries_of(standing.id) AS entry
    JOIN account AS other ON other.id = other_account
    WHERE effective_at >= :since AND effective_at < :until GROUP BY account_id
)
SELECT coalesce(person.name, ''), person.phone, coalesce(deliveries, 0), coalesce(earned_xaf, 0)::bigint,
       coalesce(paid_xaf, 0)::bigint, standing.balance
FROM standing LEFT JOIN moved ON account_id = standing.id
JOIN driver ON driver.id = right(code, 36)::uuid
JOIN person ON person.id = person_id
WHERE balance <> 0 OR account_id IS NOT NULL
ORDER BY person.name, driver.id
""")  # noqa: S608 - our own text


async def _driver_pay(tx: Tx, asked: Asked) -> Rows:
    wanted = {"families": ["payable:driver"], "since": asked.since, "until": asked.until}
    async for name, phone, *rest in stream(tx, _DRIVERS, wanted):
        yield name, mask_phone(tx.keys.decrypt(phone)), *rest


DRIVER_PAY = Report(
    name="driver-pay",
    asks="period",
    columns=(
        Column("driver"),
        Column("phone"),
        count("deliveries"),
        money("earned_xaf"),
        money("paid_out_xaf"),
        money("owed_xaf"),  # when the period ends
    ),
    rows=_driver_pay,
)

# ---- payouts ---------------------------------------------------------------------------------------------

# Payouts asked for in the period, and what had become of them by its end according to the books: what is paid or
# returned later belongs to later reports, so that a closed period's stays as it is.
_PAYOUTS = text("""
WITH asked AS (
    SELECT payment.reference AS payout_id, payment.id AS payment_id, effective_at, posting.amount AS sent_xaf
    FROM posting JOIN payment ON payment.id = (metadata ->> 'payment')::uuid AND purpose = 'payout'
    WHERE leg = 1 AND posting.kind = 'payout_set_aside' AND effective_at >= :since AND effective_at < :until
), outcome AS (
    SELECT payment_id, leg.amount, credited.family ~ '^(float|suspense):' AS paid, debited.code = :fees AS fee
    FROM asked
    CROSS JOIN LATERAL (
        SELECT 'payment:' || payment_id || '\\:put_back' AS key
        UNION ALL
        SELECT 'attempt:' || attempt.id || ending FROM attempt, unnest(ARRAY['\\:settled', '\\:ruled']) AS ending
        WHERE attempt.payment_id = asked.payment_id) AS end_of
    JOIN posting AS first ON first.key = end_of.key
    JOIN posting AS leg ON leg.journal_id = first.journal_id
    JOIN account AS debited ON debited.id = leg.debit_account
    JOIN account AS credited ON credited.id = leg.credit_account
    WHERE leg.effective_at < :until
        AND (debited.code = :fees OR debited.family = 'clearing:payout' OR debited.family LIKE 'in\\_transit:%')
), summed AS (
    SELECT payment_id, coalesce(sum(amount) FILTER (WHERE paid AND NOT fee), 0) AS paid_xaf,
           coalesce(sum(amount) FILTER (WHERE NOT paid AND NOT fee), 0) AS returned_xaf,
           coalesce(sum(amount) FILTER (WHERE fee), 0) AS fee_xaf
    FROM outcome GROUP BY payment_id
)
SELECT min(effective_at), coalesce('n° ' || restaurant.number || ' ' || restaurant.name, person.name, ''), person.phone,
       sum(sent_xaf)::bigint, coalesce(sum(summed.paid_xaf), 0)::bigint, coalesce(sum(returned_xaf), 0)::bigint,
       (sum(sent_xaf) - coalesce(sum(summed.paid_xaf + returned_xaf), 0))::bigint, coalesce(sum(fee_xaf), 0)::bigint
FROM asked
LEFT JOIN summed USING (payment_id)
JOIN payout ON payout.id = payout_id
JOIN person ON person.id = payee_id
LEFT JOIN restaurant ON restaurant.id = owner_id
GROUP BY payout.id, restaurant.id, person.id ORDER BY 1, payout.id
""")


async def _payouts(tx: Tx, asked: Asked) -> Rows:
    wanted = {"since": asked.since, "until": asked.until, "fees": PROVIDER_FEES.code}
    async for at, name, phone, *rest in stream(tx, _PAYOUTS, wanted):
        yield at, name, mask_phone(tx.keys.decrypt(phone)), *rest


PAYOUTS = Report(
    name="payouts",
    asks="period",
    columns=(
        Column("asked_at"),
        Column("payee"),
        Column("phone"),
        money("sent_xaf"),
        money("paid_xaf"),
        money("returned_xaf"),
        money("under_way_xaf"),
        money("fee_xaf"),
    ),
    rows=_payouts,
)

# ---- points ----------------------------------------------------------------------------------------------

# A point is worth a franc, and expires after twelve months (D11).
_POINTS = f"""{AGED}
SELECT to_char(month, 'YYYY-MM'), to_char(month + interval '12 months', 'YYYY-MM'),
       count(DISTINCT code), sum(amount)::bigint, sum(amount)::bigint
FROM aged CROSS JOIN LATERAL (SELECT date_trunc('month', effective_at AT TIME ZONE 'Africa/Douala') AS month) AS earned
GROUP BY month ORDER BY month
"""  # noqa: S608 - our own text

POINTS_LIABILITY = Report(
    name="points-liability",
    asks="day",
    columns=(
        Column("earned_in"),
        Column("expires_in"),
        count("holders", total=False),
        count("points"),
        money("value_xaf"),
    ),
    rows=selected(_POINTS, families=["points"]),
)
