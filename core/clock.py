"""The clock that business rules read. Never SQL `now()`: a test or a simulated day drives this one."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

DOUALA = ZoneInfo("Africa/Douala")


class Clock(Protocol):
    """Anything that tells the present instant, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved; for tests and simulated days."""

    def __init__(self, start: datetime | None = None) -> None:
        self.instant = start or datetime(2026, 11, 21, 11, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        self.instant += timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)


def business_day(instant: datetime) -> date:
    """The day in Douala that `instant` falls on: limits, opening hours and reports count by it (D29)."""
    return instant.astimezone(DOUALA).date()


def day_start(instant: datetime) -> datetime:
    """When the day in Douala that `instant` falls on began (D29)."""
    return datetime.combine(business_day(instant), time(), DOUALA)
