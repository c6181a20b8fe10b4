"""What differs between a provider's list and our attempts. Nothing here reads or writes: lists in, differences out.

Amounts are signed as they move our float at the provider: a collection is positive, a payout negative; fees apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from math import ceil
from uuid import UUID

import msgspec

from core.clock import business_day
from payments.providers.protocol import HistoryLine, Word
from payments.states import Kind, State


class Difference(StrEnum):
    """In what two lists can differ."""

    MISSING_HERE = "missing_here"  # moved there, and no attempt of ours
    DOUBLE_THERE = "double_there"  # moved there a second time for one attempt of ours
    MISSING_THERE = "missing_there"  # booked here, and not in their list
    STATE_DIFFERS = "state_differs"  # there it moved and here it did not, or the other way round
    AMOUNT_DIFFERS = "amount_differs"
    FEE_DIFFERS = "fee_differs"
    FLOAT_DIFFERS = "float_differs"  # the balance of a carrier


class Ours(msgspec.Struct, frozen=True):
    """An attempt as far as lists are compared."""

    id: UUID
    kind: Kind
    carrier: str
    state: State
    provider_ref: str | None
    received_xaf: int | None  # None: nothing booked
    fee_xaf: int
    settled_on: date | None

    @property
    def signed_xaf(self) -> int:
        moved = self.received_xaf or 0
        return moved if self.kind is Kind.COLLECT else -moved


class Found(msgspec.Struct, frozen=True):
    """One difference. `subject` recognises it when it is found again; `fee_xaf` is what the provider charged."""

    difference: Difference
    subject: str
    carrier: str
    ours_xaf: int
    theirs_xaf: int
    attempt_id: UUID | None = None
    provider_ref: str | None = None
    fee_xaf: int = 0


class Expected(msgspec.Struct, frozen=True):
    """A carrier's balance by our books, and the least and most it can be with what is under way, in XAF."""

    booked_xaf: int
    least_xaf: int
    most_xaf: int


class Compared(msgspec.Struct, frozen=True):
    """A day's outcome."""

    lines: int
    matched: int
    found: list[Found]


def compare(day: date, lines: Sequence[HistoryLine], ours: Sequence[Ours]) -> Compared:
    """The lines of `day` against our attempts, and our attempts of `day` against all lines.

    `lines` may reach a day further on both sides: nobody documents the zone that a provider's days are counted in.
    """
    by_ref = {one.provider_ref: one for one in ours if one.provider_ref}
    by_id = {str(one.id): one for one in ours}
    found: list[Found] = []
    moved: dict[UUID, str] = {}  # by which line
    todays = 0
    for line in sorted(lines, key=lambda line: line.at):
        mine = by_ref.get(line.ref) or by_id.get(line.our_id or "")
        double = mine is not None and _moved(line) and moved.setdefault(mine.id, line.ref) != line.ref
        if business_day(line.at) != day or line.word is Word.PENDING:
            continue
        todays += 1
        found += _strange(line, mine, double=double) if mine is None or double else _differing(line, mine)
    differing = {one.subject for one in found}
    booked = (one for one in ours if one.settled_on == day and one.received_xaf and one.id not in moved)
    missing = [_missing(one, lines) for one in booked if str(one.id) not in differing]
    return Compared(todays, todays - len(differing), [*found, *missing])


def compare_floats(
    day: date, theirs: Mapping[str, int], before: Mapping[str, Expected], after: Mapping[str, Expected]
) -> list[Found]:
    """Carriers whose balance fits neither what was expected before they were asked for nor after, nor in between."""
    found = []
    for carrier in sorted(theirs.keys() & after.keys()):
        looks, there = (before[carrier], after[carrier]), theirs[carrier]
        if not min(look.least_xaf for look in looks) <= there <= max(look.most_xaf for look in looks):
            here = after[carrier].booked_xaf
            found.append(Found(Difference.FLOAT_DIFFERS, f"{carrier}:{day}", carrier, here, there))
    return found


def _strange(line: HistoryLine, mine: Ours | None, *, double: bool) -> Iterable[Found]:
    """A movement that belongs to nothing of ours; one that came to nothing is nobody's affair."""
    if _moved(line):
        difference = Difference.DOUBLE_THERE if double else Difference.MISSING_HERE
        attempt_id = mine.id if mine else None
        carrier = line.carrier or (mine.carrier if mine else "unknown")
        yield Found(difference, line.ref, carrier, 0, _signed(line, mine), attempt_id, line.ref, _fee(line) or 0)


def _differing(line: HistoryLine, mine: Ours) -> Iterable[Found]:
    """What a line and its own attempt do not agree about: of several things the gravest."""
    base = Found(
        Difference.AMOUNT_DIFFERS, str(mine.id), mine.carrier, mine.signed_xaf, _signed(line, mine), mine.id, line.ref
    )
    booked, fee_xaf = mine.received_xaf is not None, _fee(line)
    if booked != _moved(line):
        yield msgspec.structs.replace(base, difference=Difference.STATE_DIFFERS)
    elif base.theirs_xaf != base.ours_xaf:
        yield base
    elif booked and fee_xaf is not None and fee_xaf != mine.fee_xaf:
        fees = {"ours_xaf": -mine.fee_xaf, "theirs_xaf": -fee_xaf}
        yield msgspec.structs.replace(base, difference=Difference.FEE_DIFFERS, **fees)


def _missing(one: Ours, lines: Iterable[HistoryLine]) -> Found:
    """Booked here; their list has nothing of it, or only that it failed, on a day nearby."""
    said = any(line.ref == one.provider_ref or line.our_id == str(one.id) for line in lines)
    difference = Difference.STATE_DIFFERS if said else Difference.MISSING_THERE
    return Found(difference, str(one.id), one.carrier, one.signed_xaf, 0, one.id, one.provider_ref)


def _moved(line: HistoryLine) -> bool:
    return line.word is Word.SUCCESSFUL


def _signed(line: HistoryLine, mine: Ours | None) -> int:
    """Whole XAF; a line that does not say its direction takes its attempt's, and counts as in without one."""
    if not _moved(line):
        return 0
    collects = line.collects if line.collects is not None else mine is None or mine.kind is Kind.COLLECT
    return int(line.amount) if collects else -int(line.amount)


def _fee(line: HistoryLine) -> int | None:
    return None if line.fee is None else ceil(line.fee)
