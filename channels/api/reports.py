"""What finance reads from the books."""

from datetime import datetime
from typing import Annotated, TypeVar

from litestar import get
from litestar.params import FromQuery, PathParameter, QueryParameter

from channels.api.encoding import problems
from channels.api.inputs import PAGE_SIZE, PageSize, TheDatabase
from core.errors import InvalidInput
from ledger import reports
from ledger.reports import Statement, TrialBalance

Instant = FromQuery[datetime | None]


@get("/reports/trial-balance", responses=problems(401, 403))
async def trial_balance(database: TheDatabase, as_of: Instant = None) -> TrialBalance:
    """Every family of accounts with its net balance, now or as of an instant; the columns are equal."""
    async with database.reading() as tx:
        return await reports.trial_balance(tx, as_of=exact("as_of", as_of))


@get("/reports/accounts/{code:str}/statement", responses=problems(401, 403, 404))
async def account_statement(
    code: Annotated[str, PathParameter(pattern="^[a-z0-9:_.-]{1,100}$")],
    database: TheDatabase,
    since: Instant = None,
    until: Instant = None,
    after: Annotated[int | None, QueryParameter(ge=0, le=2**62)] = None,
    limit: PageSize = PAGE_SIZE,
) -> Statement:
    """An account's postings in the order of recording, from `since` to before `until`, a page after `after`."""
    period = {"since": exact("since", since), "until": exact("until", until)}
    async with database.reading() as tx:
        return await reports.account_statement(tx, code=code, **period, limit=limit, after=after)


Maybe = TypeVar("Maybe", datetime, datetime | None)


def exact(field: str, instant: Maybe) -> Maybe:
    """Raises InvalidInput for an instant without its offset: Douala's and London's noon are an hour apart."""
    if instant is not None and instant.tzinfo is None:
        raise InvalidInput(field=field)
    return instant
