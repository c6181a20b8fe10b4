"""The journals as hledger and beancount read them, from the rows of `journal-export`.

Debits are positive there. A journal counts on the business day of its effective date. Both declare an account before
its first use: which ones were is all that is kept in memory.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from core.clock import business_day
from ledger.rendering.table import Row, Table
from ledger.rendering.words import decimals, main_units

_ROOTS = {"asset": "assets", "liability": "liabilities", "equity": "equity", "income": "income", "expense": "expenses"}
_TYPES = {"asset": "A", "liability": "L", "equity": "E", "income": "R", "expense": "X"}  # hledger's letters


class _Leg(Struct, frozen=True):
    """A row of `journal-export`."""

    journal: int
    leg: int
    effective_at: datetime
    recorded_at: datetime
    event: str
    debit_account: str
    debit_kind: str
    credit_account: str
    credit_kind: str
    currency: str
    amount: int
    key: str | None
    actor: str | None
    reverses: int | None
    metadata: str | None

    def details(self) -> Iterator[tuple[str, str]]:
        """What is known of the journal beside its legs, a line each; only its first leg says it."""
        known = {"key": self.key, "actor": self.actor, "reverses": self.reverses}
        known |= msgspec.json.decode(self.metadata) if self.metadata else {}
        for name, value in known.items():
            if value is not None:
                yield _name(name), " ".join(str(value).split())


def _name(raw: str) -> str:
    """A name that both programs take for a tag: at least two letters, the first a small one."""
    plain = re.sub("[^a-z0-9-]", "-", raw.lower())
    return plain if re.match("[a-z].", plain) else f"x-{plain}"


class _PlainWriter:
    """Collects the legs of one journal after another: nothing else may stand between them."""

    def __init__(self, _table: Table, _language: str) -> None:
        self._legs: list[_Leg] = []
        self._declared: set[str] = set()

    def rows(self, rows: Sequence[Row]) -> bytes:
        out = []
        for row in rows:
            leg = _Leg(*row)  # type: ignore[arg-type] # the report's columns say what its cells are
            if self._legs and self._legs[0].journal != leg.journal:
                out.append(self._journal())
            self._legs.append(leg)
        return b"".join(out)

    def end(self) -> Iterable[bytes]:
        return [self._journal()] if self._legs else []

    def _journal(self) -> bytes:
        legs, self._legs = self._legs, []
        lines = [line for leg in legs for line in self._directives(leg)]
        lines += ["", *self._head(legs[0])]
        for leg in legs:
            lines += [self._side(leg, leg.debit_account, leg.debit_kind, leg.amount)]
            lines += [self._side(leg, leg.credit_account, leg.credit_kind, -leg.amount)]
        return "".join(f"{line}\n" for line in lines).encode()

    def _directives(self, leg: _Leg) -> Iterator[str]:
        for code, kind in ((leg.debit_account, leg.debit_kind), (leg.credit_account, leg.credit_kind)):
            if code not in self._declared:
                self._declared.add(code)
                yield from self._declare(code, kind, leg.currency)

    def _declare(self, code: str, kind: str, currency: str) -> Iterator[str]:
        """The lines ahead of an account's first use."""
        raise NotImplementedError

    def _head(self, leg: _Leg) -> Iterator[str]:
        """The lines above a journal's legs."""
        raise NotImplementedError

    def _side(self, leg: _Leg, code: str, kind: str, amount: int) -> str:
        """One side of a leg."""
        raise NotImplementedError


class HledgerWriter(_PlainWriter):
    """A journal file for hledger."""

    def _declare(self, code: str, kind: str, currency: str) -> Iterator[str]:
        if currency not in self._declared:
            self._declared.add(currency)
            yield f"commodity 1000.{'0' * decimals(currency)} {currency}"
        yield f"account {_ROOTS[kind]}:{code}  ; type: {_TYPES[kind]}"

    def _head(self, leg: _Leg) -> Iterator[str]:
        yield f"{business_day(leg.effective_at)} * ({leg.journal}) {leg.event}"
        for name, value in leg.details():
            yield f"    ; {name}: {value.replace(',', ' ')}"

    def _side(self, leg: _Leg, code: str, kind: str, amount: int) -> str:
        return f"    {_ROOTS[kind]}:{code}  {main_units(amount, leg.currency)} {leg.currency}"


class BeancountWriter(_PlainWriter):
    """A file for beancount. Accounts are open from the beginning of time, since journals may be dated back."""

    def _declare(self, code: str, kind: str, currency: str) -> Iterator[str]:
        yield f"1970-01-01 open {_beancount_account(code, kind)} {currency}"
        yield f"  code: {_quoted(code)}"

    def _head(self, leg: _Leg) -> Iterator[str]:
        yield f"{business_day(leg.effective_at)} * {_quoted(leg.event)}"
        yield f'  journal: "{leg.journal}"'
        for name, value in leg.details():
            yield f"  {name}: {_quoted(value)}"

    def _side(self, leg: _Leg, code: str, kind: str, amount: int) -> str:
        return f"  {_beancount_account(code, kind)}  {main_units(amount, leg.currency)} {leg.currency}"


def _beancount_account(code: str, kind: str) -> str:
    """Parts begin with a capital or a digit, and hold letters, digits and hyphens only."""
    parts = (_ROOTS[kind], *re.sub("[^a-zA-Z0-9:-]", "-", code).split(":"))
    return ":".join(part[:1].upper() + part[1:] for part in parts)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
