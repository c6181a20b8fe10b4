"""The clock that business rules read. Never SQL `now()`: a test or a simulated day drives this one."""

import mmap
import struct
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
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


class SharedClock:
    """The machine's clock with a lead that processes share through a file: together they can skip a quiet week."""

    _LEAD = struct.Struct("d")  # seconds; eight aligned bytes, so nobody reads half of it

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError when nobody has made the clock."""
        with path.open("r+b") as file:
            self._lead = mmap.mmap(file.fileno(), self._LEAD.size)

    @classmethod
    def make(cls, path: Path, start: datetime) -> "SharedClock":
        """A clock at `path` that stands at `start` now and runs on."""
        path.write_bytes(cls._LEAD.pack((start - datetime.now(UTC)).total_seconds()))
        return cls(path)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._LEAD.unpack_from(self._lead)[0])

    def advance(self, seconds: float) -> None:
        """Skip `seconds`, in every process that reads the file. One process advances."""
        self._LEAD.pack_into(self._lead, 0, self._LEAD.unpack_from(self._lead)[0] + seconds)


def clock_at(path: str) -> Clock:
    """The clock of a process: the shared one at `path`, the machine's where no path is given."""
    return SharedClock(Path(path)) if path else SystemClock()


def business_day(instant: datetime) -> date:
    """The day in Douala that `instant` falls on: limits, opening hours and reports count by it (D29)."""
    return instant.astimezone(DOUALA).date()


def day_start(instant: datetime) -> datetime:
    """When the day in Douala that `instant` falls on began (D29)."""
    return datetime.combine(business_day(instant), time(), DOUALA)
