"""The clock that processes share."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import SharedClock, SystemClock, clock_at

START = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)


def test_what_one_process_skips_all_have_skipped(tmp_path: Path) -> None:
    mine = SharedClock.make(tmp_path / "clock", START)
    theirs = clock_at(str(tmp_path / "clock"))
    assert START <= mine.now() <= theirs.now() < START + timedelta(minutes=5)
    mine.advance(86_400)
    assert theirs.now() >= START + timedelta(days=1)


def test_without_a_path_it_is_the_machines() -> None:
    assert isinstance(clock_at(""), SystemClock)


def test_a_clock_that_nobody_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        clock_at(str(tmp_path / "clock"))
