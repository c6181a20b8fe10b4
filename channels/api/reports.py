"""What finance reads from the books."""

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.params import Parameter

from channels.api.encoding import problems
from core.database import Database
from ledger import reports
from ledger.reports import Statement, TrialBalance

STATEMENT_LINES = 20


@get("/reports/trial-balance", responses=problems(401, 403))
async def trial_balance(database: Database, as_of: datetime | None = None) -> TrialBalance:
    """Every family of accounts with its net balance, now or as of an instant; the columns are equal."""
    async with database.reading() as tx:
        return await reports.trial_balance(tx, as_of=as_of)


@get("/reports/accounts/{code:str}/statement", responses=problems(401, 403, 404))
async def account_statement(
    code: Annotated[str, Parameter(max_length=100)],
    database: Database,
    since: datetime | None = None,
    until: datetime | None = None,
    after: Annotated[int | None, Parameter(ge=0, le=2**62)] = None,
    limit: Annotated[int, Parameter(ge=1, le=500)] = STATEMENT_LINES,
) -> Statement:
    """An account's postings in the order of recording, from `since` to before `until`, a page after `after`."""
    async with database.reading() as tx:
        return await reports.account_statement(tx, code=code, since=since, until=until, limit=limit, after=after)
