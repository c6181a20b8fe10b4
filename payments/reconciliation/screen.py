"""What reconciliation has found, as a table that a finance person reads without knowing how it is made."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Row, or_, select

from core.database import Tx
from ledger.rendering import Cell, Column, Table
from payments.reconciliation.tables import payout_freeze, reconciliation, reconciliation_item

_OPEN = "open"


class Item(Struct, frozen=True):
    """One difference; amounts as they move our float, in positive. `resolution` "open" waits for people."""

    id: UUID
    provider: str
    day: date
    exception: str
    subject: str
    carrier: str
    attempt_id: UUID | None
    provider_ref: str | None
    ours_xaf: int
    theirs_xaf: int
    journal_key: str | None
    resolution: str
    found_at: datetime
    resolved_at: datetime | None

    @property
    def difference_xaf(self) -> int:
        return self.theirs_xaf - self.ours_xaf


async def differences(tx: Tx, *, day: date | None = None, provider: str | None = None) -> list[Item]:
    """What was found on `day` and whatever older is still open; without a day all that is open."""
    items = reconciliation_item.c
    waiting = items.resolved_at.is_(None)
    wanted = select(reconciliation_item).where(or_(waiting, items.day == day) if day else waiting)
    wanted = wanted if provider is None else wanted.where(items.provider == provider)
    return [_item(row) for row in await tx.all(wanted.order_by(items.provider, items.day, items.found_at, items.id))]


async def days(tx: Tx, *, day: date) -> Sequence[Row[Any]]:
    """How many lines of each provider were compared for `day`, and how many agreed."""
    return await tx.all(select(reconciliation).where(reconciliation.c.day == day).order_by(reconciliation.c.provider))


async def frozen(tx: Tx) -> Sequence[Row[Any]]:
    """Where payouts stand still."""
    return await tx.all(select(payout_freeze).order_by(payout_freeze.c.provider, payout_freeze.c.carrier))


def table(found: Sequence[Item], *, day: date, compared: Sequence[Row[Any]]) -> Table:
    """The screen for `ledger.rendering.render`."""
    agreed = ", ".join(f"{row.provider} {row.matched}/{row.lines}" for row in compared)
    facts: dict[str, Cell] = {"day": str(day), "compared": agreed}
    columns = (
        Column("day"),
        Column("provider"),
        Column("carrier"),
        Column("exception", words=True),
        Column("theirs_xaf", number=True),
        Column("ours_xaf", number=True),
        Column("difference_xaf", number=True),
        Column("resolution", words=True),
        Column("item"),
        Column("booked_as"),
    )
    rows = [
        (
            str(one.day),
            one.provider,
            one.carrier,
            one.exception,
            one.theirs_xaf,
            one.ours_xaf,
            one.difference_xaf,
            one.resolution,
            str(one.id),
            one.journal_key,
        )
        for one in found
    ]
    return Table(name="reconciliation", facts=facts, columns=columns, rows=rows)


def _item(row: Row[Any]) -> Item:
    values = {name: row._mapping[name] for name in Item.__struct_fields__}
    return Item(**{**values, "resolution": row.resolution or _OPEN})
