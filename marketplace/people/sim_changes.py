"""Operators tell when a number moves to another SIM card: whoever holds it now may have stolen it.

What that stops is asked where it happens (`sim_freeze`). Two of finance may end it early, once they know the person.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from core import four_eyes
from core.database import Tx
from core.errors import NotFound
from core.four_eyes import Proposal
from core.ids import new_id
from marketplace.notifications.service import notify
from marketplace.people import service as people
from marketplace.people import tokens
from marketplace.people.sim_freeze import frozen_until
from marketplace.people.tables import sim_change

KIND = "sim_freeze"  # of the proposals


async def tell(tx: Tx, *, source: str, reference: str, phone: str, changed_at: datetime) -> bool:
    """`phone` (E.164) has another SIM card: freeze, end its logins, and say so to whoever holds it.

    The same `reference` of a `source` counts once. False when it was known, or nobody here has this number. The
    freeze runs from now, not from `changed_at`: what an operator tells late is no less of a danger.
    """
    person = await people.find(tx, phone=phone)
    if person is None:
        return False
    hours = tx.settings.sim_freeze_hours
    row = {"id": new_id(), "source": source, "reference": reference, "person_id": person.id, "told_at": tx.now}
    until = {"changed_at": changed_at, "frozen_until": tx.now + timedelta(hours=hours)}
    if not await tx.run(insert(sim_change).values(**row, **until).on_conflict_do_nothing()):
        return False
    await tokens.end_sessions(tx, person_id=person.id)
    await notify(tx, phone=phone, language=person.language, key="sms.sim_changed", params={"hours": hours})
    return True


async def propose_lifting(tx: Tx, *, phone: str, reason: str, by: UUID) -> Proposal:
    """Put the end of a freeze before another of finance. Raises NotFound where nothing is frozen, AlreadyProposed."""
    person = await people.find(tx, phone=phone)
    if person is None or await frozen_until(tx, person_id=person.id) is None:
        raise NotFound()
    return await four_eyes.propose(tx, kind=KIND, subject=f"person:{person.id}", details={}, reason=reason, by=by)


async def lift(tx: Tx, approved: Proposal) -> None:
    """Both agree: it ends now, and the person is told."""
    person_id = UUID(approved.subject.removeprefix("person:"))
    frozen = sim_change.c.person_id == person_id, sim_change.c.frozen_until > tx.now
    await tx.run(update(sim_change).where(*frozen).values(frozen_until=tx.now, proposal_id=approved.id))
    person = await people.get(tx, person_id=person_id)
    await notify(tx, phone=person.phone, language=person.language, key="sms.sim_freeze_over", params={})


async def frozen(tx: Tx) -> list[tuple[UUID, datetime]]:
    """Whom nothing is paid out to now, and until when; whose freeze ends first stands first."""
    live = select(sim_change.c.person_id, sim_change.c.frozen_until).where(sim_change.c.frozen_until > tx.now)
    return [(row.person_id, row.frozen_until) for row in await tx.all(live.order_by(sim_change.c.frozen_until))]
