"""From `gateway serve` to its first answer, and to the first page of a USSD caller.

The mark: the first answer in less than two seconds. The database is there and migrated, as after any restart; Python
has compiled the modules before. Everything on this machine shares its cores.
"""

import time
import urllib.request
from statistics import median
from typing import NamedTuple

from benchmarks.service import USSD_PATH, service_database, web_process
from benchmarks.ussd_turns import Callers

ROUNDS = 5
MARK_SECONDS = 2.0


class Started(NamedTuple):
    """Seconds since the command was given."""

    first_answer: float
    first_page: float


def started(variables: dict[str, str]) -> Started:
    """One start."""
    begun = time.perf_counter()
    with web_process(variables) as web:
        first_answer = time.perf_counter() - begun
        dial = next(Callers().talk())
        with urllib.request.urlopen(f"http://127.0.0.1:{web.port}{USSD_PATH}", dial, timeout=5) as page:
            assert page.read().startswith(b"CON ")
        return Started(first_answer, time.perf_counter() - begun)


def main() -> None:
    """Print the table."""
    with service_database() as variables:
        started(variables)  # modules compiled, files in the cache of the machine
        starts = [started(variables) for _ in range(ROUNDS)]
    print(f"`gateway serve` to the first answer, {ROUNDS} starts")
    print(f"{'':34}{'median s':>12}{'slowest s':>12}")
    for name, seconds in (
        ("health answers", [start.first_answer for start in starts]),
        ("first USSD page", [start.first_page for start in starts]),
    ):
        print(f"{name:34}{median(seconds):>12.2f}{max(seconds):>12.2f}")
    print(f"mark {MARK_SECONDS} s\n")


if __name__ == "__main__":
    main()
