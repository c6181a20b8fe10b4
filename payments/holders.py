"""In whose name a payee's account is, and whether that is still the name that was paid before.

A number that changed hands, or a SIM that was swapped, shows in the name. The first name that a provider tells is
kept; another one holds the payout back until two finance users have asked.
"""

from sqlalchemy import Column, DateTime, LargeBinary, Table, select
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx, metadata
from core.gsm import plain
from core.logs import logger
from payments import attempts
from payments.attempts import Case
from payments.schedule import FLOAT_PAUSE
from payments.states import Kind
from payments.tables import attempt

CHANGED = "HOLDER_CHANGED"  # the evidence of an attempt that waits for people

log = logger(__name__)

payee = Table(
    "payee",
    metadata,
    Column("phone_index", LargeBinary, primary_key=True),
    Column("holder", LargeBinary, nullable=False),  # encrypted
    Column("since", DateTime(timezone=True), nullable=False),
)


async def trusted(tx: Tx, case: Case, holder: str | None) -> bool:
    """Whether the payout may go to an account held by `holder`; otherwise it waits. None: the provider tells none now.

    What waits for people waits on where its name cannot be read any more.
    """
    if case.payment.kind is not Kind.PAYOUT:
        return True
    if holder is None:
        return not await _waits_on(tx, case)
    phone_index = tx.keys.blind_index(case.payment.phone)
    first = insert(payee).values(phone_index=phone_index, holder=tx.keys.encrypt(holder), since=tx.now)
    if await tx.run(first.on_conflict_do_nothing()):
        return True
    known = await tx.value(select(payee.c.holder).where(payee.c.phone_index == phone_index))
    if _same(tx.keys.decrypt(known), holder):
        return True
    log.warning("payments.holder_changed", attempt=str(case.attempt.id))
    waits = {"evidence": CHANGED, "holder": tx.keys.encrypt(holder), "next_check_at": tx.now + FLOAT_PAUSE}
    await attempts.note(tx, case, **waits)
    return False


async def _waits_on(tx: Tx, case: Case) -> bool:
    waits = case.attempt.evidence == CHANGED
    if waits:
        await attempts.note(tx, case, next_check_at=tx.now + FLOAT_PAUSE)
    return waits


async def trust(tx: Tx, case: Case) -> None:
    """People have asked: the name that the provider told last is the payee's, and the payout may go out."""
    told = await tx.value(select(attempt.c.holder).where(attempt.c.id == case.attempt.id))
    known = {"phone_index": tx.keys.blind_index(case.payment.phone), "holder": told, "since": tx.now}
    changed = insert(payee).values(**known)
    await tx.run(changed.on_conflict_do_update(index_elements=["phone_index"], set_=known))
    await attempts.note(tx, case, evidence=None, next_check_at=tx.now)


def _same(known: str, told: str) -> bool:
    """The same words in any order, without accents and capitals: providers disagree about which name comes first."""
    return sorted(plain(known).split()) == sorted(plain(told).split())
