"""What people write for a point in time: a month, a day of Douala (D29), or an instant with its offset."""

from datetime import UTC, datetime

from core.errors import InvalidInput
from ledger.periods import Period, read_period
from ledger.reporting import BEGINNING, TICK, Asked, Report


def read(
    report: Report,
    *,
    now: datetime,
    as_of: str | None = None,
    since: str | None = None,
    until: str | None = None,
    subject: str | None = None,
) -> Asked:
    """What was asked of `report`: a day and a month are meant whole, an instant counts up to and with itself.

    Without a word about time everything up to `now` counts. Raises InvalidInput for what cannot be read, and for what
    this report does not ask for: nobody should believe that it was heeded.
    """
    unasked = {"since": since, "until": until} if report.asks == "day" else {"as_of": as_of}
    unasked |= {} if report.subject else {"subject": subject}
    for field, value in unasked.items():
        if value is not None:
            raise InvalidInput(field=field)
    ends = _end("as_of", as_of) or _end("until", until) or now + TICK
    begins = _begin("since", since) or BEGINNING
    if begins >= ends:
        raise InvalidInput(field="since")
    return Asked(begins, ends, subject or "")


def _begin(field: str, raw: str | None) -> datetime | None:
    found = _read(field, raw)
    return found.begins_at if isinstance(found, Period) else found


def _end(field: str, raw: str | None) -> datetime | None:
    found = _read(field, raw)
    if isinstance(found, Period):
        return found.ends_at
    return found and found + TICK


def _read(field: str, raw: str | None) -> Period | datetime | None:
    """A period, or an instant. Without its offset it is refused: Douala's and London's noon are an hour apart."""
    if raw is None:
        return None
    try:
        instant = datetime.fromisoformat(raw) if "T" in raw or " " in raw else None
        return read_period(raw) if instant is None else _exact(instant)
    except (ValueError, OverflowError, InvalidInput):
        raise InvalidInput(field=field) from None


def _exact(instant: datetime) -> datetime:
    """Raises ValueError without an offset, and OverflowError where the calendar ends in UTC, or just after it."""
    if instant.tzinfo is None:
        raise ValueError
    return (instant + TICK).astimezone(UTC) - TICK
