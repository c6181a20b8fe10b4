"""What finance does to the books themselves: postings by hand, reversals, closing periods, and receipts of journals.

Proposals are approved where all are (`finance.approve`).
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromQuery, PathParameter, RequestBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from channels.api.encoding import problems
from channels.api.finance import Reason
from channels.api.inputs import TheCaller, TheDatabase
from channels.api.reports import exact
from channels.api.views import Body
from core.errors import NotFound
from core.four_eyes import Proposal
from ledger import manual, periods
from ledger.errors import NotAsSealed, NotSealed
from ledger.journals import MAX_AMOUNT
from ledger.manual import Line, Wish
from ledger.periods import Event
from ledger.receipts import NoReceipt, NoSuchJournal, NotSealedYet, Receipt, issue
from ledger.trail import Deed, trail

Code = Annotated[str, Meta(pattern="^[a-z0-9:_.-]{1,100}$", description="An account of the chart.")]
NamedPeriod = Annotated[str, PathParameter(pattern="^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$")]


class NewLine(Body):
    """`amount` is in minor units of the accounts' currency: whole XAF, whole points, cents."""

    debit: Code
    credit: Code
    amount: Annotated[int, Meta(ge=1, le=MAX_AMOUNT)]


class NewPosting(Body):
    """`moving_on`: should the period of `effective_at` be closed by then, post into the open one."""

    lines: Annotated[list[NewLine], Meta(min_length=1, max_length=30)]
    reason: Reason
    effective_at: datetime | None = None
    moving_on: bool = False


class NewReversal(Body):
    journal: Annotated[int, Meta(ge=1, le=2**62)]
    reason: Reason


class NewReopening(Body):
    reason: Reason


class ClosingView(msgspec.Struct, frozen=True):
    """Closed, and complete: no journal after `last_journal` counts in it."""

    period: str
    last_journal: int


@post("/finance/postings", responses=problems(401, 403, 409))
async def propose_posting(data: RequestBody[NewPosting], caller: TheCaller, database: TheDatabase) -> Proposal:
    """Propose a journal; it is posted when somebody else approves."""
    wish = Wish(
        lines=[Line(line.debit, line.credit, line.amount) for line in data.lines],
        effective_at=exact("effective_at", data.effective_at),
        moving_on=data.moving_on,
    )
    async with database.transaction() as tx:
        return await manual.propose(tx, wish=wish, reason=data.reason, by=caller.subject)


@post("/finance/reversals", responses=problems(401, 403, 404, 409))
async def propose_reversal(data: RequestBody[NewReversal], caller: TheCaller, database: TheDatabase) -> Proposal:
    """Propose to take a journal back; its reversal is posted when somebody else approves."""
    async with database.transaction() as tx:
        return await manual.propose_reversal(tx, journal_id=data.journal, reason=data.reason, by=caller.subject)


@get("/finance/audit-trail", responses=problems(401, 403))
async def audit_trail(database: TheDatabase, since: FromQuery[datetime], until: FromQuery[datetime]) -> list[Deed]:
    """Who wanted what by hand and why, who decided, and the journal of it; proposed from `since` to before `until`."""
    async with database.reading() as tx:
        return await trail(tx, since=exact("since", since), until=exact("until", until))


@get("/finance/journals/{journal:int}/receipt", responses=problems(401, 403, 404, 409))
async def issue_receipt(journal: Annotated[int, PathParameter(ge=1, le=2**62)], database: TheDatabase) -> Receipt:
    """What proves that the journal is in the books as it says, to anybody who has the published head of its seal."""
    try:
        async with database.reading() as tx:
            return await issue(tx, journal_id=journal)
    except NoSuchJournal:
        raise NotFound() from None
    except NotSealedYet:
        raise NotSealed() from None
    except NoReceipt:
        raise NotAsSealed() from None


@get("/finance/periods", responses=problems(401, 403))
async def list_periods(database: TheDatabase) -> list[Event]:
    """Every closing and reopening, the oldest first."""
    async with database.reading() as tx:
        return await periods.history(tx)


@post("/finance/periods/{period:str}/close", status_code=HTTP_200_OK, responses=problems(401, 403, 409, 503))
async def close_period(period: NamedPeriod, caller: TheCaller, database: TheDatabase) -> ClosingView:
    """Close a day or a month; the answer comes when nothing can change in it any more."""
    wanted = periods.read_period(period)
    last = await periods.close(database, period=wanted, actor=_actor(caller.subject), patience_seconds=10)
    return ClosingView(period, last)


@post("/finance/periods/{period:str}/reopen", responses=problems(401, 403, 409))
async def propose_reopening(
    period: NamedPeriod, data: RequestBody[NewReopening], caller: TheCaller, database: TheDatabase
) -> Proposal:
    """Propose to open the last closed period again; it is when somebody else approves."""
    wanted = periods.read_period(period)
    async with database.transaction() as tx:
        return await periods.propose_reopening(tx, period=wanted, reason=data.reason, by=caller.subject)


def _actor(staff_id: UUID) -> str:
    return f"staff:{staff_id}"
