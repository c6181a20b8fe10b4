"""Two finance users of a simulation: they look at the providers' dashboards and decide what waits for people (D27)."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

from core import four_eyes
from core.clock import business_day
from core.database import Database
from core.errors import GatewayError
from gateway.simulation.networks import Movement
from marketplace.ordering.outcomes import OUTCOMES
from marketplace.people.tables import staff_user
from payments import decisions, reconciliation
from payments.decisions import Decisions, Ruling, Waiting
from payments.providers.registry import build

_TRIES = 5
_SENT = text("SELECT DISTINCT date_trunc('hour', sent_at) AS sent_at FROM attempt WHERE sent_at IS NOT NULL")


class Finance:
    """One who proposes and another who approves."""

    def __init__(self, database: Database, staff: Sequence[UUID]) -> None:
        self._database = database
        self._proposes, self._approves = staff[:2]
        self._providers = build(database.settings)
        self._decisions = Decisions(OUTCOMES, self._providers)

    async def decide(self, movements: Sequence[Movement]) -> int:
        """Rule on everything that waits for people; how much that was."""
        moved = {movement.our_id for movement in movements if movement.moved}
        async with self._database.reading() as tx:
            waiting = await decisions.waiting(tx)
        for one in waiting:
            for ruling in _rulings(one, moved=str(one.attempt_id) in moved):
                if await self._rule(one.attempt_id, ruling):
                    break
        return len(waiting)

    async def reconcile(self) -> None:
        """Compare every day on which something was sent: what a provider changed in silence is looked at again."""
        async with self._database.reading() as tx:
            sent = [row.sent_at for row in await tx.all(_SENT)]
        for day in sorted({business_day(instant) for instant in sent}):
            await self._compare(day)

    async def _compare(self, day: date) -> None:
        """Every provider, again where one did not answer to everything."""
        left = list(self._providers)
        for _ in range(_TRIES):
            compared = await reconciliation.run(self._database, left, day)
            left = [provider for provider in left if provider.capabilities.name not in compared]
            if not left:
                return

    async def close(self) -> None:
        for provider in self._providers:
            await provider.close()

    async def _rule(self, attempt_id: UUID, ruling: Ruling) -> bool:
        """Whether it could be done."""
        try:
            await self._agree(attempt_id, ruling)
        except GatewayError:
            return False
        return True

    async def _agree(self, attempt_id: UUID, ruling: Ruling) -> None:
        """In one transaction, so that a ruling that cannot be carried out leaves no proposal behind."""
        async with self._database.transaction() as tx:
            proposed = await decisions.propose(
                tx, attempt_id=attempt_id, ruling=ruling, reason="seen at the provider", by=self._proposes
            )
            approved = await four_eyes.approve(tx, proposal_id=proposed.id, by=self._approves)
            await self._decisions.carry_out(tx, approved)


async def two_of_finance(database: Database) -> Finance:
    """Any two staff users who see money."""
    async with database.reading() as tx:
        staff = await tx.all(select(staff_user.c.id).where(staff_user.c.role.in_(("finance", "admin"))))
    return Finance(database, [row.id for row in staff])


def _rulings(one: Waiting, *, moved: bool) -> Sequence[Ruling]:
    """What an honest pair tries, the first first, knowing whether the money moved."""
    if Ruling.PAID in one.rulings:
        return (Ruling.PAID,) if moved else (Ruling.UNPAID,)
    order = Ruling.TRUST, Ruling.RETURN, Ruling.KEEP, Ruling.ACCEPT, Ruling.UNPAID, Ruling.ABSORB
    return [ruling for ruling in order if ruling in one.rulings]
