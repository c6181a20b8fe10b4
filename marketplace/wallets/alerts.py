"""A low balance, told to who asked for that: mobile money cannot be drawn silently, so the alert offers it (D14)."""

from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.errors import InvalidAmount
from marketplace.notifications.rendering import dial_of
from marketplace.notifications.service import notify
from marketplace.people import service as people
from marketplace.wallets.service import balance
from marketplace.wallets.tables import low_balance_alert

BETWEEN = timedelta(days=1)  # two alerts to one person


class Alert(msgspec.Struct, frozen=True):
    """Below `below_xaf`, a top-up of `amount_xaf` is offered."""

    below_xaf: int
    amount_xaf: int


async def alert(tx: Tx, *, person_id: UUID) -> Alert | None:
    """What the person has asked for, if anything."""
    amount_xaf = await tx.value(
        select(low_balance_alert.c.amount_xaf).where(low_balance_alert.c.person_id == person_id)
    )
    return Alert(tx.settings.low_balance_xaf, amount_xaf) if amount_xaf else None


async def turn_on(tx: Tx, *, person_id: UUID, amount_xaf: int) -> Alert:
    """Offer a top-up of `amount_xaf` whenever an order leaves little. Raises InvalidAmount."""
    if not tx.settings.attempt_minimum_xaf <= amount_xaf <= tx.settings.attempt_maximum_xaf:
        raise InvalidAmount()
    kept = insert(low_balance_alert).values(person_id=person_id, amount_xaf=amount_xaf)
    await tx.run(kept.on_conflict_do_update(index_elements=["person_id"], set_={"amount_xaf": amount_xaf}))
    return Alert(tx.settings.low_balance_xaf, amount_xaf)


async def turn_off(tx: Tx, *, person_id: UUID) -> None:
    """No more of them. A repeat changes nothing."""
    await tx.run(delete(low_balance_alert).where(low_balance_alert.c.person_id == person_id))


async def spending(tx: Tx, *, person_id: UUID, amount_xaf: int) -> None:
    """So much is about to leave the wallet: if little stays, and the person wants to know, tell them, once a day."""
    mine = low_balance_alert.c.person_id == person_id
    told = low_balance_alert.c.told_at
    due = mine, or_(told.is_(None), told <= tx.now - BETWEEN)
    offered_xaf = await tx.value(select(low_balance_alert.c.amount_xaf).where(*due))
    if offered_xaf is None:
        return
    left_xaf = await balance(tx, person_id=person_id) - amount_xaf
    if not 0 <= left_xaf < tx.settings.low_balance_xaf:
        return
    await tx.run(update(low_balance_alert).where(mine).values(told_at=tx.now))
    holder = await people.get(tx, person_id=person_id)
    params = {"balance_xaf": left_xaf, "amount_xaf": offered_xaf, "dial": dial_of(tx.settings, "4")}
    await notify(tx, phone=holder.phone, language=holder.language, key="sms.low_balance", params=params)
