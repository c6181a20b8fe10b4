"""A report as text for people, CSV for spreadsheets, JSON for programs: three views of one `Table`.

Only the text is in the reader's language and time; CSV and JSON keep column keys, plain integers in minor
units and UTC instants.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from core.clock import DOUALA
from core.texts import DEFAULT_LANGUAGE, say

Format = Literal["text", "csv", "json"]
Cell = str | int | datetime | None
Row = tuple[Cell, ...]


class Column(Struct, frozen=True):
    """A column, headed in text by the catalogue's `report.<key>`."""

    key: str
    number: bool = False  # right-aligned
    side: bool = False  # one of debit and credit: a zero is left blank in text
    words: bool = False  # cells are catalogue keys `report.<key>.<cell>`


class Table(Struct, frozen=True):
    """A report ready to be shown. `totals` stand under the rows, with None where nothing is summed."""

    name: str
    facts: dict[str, Cell]  # what stands above the table: the account, the instant
    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Sequence[Row] = ()


def render(table: Table, form: Format, language: str = DEFAULT_LANGUAGE) -> str:
    """`table` as one text that ends with a newline."""
    if form == "json":
        return _json(table)
    if form == "csv":
        return _csv(table)
    return _text(table, language)


def _json(table: Table) -> str:
    report = {
        "report": table.name,
        **{name: _machine(fact) for name, fact in table.facts.items()},
        "rows": [_record(table, row) for row in table.rows],
        "totals": [
            {key: cell for key, cell in _record(table, row).items() if cell is not None} for row in table.totals
        ],
    }
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _record(table: Table, row: Row) -> dict[str, Cell]:
    named = zip(table.columns, row, strict=True)
    return {column.key: _machine(cell) for column, cell in named if cell is not None}


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.key for column in table.columns)
    writer.writerows([_machine(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def _machine(cell: Cell) -> str | int | None:
    return cell.astimezone(UTC).isoformat() if isinstance(cell, datetime) else cell


def _text(table: Table, language: str) -> str:
    heads = [say(language, f"report.{column.key}") for column in table.columns]
    rows = [_words(table, row, language) for row in table.rows]
    totals = [[say(language, "report.total"), *_words(table, row, language)[1:]] for row in table.totals]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, *totals, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    lines = [
        say(language, f"report.{table.name}"),
        *(_fact(name, fact, language) for name, fact in table.facts.items()),
        "",
        _aligned(table, heads, widths),
        rule,
        *(_aligned(table, cells, widths) for cells in rows),
        *([rule] if totals else []),
        *(_aligned(table, cells, widths) for cells in totals),
    ]
    return "\n".join(lines) + "\n"


def _fact(name: str, fact: Cell, language: str) -> str:
    return say(language, "report.fact", name=say(language, f"report.{name}"), value=_person(fact))


def _words(table: Table, row: Row, language: str) -> list[str]:
    """The cells of one row as a person reads them."""
    return [_word(column, cell, language) for column, cell in zip(table.columns, row, strict=True)]


def _word(column: Column, cell: Cell, language: str) -> str:
    if column.side and cell == 0:
        return ""
    if column.words and cell is not None:
        return say(language, f"report.{column.key}.{cell}")
    return _person(cell)


def _person(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return f"{cell.astimezone(DOUALA):%Y-%m-%d %H:%M}"
    if isinstance(cell, int):
        return f"{cell:,}".replace(",", " ")
    return cell or ""


def _aligned(table: Table, cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.rjust(width) if column.number else cell.ljust(width)
        for column, cell, width in zip(table.columns, cells, widths, strict=True)
    ).rstrip()
