"""How long to wait after too many misses: longer each time, so that guessing four digits takes years."""

from datetime import datetime, timedelta

# After the last allowed miss, and after each further one.
LOCK_MINUTES = (15, 60, 240, 1440)


def locked_until(now: datetime, *, misses: int, allowed: int) -> datetime | None:
    """When the next try is taken after the miss number `misses`; None while misses are left."""
    if misses < allowed:
        return None
    return now + timedelta(minutes=LOCK_MINUTES[min(misses - allowed, len(LOCK_MINUTES) - 1)])


def minutes_left(now: datetime, until: datetime | None) -> int:
    """Whole minutes until `until`, rounded up; 0 when nothing is locked."""
    if until is None or until <= now:
        return 0
    return -int((now - until) // timedelta(minutes=1))
