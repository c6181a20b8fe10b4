"""A report as a table of text. Columns are as wide as the first rows need; a longer cell later pushes."""

from collections.abc import Iterable, Sequence

from core.texts import say
from ledger.rendering.table import Row, Table, Totals
from ledger.rendering.words import Words

_MEASURED_ROWS = 1000


class TextWriter:
    """For a person's terminal."""

    def __init__(self, table: Table, language: str) -> None:
        self._table, self._language = table, language
        self._words, self._totals = Words(table, language), Totals(table)
        self._measured: list[list[str]] = []
        self._widths: list[int] = []  # known when the first rows are

    def rows(self, rows: Sequence[Row]) -> bytes:
        said = []
        for row in rows:
            self._totals.add(row)
            said.append(self._words.row(row))
        if self._widths:
            return _lines(self._aligned(cells) for cells in said)
        self._measured += said
        return self._begin() if len(self._measured) >= _MEASURED_ROWS else b""

    def end(self) -> Iterable[bytes]:
        sums = [self._words.total(row) for row in self._totals.rows()]
        if not self._widths:
            yield self._begin(sums)
        if sums:
            yield _lines([self._rule, *map(self._aligned, sums)])

    def _begin(self, sums: Sequence[Sequence[str]] = ()) -> bytes:
        """Title, facts, heads, and the rows so far."""
        heads = self._words.heads
        self._widths = [max(map(len, cells)) for cells in zip(heads, *self._measured, *sums, strict=True)]
        facts = (say(self._language, "report.fact", name=name, value=value) for name, value in self._words.facts)
        above = [self._words.title, *facts, "", self._aligned(heads), self._rule]
        return _lines([*above, *map(self._aligned, self._measured)])

    @property
    def _rule(self) -> str:
        return "  ".join("-" * width for width in self._widths)

    def _aligned(self, cells: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if column.number else cell.ljust(width)
            for column, cell, width in zip(self._table.columns, cells, self._widths, strict=True)
        ).rstrip()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
