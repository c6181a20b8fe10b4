"""The proof behind a payment: what was asked, each attempt with what its provider said, every journal with its legs.

Phones and signatures are masked: this is shown to people, printed, and sent to providers in a dispute.
"""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Row, or_, select, text

from core import four_eyes
from core.database import Tx
from core.errors import NotFound
from core.phones import mask_phone
from payments.tables import attempt, payment, provider_event

_PHONE = re.compile(r"(?<!\w)(?:(?:\+|%2B|00)?237)?([26]\d{8})(?!\w)")
_SIGNATURE = re.compile(r"(signature[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+", re.IGNORECASE)

# Every journal of a payment or of one of its attempts has a key that begins with its id.
_JOURNALS = text("""
SELECT id, key, kind, effective_at, recorded_at FROM journal
WHERE key COLLATE "C" >= :stem AND key COLLATE "C" < :after ORDER BY id
""")
_LEGS = text("""
SELECT debited.code AS debit, credited.code AS credit, debit AS amount
FROM entry JOIN account AS debited ON debited.id = account_id JOIN account AS credited ON credited.id = other_account
WHERE journal_id = :journal AND debit > 0
""")


class Leg(Struct, frozen=True):
    """`amount_xaf` from the credited to the debited account."""

    debit: str
    credit: str
    amount_xaf: int


class Journal(Struct, frozen=True):
    id: int
    key: str
    kind: str
    effective_at: datetime
    recorded_at: datetime
    legs: list[Leg]


class Event(Struct, frozen=True):
    """A callback: what it said, and what was made of it."""

    received_at: datetime
    verdict: str
    provider_ref: str | None
    said: str


class Ruled(Struct, frozen=True):
    """What people proposed about an attempt; `proposed_by` and `decided_by` are staff users."""

    ruling: str
    reason: str
    state: str
    proposed_by: UUID
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None


class Attempt(Struct, frozen=True):
    """One try at one provider; see payments.tables for the fields."""

    id: UUID
    provider: str
    carrier: str
    state: str
    evidence: str | None
    failure: str | None
    provider_ref: str | None
    amount_xaf: int
    received_xaf: int | None
    fee_xaf: int | None
    created_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    reads: int
    holder: str | None
    events: list[Event]
    rulings: list[Ruled]
    journals: list[Journal]


class Evidence(Struct, frozen=True):
    """A payment with all that is known about it. `phone` is masked."""

    id: UUID
    kind: str
    purpose: str
    reference: UUID
    returns: UUID | None
    state: str
    failure: str | None
    amount_xaf: int
    phone: str
    carrier: str
    account: str
    created_at: datetime
    closed_at: datetime | None
    attempts: list[Attempt]
    journals: list[Journal]


async def collect(tx: Tx, *, named: UUID) -> list[Evidence]:
    """Of the payment, attempt, order, top-up or payout that `named` is the id of, the oldest first. Raises NotFound."""
    by_attempt = select(attempt.c.payment_id).where(attempt.c.id == named)
    wanted = or_(payment.c.id == named, payment.c.reference == named, payment.c.id.in_(by_attempt))
    rows = await tx.all(select(payment).where(wanted).order_by(payment.c.created_at, payment.c.id))
    if not rows:
        raise NotFound()
    return [await _evidence(tx, row) for row in rows]


def mask(raw: str) -> str:
    """What a provider sent, without what could call a person or prove to be the provider."""
    return _SIGNATURE.sub(r"\1***", _PHONE.sub(lambda found: mask_phone(f"+237{found[1]}"), raw))


async def _evidence(tx: Tx, row: Row[Any]) -> Evidence:
    tries = await tx.all(select(attempt).where(attempt.c.payment_id == row.id).order_by(attempt.c.created_at))
    return Evidence(
        **_plain(row, Evidence, "phone", "account", "attempts", "journals"),
        phone=mask_phone(tx.keys.decrypt(row.phone)),
        account=row.account["code"],
        attempts=[await _attempt(tx, tried) for tried in tries],
        journals=await _journals(tx, f"payment:{row.id}"),
    )


async def _attempt(tx: Tx, row: Row[Any]) -> Attempt:
    heard = select(provider_event).where(provider_event.c.attempt_id == row.id)
    return Attempt(
        **_plain(row, Attempt, "holder", "events", "rulings", "journals"),
        holder=tx.keys.decrypt(row.holder) if row.holder else None,
        events=[_event(tx, event) for event in await tx.all(heard.order_by(provider_event.c.received_at))],
        rulings=[_ruled(one) for one in await four_eyes.about(tx, subject=str(row.id))],
        journals=await _journals(tx, f"attempt:{row.id}"),
    )


def _event(tx: Tx, row: Row[Any]) -> Event:
    said = " ".join(mask(tx.keys.decrypt(row.raw)).split())
    return Event(row.received_at, row.verdict, row.provider_ref, said)


def _ruled(one: four_eyes.Proposal) -> Ruled:
    ruling = str(one.details.get("ruling", one.kind))
    return Ruled(ruling, one.reason, one.state, one.proposed_by, one.proposed_at, one.decided_by, one.decided_at)


async def _journals(tx: Tx, owner: str) -> list[Journal]:
    rows = await tx.all(_JOURNALS, {"stem": f"{owner}:", "after": f"{owner};"})
    return [Journal(**row._mapping, legs=await _legs(tx, row.id)) for row in rows]


async def _legs(tx: Tx, journal_id: int) -> list[Leg]:
    return [Leg(row.debit, row.credit, row.amount) for row in await tx.all(_LEGS, {"journal": journal_id})]


def _plain(row: Row[Any], struct: type[Struct], *but: str) -> dict[str, Any]:
    return {name: row._mapping[name] for name in struct.__struct_fields__ if name not in but}
