"""What two people of finance decide, in one line of a test."""

from typing import Any
from uuid import UUID, uuid4

from core import four_eyes
from core.four_eyes import Proposal
from payments import decisions
from payments.decisions import Decisions, Ruling
from payments.providers.campay import Campay
from tests.payments.house import House

ANNE, BORIS = uuid4(), uuid4()


async def propose(house: House, ruling: Ruling, **changes: Any) -> Proposal:
    asked = {"attempt_id": (await house.attempts())[0].id, "reason": "seen in their dashboard", "by": ANNE, **changes}
    async with house.database.transaction() as tx:
        return await decisions.propose(tx, ruling=ruling, **asked)


async def approve(house: House, proposal_id: UUID) -> None:
    adapter = Campay(house.database.settings, http_client=house.campay.client())
    async with house.database.transaction() as tx:
        approved = await four_eyes.approve(tx, proposal_id=proposal_id, by=BORIS)
        await Decisions(house.handlers, (adapter,)).carry_out(tx, approved)


async def rule(house: House, ruling: Ruling, **changes: Any) -> None:
    await approve(house, (await propose(house, ruling, **changes)).id)


async def waiting(house: House) -> list[tuple[str, list[str]]]:
    async with house.database.reading() as tx:
        return [(str(one.state), [str(ruling) for ruling in one.rulings]) for one in await decisions.waiting(tx)]
