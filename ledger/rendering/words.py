"""Cells as a person reads them, and as a program does."""

from datetime import UTC, datetime

from core.clock import DOUALA
from core.texts import say
from ledger.rendering.table import Cell, Column, Row, Table, currency_place

# Minor units of a currency's main unit (D3); the others have none.
_DECIMALS = {"USD": 2}


class Words:
    """A table's words in one language."""

    def __init__(self, table: Table, language: str) -> None:
        self._table, self._language = table, language
        self._currency = currency_place(table.columns)

    @property
    def title(self) -> str:
        return self._say(self._table.name)

    @property
    def heads(self) -> list[str]:
        return [self._say(column.key) for column in self._table.columns]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What stands above the rows: names and values."""
        facts = self._table.facts
        return [
            (self._say(name), self._word(Column(name, money=True), fact, facts.get("currency")))
            for name, fact in facts.items()
        ]

    def row(self, row: Row) -> list[str]:
        """The cells of one row."""
        currency = self.currency(row)
        return [self._word(column, cell, currency) for column, cell in zip(self._table.columns, row, strict=True)]

    def total(self, row: Row) -> list[str]:
        """The cells of a row of totals, which says so in its first."""
        return [self._say("total"), *self.row(row)[1:]]

    def currency(self, row: Row) -> Cell:
        """The currency of a row's amounts."""
        return self._table.facts.get("currency", "XAF") if self._currency is None else row[self._currency]

    def _say(self, key: str) -> str:
        return say(self._language, f"report.{key}")

    def _word(self, column: Column, cell: Cell, currency: Cell) -> str:
        if cell is None or (column.blank and cell == 0):
            return ""
        if column.words:
            return self._say(f"{column.key}.{cell}")
        if isinstance(cell, datetime):
            return f"{cell.astimezone(DOUALA):%Y-%m-%d %H:%M}"
        if isinstance(cell, int):
            return main_units(cell, currency if column.money else None, thousands=" ")
        return "".join(sign if sign.isprintable() else " " for sign in cell)


def decimals(currency: Cell) -> int:
    """How many digits of an amount in minor units stand behind the point."""
    return _DECIMALS.get(str(currency), 0)


def main_units(amount: int, currency: Cell, *, thousands: str = "") -> str:
    """`-1234567` XAF -> `-1234567`, USD -> `-12345.67`."""
    behind = decimals(currency)
    sign, digits = "-" if amount < 0 else "", f"{abs(amount):0{behind + 1}d}"
    whole, fraction = (digits[:-behind], f".{digits[-behind:]}") if behind else (digits, "")
    return sign + f"{int(whole):,}".replace(",", thousands) + fraction


def machine(cell: Cell) -> str | int | None:
    """A cell for programs: numbers as they are, instants in UTC."""
    return cell.astimezone(UTC).isoformat() if isinstance(cell, datetime) else cell
