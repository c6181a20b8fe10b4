"""What a process has taken of the processor, with those it started, as Linux tells it."""

import os
from pathlib import Path

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def seconds(pid: int) -> float:
    """Of a process and of all that it started, those that have ended and were waited for included."""
    children = [child for child in _pids() if parent(child) == pid]
    # utime, stime, and both of the children that have ended.
    return sum(int(field) for field in _stat(pid)[11:15]) * _TICK_SECONDS + sum(map(seconds, children))


def parent(pid: int) -> int:
    """Who started it; 0 when it has ended."""
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold spaces; none when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
