"""What every format is made from: columns, what stands above them, and rows."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

Cell = str | int | datetime | None
Row = tuple[Cell, ...]
Facts = dict[str, Cell]


class Column(Struct, frozen=True):
    """A column, headed for people by the catalogue's `report.<key>`."""

    key: str
    number: bool = False  # right-aligned
    money: bool = False  # minor units of the row's `currency`, which is XAF where there is no such column
    blank: bool = False  # people see nothing for zero: debit and credit, or the spans of an ageing
    words: bool = False  # cells are catalogue keys `report.<key>.<cell>`
    total: bool = False  # summed under the rows, by currency


class Table(Struct, frozen=True):
    """A report ready to be shown. `totals` stand under the rows, ahead of the sums that columns ask for themselves.

    `rows` are empty where they come piece by piece instead. `made_at` dates files that bear a date.
    """

    name: str
    facts: Facts  # what stands above the table: the account, the instant
    columns: Sequence[Column]
    rows: Sequence[Row] = ()
    totals: Sequence[Row] = ()
    made_at: datetime | None = None


class Totals:
    """Sums of a table's columns by currency, in the order in which currencies appear."""

    def __init__(self, table: Table) -> None:
        self._given = table.totals
        self._columns = table.columns
        self._summed = [place for place, column in enumerate(table.columns) if column.total]
        self._currency = currency_place(table.columns)
        self._sums: dict[Cell, list[int]] = {}

    def add(self, row: Row) -> None:
        if not self._summed:
            return
        currency = None if self._currency is None else row[self._currency]
        sums = self._sums.setdefault(currency, [0] * len(self._summed))
        for number, place in enumerate(self._summed):
            cell = row[place]
            sums[number] += cell if isinstance(cell, int) else 0

    def rows(self) -> list[Row]:
        """A row for each currency, with None where nothing is summed; none where no column is."""
        return [*self._given, *(self._row(currency, sums) for currency, sums in self._sums.items())]

    def _row(self, currency: Cell, sums: Sequence[int]) -> Row:
        cells: list[Cell] = [None] * len(self._columns)
        if self._currency is not None:
            cells[self._currency] = currency
        for place, total in zip(self._summed, sums, strict=True):
            cells[place] = total
        return tuple(cells)


def currency_place(columns: Sequence[Column]) -> int | None:
    """Which column says in which currency a row's amounts are."""
    return next((place for place, column in enumerate(columns) if column.key == "currency"), None)
