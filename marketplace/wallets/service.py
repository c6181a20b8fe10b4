"""The wallet: a closed loop. Money comes in by top-up or refund and goes out as orders (D13)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, func, insert, select, update

from core.clock import day_start
from core.database import Tx
from core.effects import KeyReused
from core.errors import Conflict, NotFound
from core.ids import new_reference
from ledger import chart
from ledger.holds import available, held
from ledger.reports import StatementLine, account_statement
from marketplace.notifications.service import notify
from marketplace.people import service as people
from marketplace.wallets.tables import top_up
from payments import service as payments
from payments.outcomes import Payment


class WalletLimit(Conflict):
    """More than may be topped up in a day or a month; `left_xaf` still may (D13)."""

    text_key = "error.wallet_limit"


class TopUp(msgspec.Struct, frozen=True):
    """A top-up that was asked for: PENDING until the payer has approved it, then PAID, FAILED or EXPIRED."""

    id: UUID
    person_id: UUID
    amount_xaf: int
    state: str
    created_at: datetime


class Movement(msgspec.Struct, frozen=True):
    """One change of the balance: in positive, out negative."""

    at: datetime
    kind: str  # of the journal: order_funded, collection, order_refunded ...
    amount_xaf: int
    balance_xaf: int


# A closed loop with daily limits does not come near this in a month.
MOST_MOVEMENTS = 500


async def balance(tx: Tx, *, person_id: UUID) -> int:
    """What the customer may spend, in XAF: what they have with us, without what is reserved for orders."""
    return await available(tx, chart.wallet(person_id))


async def reserved(tx: Tx, *, person_id: UUID) -> int:
    """What of the customer's money waits for restaurants to accept, in XAF."""
    return await held(tx, chart.wallet(person_id))


class Limits(msgspec.Struct, frozen=True):
    """What was topped up of what may be, in this day and this month of Douala (D13)."""

    day_xaf: int
    day_maximum_xaf: int
    month_xaf: int
    month_maximum_xaf: int

    @property
    def left_xaf(self) -> int:
        """What may still be topped up now."""
        return max(0, min(self.day_maximum_xaf - self.day_xaf, self.month_maximum_xaf - self.month_xaf))


async def statement(tx: Tx, *, person_id: UUID, days: int = 30, limit: int = MOST_MOVEMENTS) -> list[Movement]:
    """What went in and out of the wallet in the last `days`, newest first, at most `limit` of it."""
    code, since = chart.wallet(person_id).code, tx.now - timedelta(days=days)
    try:
        page = await account_statement(tx, code=code, since=since, limit=limit, newest=True)
    except NotFound:  # never used
        return []
    return [_movement(line) for line in reversed(page.lines)]


async def request_top_up(
    tx: Tx, *, person_id: UUID, amount_xaf: int, phone: str, key: str, session_id: str | None = None
) -> TopUp:
    """Ask `phone` (E.164) to pay `amount_xaf` into the customer's wallet. The same `key` gives the same top-up.

    Raises WalletLimit, KeyReused, and what payments.request_collection raises.
    """
    await tx.queue_up(f"top_up:{person_id}")  # or two at once would both fit under the limit
    made = await tx.first(select(top_up).where(top_up.c.key == key))
    if made is not None:
        return _repeat(made, person_id, amount_xaf)
    await _check_limits(tx, person_id, amount_xaf)
    payer = await people.recognise(tx, phone=phone)
    row = {"id": new_reference(), "key": key, "person_id": person_id, "payer_id": payer.id, "amount_xaf": amount_xaf}
    made = await tx.one(insert(top_up).values(**row, state="PENDING", created_at=tx.now).returning(top_up))
    await payments.request_collection(
        tx,
        purpose="top_up",
        reference=made.id,
        amount_xaf=amount_xaf,
        phone=phone,
        credit=chart.wallet(person_id),
        key=f"top_up:{made.id}",
        session_id=session_id,
    )
    return _top_up(made)


# ---- outcomes (ordering.outcomes hands them on) ----------------------------------------------------------


async def paid(tx: Tx, payment: Payment) -> None:
    """The payer has approved; the wallet is credited by this same transaction, after us."""
    made = await _settle(tx, payment, "PAID")
    new_balance = await balance(tx, person_id=made.person_id) + payment.amount_xaf
    await _tell(tx, made, "sms.top_up_paid", balance_xaf=new_balance)


async def failed(tx: Tx, payment: Payment) -> None:
    await _tell(tx, await _settle(tx, payment, "FAILED"), "sms.top_up_failed")


async def expired(tx: Tx, payment: Payment) -> None:
    await _tell(tx, await _settle(tx, payment, "EXPIRED"), "sms.top_up_expired")


async def _settle(tx: Tx, payment: Payment, state: str) -> TopUp:
    changed = update(top_up).where(top_up.c.id == payment.reference).values(state=state)
    return _top_up(await tx.one(changed.returning(top_up)))


async def _tell(tx: Tx, made: TopUp, key: str, **params: int) -> None:
    person = await people.get(tx, person_id=made.person_id)
    params["amount_xaf"] = made.amount_xaf
    await notify(tx, phone=person.phone, language=person.language, key=key, params=params, about=made.id)


# ---- limits ----------------------------------------------------------------------------------------------


async def limits(tx: Tx, *, person_id: UUID) -> Limits:
    """Top-ups that are paid or may still be, against what is allowed."""
    today = day_start(tx.now)
    amount, since = func.sum(top_up.c.amount_xaf), top_up.c.created_at
    sums = select(amount.filter(since >= today).label("day"), amount.label("month"))
    counted = top_up.c.person_id == person_id, top_up.c.state.in_(("PENDING", "PAID")), since >= today.replace(day=1)
    used = await tx.one(sums.where(*counted))
    allowed = tx.settings.wallet_daily_maximum_xaf, tx.settings.wallet_monthly_maximum_xaf
    return Limits(int(used.day or 0), allowed[0], int(used.month or 0), allowed[1])


async def _check_limits(tx: Tx, person_id: UUID, amount_xaf: int) -> None:
    left_xaf = (await limits(tx, person_id=person_id)).left_xaf
    if amount_xaf > left_xaf:
        raise WalletLimit(left_xaf=left_xaf)


def _movement(line: StatementLine) -> Movement:
    return Movement(line.recorded_at, line.journal_kind, line.credit - line.debit, line.balance)


def _repeat(made: Row[Any], person_id: UUID, amount_xaf: int) -> TopUp:
    found = _top_up(made)
    if (found.person_id, found.amount_xaf) != (person_id, amount_xaf):
        raise KeyReused()
    return found


def _top_up(row: Row[Any]) -> TopUp:
    return TopUp(**{name: row._mapping[name] for name in TopUp.__struct_fields__})
