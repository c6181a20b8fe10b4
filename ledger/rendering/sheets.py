"""A report for spreadsheets: CSV for any of them, XLSX with titles, numbers and dates as such."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from tempfile import TemporaryFile
from typing import Any

from core.clock import DOUALA
from ledger.rendering.table import Cell, Column, Row, Table, Totals
from ledger.rendering.words import Words, decimals, machine
from ledger.rendering.writer import ReportTooLong

MOST_ROWS = 1_000_000  # a sheet ends at 1,048,576
_WIDEST = 60
_PIECE = 1 << 16
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CsvWriter:
    """For programs: headed by column keys, without totals."""

    def __init__(self, table: Table, _language: str) -> None:
        self._head: list[str] | None = [column.key for column in table.columns]

    def rows(self, rows: Sequence[Row]) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if self._head:
            writer.writerow(self._head)
            self._head = None
        writer.writerows([_harmless(machine(cell)) for cell in row] for row in rows)
        return out.getvalue().encode()

    def end(self) -> Iterable[bytes]:
        yield self.rows(())


def _harmless(cell: str | int | None) -> str | int | None:
    """A spreadsheet would run a text that begins like a formula; names are typed by people we do not know."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


class XlsxWriter:
    """For people: a workbook of one sheet. Rows go to disk as they come."""

    def __init__(self, table: Table, language: str) -> None:
        import xlsxwriter

        self._table, self._words, self._totals = table, Words(table, language), Totals(table)
        self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the writer
        self._book = xlsxwriter.Workbook(self._file, {"constant_memory": True})
        self._sheet = self._book.add_worksheet()
        self._formats: dict[tuple[str, bool], Any] = {}
        self._widths = [len(head) for head in self._words.heads]
        self._next = 0
        if table.made_at is not None:  # the same books give the same bytes
            self._book.set_properties({"created": table.made_at.astimezone(DOUALA).replace(tzinfo=None)})
        self._top()

    def rows(self, rows: Sequence[Row]) -> bytes:
        if self._next + len(rows) > MOST_ROWS:
            raise ReportTooLong(rows=MOST_ROWS)
        for row in rows:
            self._totals.add(row)
            self._add(row, self._words.row(row))
        return b""

    def end(self) -> Iterable[bytes]:
        for row in self._totals.rows():
            self._add(row, self._words.total(row), bold=True)
        for place, width in enumerate(self._widths):
            self._sheet.set_column(place, place, min(width, _WIDEST) + 2)
        self._book.close()
        self._file.seek(0)
        return iter(lambda: self._file.read(_PIECE), b"")

    def _top(self) -> None:
        self._line([self._words.title], bold=True)
        for fact in self._words.facts:
            self._line(fact)
        self._next += 1
        self._line(self._words.heads, bold=True)
        self._sheet.freeze_panes(self._next, 0)

    def _line(self, cells: Sequence[str], *, bold: bool = False) -> None:
        for place, cell in enumerate(cells):
            self._sheet.write_string(self._next, place, cell, self._format("@", bold=bold))
        self._next += 1

    def _add(self, row: Row, said: Sequence[str], *, bold: bool = False) -> None:
        currency = self._words.currency(row)
        for place, (column, cell, words) in enumerate(zip(self._table.columns, row, said, strict=True)):
            self._widths[place] = max(self._widths[place], len(words))
            self._write(place, column, cell, words, currency, bold=bold)
        self._next += 1

    def _write(self, place: int, column: Column, cell: Cell, words: str, currency: Cell, *, bold: bool) -> None:
        if isinstance(cell, datetime):
            local = cell.astimezone(DOUALA).replace(tzinfo=None)
            self._sheet.write_datetime(self._next, place, local, self._format("yyyy-mm-dd hh:mm", bold=bold))
        elif isinstance(cell, int):
            behind = decimals(currency) if column.money else 0
            shape = "#,##0" + (f".{'0' * behind}" if behind else "")
            self._sheet.write_number(self._next, place, cell / 10**behind, self._format(shape, bold=bold))
        elif words:
            self._sheet.write_string(self._next, place, words, self._format("@", bold=bold))

    def _format(self, shape: str, *, bold: bool) -> Any:
        key = shape, bold
        if key not in self._formats:
            self._formats[key] = self._book.add_format({"num_format": shape, "bold": bold})
        return self._formats[key]
