"""Two finance users of a simulation: they look at the providers' dashboards and decide what waits for people (D27)."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from core import four_eyes
from core.clock import business_day
from core.database import Database
from gateway.simulation.networks import Movement
from marketplace.ordering.outcomes import OUTCOMES
from marketplace.people.tables import staff_user
from payments import decisions, reconciliation
from payments.decisions import Decisions, Ruling
from payments.providers.registry import build
from payments.states import Kind, PaymentState

_LEFT = text("""
    SELECT attempt.id, attempt.kind, attempt.settled_at, payment.state AS payment_state
    FROM attempt JOIN payment ON payment.id = payment_id
    WHERE attempt.state = 'REVIEW' AND NOT EXISTS (SELECT FROM review_closed WHERE attempt_id = attempt.id)
""")
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
            left = await tx.all(_LEFT)
        for row in left:
            await self._rule(row.id, _ruling(row, moved=str(row.id) in moved))
        return len(left)

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

    async def _rule(self, attempt_id: UUID, ruling: Ruling) -> None:
        async with self._database.transaction() as tx:
            proposed = await decisions.propose(
                tx, attempt_id=attempt_id, ruling=ruling, reason="seen at the provider", by=self._proposes
            )
        async with self._database.transaction() as tx:
            approved = await four_eyes.approve(tx, proposal_id=proposed.id, by=self._approves)
            await self._decisions.carry_out(tx, approved)


async def two_of_finance(database: Database) -> Finance:
    """Any two staff users who see money."""
    async with database.reading() as tx:
        staff = await tx.all(select(staff_user.c.id).where(staff_user.c.role.in_(("finance", "admin"))))
    return Finance(database, [row.id for row in staff])


def _ruling(left: Row[Any], *, moved: bool) -> Ruling:
    """What an honest pair decides about an attempt, knowing whether its money moved."""
    if left.settled_at is None:
        return Ruling.PAID if moved else Ruling.UNPAID
    if left.kind == Kind.COLLECT:
        return Ruling.RETURN
    return Ruling.ACCEPT if left.payment_state == PaymentState.REVIEW else Ruling.ABSORB
