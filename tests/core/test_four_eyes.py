"""Four eyes: one proposes, another approves, and it happens once, whoever asks and however often."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import four_eyes
from core.database import Database
from core.errors import Conflict, GatewayError, InvalidInput, NotFound
from core.four_eyes import AlreadyDecided, AlreadyProposed, Proposal, SelfApproval, State
from core.texts import LANGUAGES, say

pytestmark = pytest.mark.anyio

ANNE, BORIS, CLAIRE = uuid4(), uuid4(), uuid4()


async def propose(database: Database, **changes: Any) -> Proposal:
    asked = {"kind": "gift", "subject": "kitchen:45", "details": {"amount_xaf": 900}, "reason": "burnt", "by": ANNE}
    async with database.transaction() as tx:
        return await four_eyes.propose(tx, **{**asked, **changes})


async def approve(database: Database, proposal_id: UUID, by: UUID = BORIS) -> Proposal:
    async with database.transaction() as tx:
        return await four_eyes.approve(tx, proposal_id=proposal_id, by=by)


async def reject(database: Database, proposal_id: UUID, by: UUID = BORIS) -> Proposal:
    async with database.transaction() as tx:
        return await four_eyes.reject(tx, proposal_id=proposal_id, by=by)


async def waiting(database: Database, kind: str | None = None) -> list[UUID]:
    async with database.reading() as tx:
        return [one.id for one in await four_eyes.open_proposals(tx, kind=kind)]


async def test_another_person_approves_what_one_proposed(database: Database) -> None:
    made = await propose(database)
    assert await waiting(database) == await waiting(database, "gift") == [made.id]
    assert await waiting(database, "loan") == []
    agreed = await approve(database, made.id)
    assert (agreed.state, agreed.decided_by, agreed.decided_at) == (State.APPROVED, BORIS, database.clock.now())
    assert agreed.details == {"amount_xaf": 900}
    assert await waiting(database) == []
    async with database.reading() as tx:
        assert await four_eyes.about(tx, subject="kitchen:45") == [agreed]


async def test_nobody_approves_their_own_proposal(database: Database) -> None:
    made = await propose(database)
    with pytest.raises(SelfApproval):
        await approve(database, made.id, by=ANNE)
    assert await waiting(database) == [made.id]


async def test_the_database_itself_wants_two_people(database: Database) -> None:
    made = await propose(database)
    alone = text("UPDATE proposal SET state = 'approved', decided_by = proposed_by, decided_at = proposed_at")
    with pytest.raises(IntegrityError, match="four_eyes"):
        async with database.transaction() as tx:
            await tx.run(alone)
    assert await waiting(database) == [made.id]


async def test_of_many_approvals_at_once_one_counts(database: Database) -> None:
    made = await propose(database)
    results = await asyncio.gather(*(approve(database, made.id, by=uuid4()) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, Proposal) for result in results) == 1
    assert sum(isinstance(result, AlreadyDecided) for result in results) == 7


async def test_a_deed_that_is_refused_leaves_the_proposal_open(database: Database) -> None:
    made = await propose(database)
    with pytest.raises(Conflict):
        async with database.transaction() as tx:
            await four_eyes.approve(tx, proposal_id=made.id, by=BORIS)
            raise Conflict()
    assert (await approve(database, made.id)).state is State.APPROVED


@pytest.mark.parametrize(("by", "state"), [(BORIS, State.REJECTED), (ANNE, State.WITHDRAWN)])
async def test_what_was_refused_can_be_proposed_again(database: Database, by: UUID, state: State) -> None:
    made = await propose(database)
    assert (await reject(database, made.id, by=by)).state is state
    with pytest.raises(AlreadyDecided) as refusal:
        await approve(database, made.id, by=CLAIRE)
    assert refusal.value.params == {"state": state}
    again = await propose(database)
    assert await waiting(database) == [again.id]


async def test_one_open_question_about_one_thing(database: Database) -> None:
    await propose(database)
    with pytest.raises(AlreadyProposed):
        await propose(database, details={"amount_xaf": 1}, by=BORIS)
    await propose(database, subject="kitchen:46")


@pytest.mark.parametrize("decide", [approve, reject])
async def test_an_unknown_proposal_is_not_found(database: Database, decide: Any) -> None:
    with pytest.raises(NotFound):
        await decide(database, uuid4())


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 201])
async def test_a_proposal_says_why(database: Database, reason: str) -> None:
    with pytest.raises(InvalidInput):
        await propose(database, reason=reason)


@pytest.mark.parametrize("error", [SelfApproval(), AlreadyDecided(state="approved"), AlreadyProposed()])
def test_each_refusal_has_a_text(error: GatewayError) -> None:
    assert all(say(language, error.text_key, **error.params) for language in LANGUAGES)
