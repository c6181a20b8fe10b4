"""A report as JSON, a row a line: what is known of it, its rows, its totals."""

from collections.abc import Iterable, Sequence

import msgspec

from ledger.rendering.table import Row, Table, Totals
from ledger.rendering.words import machine

_encode = msgspec.json.Encoder().encode


class JsonWriter:
    """For programs. Keys are the columns'; what is empty is left out."""

    def __init__(self, table: Table, _language: str) -> None:
        self._table, self._totals = table, Totals(table)
        self._before = self._head()  # what stands before the next row

    def rows(self, rows: Sequence[Row]) -> bytes:
        out = bytearray()
        for row in rows:
            self._totals.add(row)
            out += self._before + _encode(self._record(row))
            self._before = b",\n"
        return bytes(out)

    def end(self) -> Iterable[bytes]:
        if self._before != b",\n":
            yield self._before
        yield b'\n],\n"totals":' + _encode([self._record(row) for row in self._totals.rows()]) + b"}\n"

    def _head(self) -> bytes:
        facts = {name: machine(fact) for name, fact in self._table.facts.items()}
        return _encode({"report": self._table.name, **facts})[:-1] + b',\n"rows":[\n'

    def _record(self, row: Row) -> dict[str, str | int | None]:
        named = zip(self._table.columns, row, strict=True)
        return {column.key: machine(cell) for column, cell in named if cell is not None}
