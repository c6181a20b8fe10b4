"""Bringing a friend: a code, entered before the friend's first meal, and credit for both after it (D12)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Exists, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.clock import day_start
from core.database import Database, Tx
from ledger import chart
from ledger.service import Leg
from marketplace.notifications.service import notify
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from marketplace.referrals.codes import code_of, serial_of
from marketplace.referrals.errors import (
    AlreadyReferred,
    MutualReferral,
    OwnReferralCode,
    ReferralTooLate,
    ReferrerFull,
    UnknownReferralCode,
)
from marketplace.referrals.tables import referral, referral_code

HAD_A_MEAL = ("DELIVERED", "CLOSED")


class Referral(msgspec.Struct, frozen=True):
    """A friend brought, seen by the friend: `credit_xaf` comes with the first delivered order, until `until`."""

    state: str
    credit_xaf: int
    until: datetime


class Standing(msgspec.Struct, frozen=True):
    """One's own code, and what it has brought: friends who have yet to order, and those credited this month."""

    code: int
    credit_xaf: int
    pending: int
    credited_this_month: int


async def standing(tx: Tx, *, person_id: UUID) -> Standing:
    """The person's code, made on first sight, and what came of it."""
    since = _month_start(tx.now)
    count = func.count()
    counts = select(
        count.filter(referral.c.state == "pending").label("pending"),
        count.filter(referral.c.referrer_xaf > 0, referral.c.settled_at >= since).label("credited"),
    )
    found = await tx.one(counts.where(referral.c.referrer_id == person_id))
    return Standing(await _code(tx, person_id), tx.settings.referral_credit_xaf, found.pending, found.credited)


async def enter(tx: Tx, *, person_id: UUID, code: int) -> Referral:
    """Name who told one of us, before the first delivered order. The same code again changes nothing.

    Raises UnknownReferralCode, OwnReferralCode, MutualReferral, AlreadyReferred, ReferralTooLate, ReferrerFull.
    """
    referrer_id = await _referrer(tx, code)
    if referrer_id == person_id:
        raise OwnReferralCode()
    for one in sorted((person_id, referrer_id)):  # or two at once would both be the tenth, or bring each other
        await tx.queue_up(f"referrals:{one}")
    if (theirs := await _entered(tx, referrer_id)) is not None and theirs.referrer_id == person_id:
        raise MutualReferral()
    if (known := await _entered(tx, person_id)) is not None:
        if known.referrer_id == referrer_id:
            return _referral(tx, known)
        raise AlreadyReferred()
    if await tx.value(select(_has_had_a_meal(person_id))):
        raise ReferralTooLate()
    entered = referral.c.referrer_id == referrer_id, referral.c.entered_at >= _month_start(tx.now)
    if await tx.value(select(func.count()).where(*entered)) >= tx.settings.referrals_per_month:
        raise ReferrerFull()
    row = {"referee_id": person_id, "referrer_id": referrer_id, "state": "pending", "entered_at": tx.now}
    fresh = insert(referral).values(**row, credit_xaf=tx.settings.referral_credit_xaf, referrer_xaf=0)
    made = await tx.first(fresh.on_conflict_do_nothing().returning(referral))
    if made is None:
        raise AlreadyReferred()
    return _referral(tx, made)


async def meal_delivered(tx: Tx, *, person_id: UUID) -> list[Leg]:
    """A friend's first meal has arrived: both are credited and told. The legs are for the journal that ends it all.

    The friend gets what was promised; the referrer too, as long as the month has room.
    """
    found = await _entered(tx, person_id, pending=True)
    if found is None or found.entered_at + timedelta(days=tx.settings.referral_days) <= tx.now:
        return []
    await tx.queue_up(f"referrals:{found.referrer_id}")
    credited = referral.c.referrer_id == found.referrer_id, referral.c.settled_at >= _month_start(tx.now)
    this_month = await tx.value(select(func.count()).where(*credited, referral.c.referrer_xaf > 0))
    referrer_xaf = found.credit_xaf if this_month < tx.settings.referrals_per_month else 0
    values = {"state": "completed", "referrer_xaf": referrer_xaf, "settled_at": tx.now}
    await tx.run(update(referral).where(referral.c.referee_id == person_id).values(values))
    legs = [await _credit(tx, person_id, found.credit_xaf, "sms.referral_welcome")]
    if referrer_xaf:
        legs.append(await _credit(tx, found.referrer_id, referrer_xaf, "sms.referral_thanks"))
    return legs


async def sweep(database: Database) -> int:
    """End the referrals whose friend has not eaten in time; how many."""
    async with database.transaction() as tx:
        since = tx.now - timedelta(days=tx.settings.referral_days)
        late = referral.c.state == "pending", referral.c.entered_at <= since
        return await tx.run(update(referral).where(*late).values(state="expired", settled_at=tx.now))


async def may_enter(tx: Tx, *, person_id: UUID) -> bool:
    """Whether this person may still name somebody."""
    named = select(referral.c.referee_id).where(referral.c.referee_id == person_id).exists()
    return bool(await tx.value(select(~named & ~_has_had_a_meal(person_id))))


async def _credit(tx: Tx, person_id: UUID, amount_xaf: int, key: str) -> Leg:
    person = await people.get(tx, person_id=person_id)
    await notify(tx, phone=person.phone, language=person.language, key=key, params={"amount_xaf": amount_xaf})
    return Leg(chart.PROMOTIONS, chart.wallet(person_id), amount_xaf)


async def _code(tx: Tx, person_id: UUID) -> int:
    """One statement, so that it can stand alone: the serial of who has none yet is made."""
    mine = select(referral_code.c.serial).where(referral_code.c.person_id == person_id)
    serial = await tx.value(mine)
    if serial is None:
        fresh = insert(referral_code).values(person_id=person_id, created_at=tx.now).on_conflict_do_nothing()
        serial = await tx.value(fresh.returning(referral_code.c.serial)) or await tx.value(mine)
    return code_of(serial)


async def _referrer(tx: Tx, code: int) -> UUID:
    serial = serial_of(code)
    known = select(referral_code.c.person_id).where(referral_code.c.serial == serial)
    found: UUID | None = None if serial is None else await tx.value(known)
    if found is None:
        raise UnknownReferralCode()
    return found


async def _entered(tx: Tx, referee_id: UUID, *, pending: bool = False) -> Row[Any] | None:
    asked = select(referral).where(referral.c.referee_id == referee_id)
    if pending:
        asked = asked.where(referral.c.state == "pending").with_for_update()
    return await tx.first(asked)


def _has_had_a_meal(person_id: UUID) -> Exists:
    mine = customer_order.c.person_id == person_id, customer_order.c.state.in_(HAD_A_MEAL)
    return select(customer_order.c.id).where(*mine).exists()


def _month_start(now: datetime) -> datetime:
    """The beginning of this month in Douala (D29)."""
    return day_start(now).replace(day=1)


def _referral(tx: Tx, row: Row[Any]) -> Referral:
    until = row.entered_at + timedelta(days=tx.settings.referral_days)
    return Referral(row.state, row.credit_xaf, until)
