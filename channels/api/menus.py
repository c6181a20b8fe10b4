"""What operations reads of the talks on USSD: where callers are lost, how far an order is, what experiments did."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import PathParameter
from litestar.response import Stream

from channels.api.encoding import problems
from channels.api.inputs import TheDatabase
from channels.api.reports import AnyFormat, Format, When, answered
from ledger.reports.asking import read
from menus_ussd.evidence import reports


@get("/menus/{name:str}", responses=problems(401, 403, 404), operation_class=AnyFormat)
async def make_menu_report(
    request: Request[Any, Any, Any],
    name: Annotated[str, PathParameter(pattern="^[a-z]{1,20}$", description="`screens`, `talks` or `experiments`.")],
    database: TheDatabase,
    format: Format = "json",
    since: When = None,
    until: When = None,
) -> Stream:
    """A report of the turns from `since` to the end of `until`; without a time, of all that are remembered."""
    report = reports.find(name)
    asked = read(report, now=database.clock.now(), since=since, until=until)
    return await answered(request, database, report, asked, form=format)
