"""What finance reads from the books: every report in every format, and statements page by page."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, TypeVar

import msgspec
from litestar import Request, get
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Stream

from channels.api.encoding import problems
from channels.api.inputs import PAGE_SIZE, PageSize, TheDatabase
from channels.rendering import language_of
from core.database import Database
from core.errors import InvalidInput
from ledger import reports
from ledger.reporting import Asked, Report, snapshot, write
from ledger.reports import Statement
from ledger.reports.asking import read
from marketplace import finance

Instant = FromQuery[datetime | None]
When = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[0-9T:.+Z -]{7,40}$",
        description="A month `2026-10`, a day `2026-10-31`, or an instant with its offset.",
    ),
]
Format = Annotated[str, QueryParameter(pattern="^[a-z]{1,20}$", description="See `/reports`.")]
Number = Annotated[int | None, QueryParameter(ge=0, le=2**62)]
_SUBJECT = "^[a-z0-9:_.-]{1,100}$"
Subject = Annotated[
    str | None, QueryParameter(pattern=_SUBJECT, description="Of what it is: an account's code, an order's id.")
]

_MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "text": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "hledger": "text/x-hledger",
    "beancount": "text/x-beancount",
}
_ENDINGS = {"text": "txt", "hledger": "journal"}

# A report is made to its end before the first byte goes out: what is wrong with it still has a status to say so, and a
# slow client holds up no connection to the database. Longer ones wait on disk.
_IN_MEMORY_BYTES = 1 << 20
_PIECE = 1 << 16


class ReportView(msgspec.Struct, frozen=True):
    """A report there is. `asks` says whether it takes `as_of` ("day") or `since` and `until` ("period")."""

    name: str
    asks: str
    subject: str | None
    formats: list[str]


@get("/reports", responses=problems(401, 403))
async def list_reports() -> list[ReportView]:
    """Every report, what it asks for, and how it can be written."""
    return [ReportView(one.name, one.asks, one.subject, list(one.formats)) for one in finance.REPORTS]


@dataclass
class AnyFormat(Operation):
    """The documented answer: one body, in whichever format was asked for."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = {media_type: OpenAPIMediaType(schema=Schema()) for media_type in _MEDIA_TYPES.values()}


@get("/reports/{name:str}", responses=problems(401, 403, 404), operation_class=AnyFormat)
async def make_report(
    request: Request[Any, Any, Any],
    name: Annotated[str, PathParameter(pattern="^[a-z-]{1,40}$")],
    database: TheDatabase,
    format: Format = "json",
    as_of: When = None,
    since: When = None,
    until: When = None,
    subject: Subject = None,
) -> Stream:
    """A report as of a day, or of a period from `since` to the end of `until`; without a time, of all up to now."""
    report = finance.find(name)
    asked = read(report, now=database.clock.now(), as_of=as_of, since=since, until=until, subject=subject)
    return await answered(request, database, report, asked, form=format)


async def answered(
    request: Request[Any, Any, Any], database: Database, report: Report, asked: Asked, *, form: str
) -> Stream:
    """A report as a file. Raises InvalidInput for a format that it is not written in."""
    if form not in report.formats:
        raise InvalidInput(field="format")
    file = await _made(database, report, asked, form=form, language=language_of(request.scope))
    name = f"{report.name}.{_ENDINGS.get(form, form)}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(_pieces(file), media_type=_MEDIA_TYPES[form], headers=headers)


async def _made(database: Database, report: Report, asked: Asked, *, form: str, language: str) -> IO[bytes]:
    file = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - whoever sends it closes it
    try:
        async with snapshot(database) as tx, aclosing(write(tx, report, asked, form=form, language=language)) as pieces:
            async for _, piece in pieces:
                file.write(piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


@get("/reports/accounts/{code:str}/statement", responses=problems(401, 403, 404))
async def account_statement(
    code: Annotated[str, PathParameter(pattern=_SUBJECT)],
    database: TheDatabase,
    since: Instant = None,
    until: Instant = None,
    after: Number = None,
    before: Number = None,
    newest: FromQuery[bool] = False,
    limit: PageSize = PAGE_SIZE,
) -> Statement:
    """A page of an account's postings in the order of recording, from `since` to before `until`, the oldest first.

    The page `after` a number, or the one `before` it, or with `newest` the last. `next` and `previous` lead on.
    """
    async with database.reading() as tx:
        return await reports.account_statement(
            tx,
            code=code,
            since=exact("since", since),
            until=exact("until", until),
            after=after,
            before=before,
            newest=newest,
            limit=limit,
        )


Maybe = TypeVar("Maybe", datetime, datetime | None)


def exact(field: str, instant: Maybe) -> Maybe:
    """Raises InvalidInput for an instant without its offset: Douala's and London's noon are an hour apart.

    And for one of the hours at either end of Python's calendar that are beyond it in UTC.
    """
    if instant is None:
        return instant
    if instant.tzinfo is None:
        raise InvalidInput(field=field)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(field=field) from None
