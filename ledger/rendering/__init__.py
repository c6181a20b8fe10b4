"""A report as text for people, as CSV and XLSX for spreadsheets, as JSON for programs, as PDF for paper.

Text, XLSX and PDF are in the reader's language and Douala's time; CSV and JSON keep column keys, plain integers in
minor units and UTC instants. The same books give the same bytes.
"""

from collections.abc import Mapping

from core.texts import DEFAULT_LANGUAGE
from ledger.rendering.json import JsonWriter
from ledger.rendering.pdf import PdfWriter
from ledger.rendering.sheets import CsvWriter, XlsxWriter
from ledger.rendering.table import Cell, Column, Facts, Row, Table
from ledger.rendering.text import TextWriter
from ledger.rendering.writer import ReportTooLong, Writer

FORMATS: Mapping[str, type[Writer]] = {
    "text": TextWriter,
    "csv": CsvWriter,
    "json": JsonWriter,
    "xlsx": XlsxWriter,
    "pdf": PdfWriter,
}
BINARY = ("xlsx", "pdf")

__all__ = ("BINARY", "FORMATS", "Cell", "Column", "Facts", "ReportTooLong", "Row", "Table", "Writer", "render")


def render(table: Table, form: str, language: str = DEFAULT_LANGUAGE) -> str:
    """A table whose rows are at hand, in a format of text that ends with a newline."""
    writer = FORMATS[form](table, language)
    return b"".join([writer.rows(table.rows), *writer.end()]).decode()
