"""When to look again: the times between two reads, and between two tries (design: payments 6 and 10)."""

import secrets
from datetime import datetime, timedelta

# Seconds between reads: close together for the 15 minutes that a prompt may live, then daily for a week.
READS = (5, 10, 15, 20, 30, 30, *(60,) * 13, 300, 900, 3600, *(86_400,) * 7)

# A look-up that finds nothing proves that nothing was, when it is repeated and this long after sending (rule 7).
ABSENT_TIMES = 2
ABSENT_AFTER = timedelta(minutes=15)

# Seconds until another attempt, after the first, second … that certainly had no effect.
RESENDS = (15, 60, 300, 900)

# A payout waits this long for float at its provider, looked for every so often.
FLOAT_PATIENCE = timedelta(hours=24)
FLOAT_PAUSE = timedelta(minutes=10)

# What is prepared for a provider in maintenance looks again this much later.
MAINTENANCE_PAUSE = timedelta(seconds=30)


def exhausted(reads: int) -> bool:
    """Whether a week of reading is over: a person decides."""
    return reads >= len(READS)


def next_read(reads: int, now: datetime) -> datetime:
    """When to read after `reads` reads; up to a tenth later than planned, so that a burst does not stay one."""
    seconds = READS[min(reads, len(READS) - 1)]
    return now + timedelta(seconds=seconds, milliseconds=secrets.randbelow(seconds * 100))


def next_try(tries: int, now: datetime) -> datetime | None:
    """When to try again after `tries` tries without effect; None when it is time to tell the customer."""
    return now + timedelta(seconds=RESENDS[tries - 1]) if tries <= len(RESENDS) else None
