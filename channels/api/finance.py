"""What finance decides and reads: proposals, what waits for people, payouts, reconciliation, proofs.

Whoever proposes is the bearer of the token, and so is whoever approves: two tokens, two people (D27).
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, FromQuery, RequestBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from channels.api.encoding import problems
from channels.api.inputs import PRINTABLE, TheApprovals, TheCaller, TheDatabase
from channels.api.reports import exact
from channels.api.views import Amount, Body, Phone
from core import four_eyes
from core.four_eyes import REASON_LENGTH, Proposal
from core.phones import parse_phone
from marketplace.payouts import approved, report
from payments import decisions, evidence
from payments.decisions import Ruling, Waiting
from payments.evidence import Evidence
from payments.reconciliation import resolving, screen
from payments.reconciliation.resolving import Resolution
from payments.reconciliation.screen import Item

Reason = Annotated[str, Meta(min_length=1, max_length=REASON_LENGTH, pattern=PRINTABLE)]
Day = FromQuery[date | None]


class NewRuling(Body):
    """`amount_xaf` with `paid`: what moved, where it is not what was asked for."""

    ruling: Ruling
    reason: Reason
    amount_xaf: Amount | None = None


class NewResolution(Body):
    resolution: Resolution
    reason: Reason


class NewPayout(Body):
    """A payout above the day's limit."""

    owner: Literal["restaurant", "driver"]
    owner_id: UUID
    phone: Phone
    amount_xaf: Amount
    reason: Reason


@get("/finance/proposals", responses=problems(401, 403))
async def list_proposals(database: TheDatabase) -> list[Proposal]:
    """What waits for a second person, the oldest first."""
    async with database.reading() as tx:
        return await four_eyes.open_proposals(tx)


@post("/finance/proposals/{proposal_id:uuid}/approve", status_code=HTTP_200_OK, responses=problems(401, 403, 404, 409))
async def approve(
    proposal_id: FromPath[UUID], caller: TheCaller, database: TheDatabase, approvals: TheApprovals
) -> Proposal:
    """Agree to what somebody else proposed, and have it done: both or neither."""
    async with database.transaction() as tx:
        return await approvals.approve(tx, proposal_id=proposal_id, by=caller.subject)


@post("/finance/proposals/{proposal_id:uuid}/reject", status_code=HTTP_200_OK, responses=problems(401, 403, 404, 409))
async def reject(proposal_id: FromPath[UUID], caller: TheCaller, database: TheDatabase) -> Proposal:
    """Refuse a proposal, or withdraw one's own."""
    async with database.transaction() as tx:
        return await four_eyes.reject(tx, proposal_id=proposal_id, by=caller.subject)


@get("/finance/attempts", responses=problems(401, 403))
async def list_attempts(database: TheDatabase) -> list[Waiting]:
    """Attempts that only people can end, each with the rulings that are open to them."""
    async with database.reading() as tx:
        return await decisions.waiting(tx)


@post("/finance/attempts/{attempt_id:uuid}/rulings", responses=problems(401, 403, 404, 409))
async def rule(
    attempt_id: FromPath[UUID], data: RequestBody[NewRuling], caller: TheCaller, database: TheDatabase
) -> Proposal:
    """Propose what became of an attempt, or what shall become of its money."""
    async with database.transaction() as tx:
        return await decisions.propose(
            tx,
            attempt_id=attempt_id,
            ruling=data.ruling,
            reason=data.reason,
            by=caller.subject,
            amount_xaf=data.amount_xaf,
        )


@get("/finance/payments/{named:uuid}", responses=problems(401, 403, 404))
async def read_payment(named: FromPath[UUID], database: TheDatabase) -> list[Evidence]:
    """The proof behind a payment, by its id or that of its attempt, order, top-up or payout; phones are masked."""
    async with database.reading() as tx:
        return await evidence.collect(tx, named=named)


@get("/finance/differences", responses=problems(401, 403))
async def list_differences(database: TheDatabase, day: Day = None) -> list[Item]:
    """What reconciliation found and nobody has resolved; with `day` also what was found on it and is resolved."""
    async with database.reading() as tx:
        return await screen.differences(tx, day=day)


@post("/finance/differences/{item_id:uuid}/resolutions", responses=problems(401, 403, 404, 409))
async def resolve(
    item_id: FromPath[UUID], data: RequestBody[NewResolution], caller: TheCaller, database: TheDatabase
) -> Proposal:
    """Propose how a difference ends; its journal is posted when somebody else approves."""
    async with database.transaction() as tx:
        return await resolving.propose(
            tx, item_id=item_id, resolution=data.resolution, reason=data.reason, by=caller.subject
        )


@post("/finance/payouts", responses=problems(401, 403, 409))
async def propose_payout(data: RequestBody[NewPayout], caller: TheCaller, database: TheDatabase) -> Proposal:
    """Propose a payout of any size; it goes out in instalments when somebody else approves."""
    phone = parse_phone(data.phone)
    async with database.transaction() as tx:
        return await approved.propose(
            tx,
            owner=data.owner,
            owner_id=data.owner_id,
            phone=phone,
            amount_xaf=data.amount_xaf,
            reason=data.reason,
            by=caller.subject,
        )


@get("/finance/payouts", responses=problems(401, 403))
async def list_payouts(
    database: TheDatabase, since: FromQuery[datetime], until: FromQuery[datetime]
) -> list[report.Line]:
    """What was paid out, to whom and what for, from `since` to before `until`; phones are masked."""
    async with database.reading() as tx:
        return await report.payouts(tx, since=exact("since", since), until=exact("until", until))
