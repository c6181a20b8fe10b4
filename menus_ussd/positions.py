"""Where a request stands in its session: what it repeats, and what it adds to what is known.

A transcript tells by itself, a counted input by its number. A bare input tells nothing, so an equal one that comes
within two seconds of the answer is taken for a repeat (contracts/ussd-dialects.md).
"""

from datetime import datetime
from typing import NamedTuple

from core.crypto import Keyring, same
from menus_ussd.session import Receipt, Session
from menus_ussd.turns import Turn

REPEAT_MS = 2_000


class Position(NamedTuple):
    """A place in a session; all that is kept of what was typed is a keyed hash."""

    number: int  # characters of the transcript, the aggregator's count, or ours
    fingerprint: str


def position(keys: Keyring, turn: Turn, session: Session | None) -> Position:
    """Where `turn` stands."""
    if turn.transcript is not None:
        return transcript_position(keys, turn.session_id or "", turn.transcript)
    count = turn.sequence if turn.sequence is not None else ""
    own = session.receipts[-1].length + 1 if session else 0
    number = turn.sequence if turn.sequence is not None else own
    said = (turn.kind, str(count), turn.typed, turn.dialled)
    return Position(number, keys.fingerprint("typed", turn.session_id or turn.phone, *said))


def transcript_position(keys: Keyring, session_id: str, transcript: str) -> Position:
    """How much was typed so far, and its hash."""
    return Position(len(transcript), keys.fingerprint("transcript", session_id, transcript))


def repeated(session: Session, turn: Turn, at: Position, arrived: datetime | None) -> Receipt | None:
    """The receipt of the request that `turn` repeats."""
    newest = session.receipts[-1]
    if turn.kind == "begin":
        first = session.receipts[0]
        lives_on = turn.session_id is not None and not session.ended
        fits = lives_on or (first is newest and _just_answered(session, arrived))
        return first if fits and same(first.fingerprint, at.fingerprint) else None
    if turn.transcript is None and turn.sequence is None:
        again = _just_answered(session, arrived) and same(newest.fingerprint, at.fingerprint)
        return newest if again else None
    for receipt in reversed(session.receipts):
        if receipt.length == at.number and same(receipt.fingerprint, at.fingerprint):
            return receipt
    return None


def new_input(keys: Keyring, session: Session, turn: Turn) -> str | None:
    """What was typed since the last turn; None when the request is no continuation of it.

    In a transcript it is the suffix after what was seen, never the last token: free text may hold `*`.
    """
    seen = session.receipts[-1]
    if turn.transcript is None:
        stale = turn.sequence is not None and turn.sequence <= seen.length
        return None if stale else turn.typed
    length, fingerprint = transcript_position(keys, turn.session_id or "", turn.transcript[: seen.length])
    if length != seen.length or not same(fingerprint, seen.fingerprint):
        return None
    rest = turn.transcript[seen.length :]
    if seen.length == 0:
        return rest
    return rest[1:] if rest.startswith("*") else None


def _just_answered(session: Session, arrived: datetime | None) -> bool:
    """Whether a request that arrived then may be the echo of the one that was answered last."""
    return arrived is not None and milliseconds(arrived) - session.answered_ms <= REPEAT_MS


def milliseconds(instant: datetime) -> int:
    """Since the epoch."""
    return int(instant.timestamp() * 1000)
