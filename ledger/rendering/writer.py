"""How a format is written: rows go in, bytes come out, and nothing is awaited, so that any source can feed it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from core.errors import GatewayError
from ledger.rendering.table import Row, Table


class Writer(Protocol):
    """Writes one table. Bytes may come whenever the format is ready for them; together they are the file."""

    def __init__(self, table: Table, language: str) -> None: ...

    def rows(self, rows: Sequence[Row]) -> bytes:
        """The next rows. Raises ReportTooLong."""
        ...

    def end(self) -> Iterable[bytes]:
        """No more rows. May take seconds of computing."""
        ...


class ReportTooLong(GatewayError):
    """The format takes `rows` rows at most: another format, or a shorter period, has room."""

    status = 422
    text_key = "error.report_too_long"
