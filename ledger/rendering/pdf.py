"""A report on paper, set by typst from `report.typ`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ledger.rendering.table import Row, Table, Totals
from ledger.rendering.words import Words
from ledger.rendering.writer import ReportTooLong

MOST_ROWS = 5_000  # some hundred pages
_TEMPLATE = Path(__file__).parent / "report.typ"


class _Page(msgspec.Struct, frozen=True):
    """What the template shows."""

    title: str
    language: str
    facts: list[tuple[str, str]]
    heads: list[str]
    numbers: list[bool]
    rows: list[list[str]]
    totals: list[list[str]]


class PdfWriter:
    """For paper: pages of A4."""

    def __init__(self, table: Table, language: str) -> None:
        self._table, self._language = table, language
        self._words, self._totals = Words(table, language), Totals(table)
        self._rows: list[list[str]] = []

    def rows(self, rows: Sequence[Row]) -> bytes:
        if len(self._rows) + len(rows) > MOST_ROWS:
            raise ReportTooLong(rows=MOST_ROWS)
        for row in rows:
            self._totals.add(row)
            self._rows.append(self._words.row(row))
        return b""

    def end(self) -> Iterable[bytes]:
        page = _Page(
            title=self._words.title,
            language=self._language,
            facts=self._words.facts,
            heads=self._words.heads,
            numbers=[column.number for column in self._table.columns],
            rows=self._rows,
            totals=[self._words.total(row) for row in self._totals.rows()],
        )
        made_at = self._table.made_at
        return [_set(page, int(made_at.timestamp()) if made_at else None)]


def _set(page: _Page, timestamp: int | None) -> bytes:
    """The same page gives the same bytes: no fonts of the machine, no time of its own."""
    import typst

    told = {"report": msgspec.json.encode(page).decode()}
    made = typst.compile(_TEMPLATE, format="pdf", ignore_system_fonts=True, sys_inputs=told, timestamp=timestamp)
    assert isinstance(made, bytes)
    return made
