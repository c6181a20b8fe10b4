"""How many reads a second a provider allows one worker (`reads_per_second`)."""

import asyncio


class Pace:
    """Spreads calls evenly; without a rate it lets everything through."""

    def __init__(self, per_second: float | None) -> None:
        self._gap_seconds = 1 / per_second if per_second else 0.0
        self._next = 0.0  # by the loop's clock

    def room(self, seconds: float) -> int | None:
        """How many calls could still begin within `seconds`; None for any number."""
        if not self._gap_seconds:
            return None
        now = asyncio.get_running_loop().time()
        return max(0, int((now + seconds - max(self._next, now)) / self._gap_seconds))

    async def turn(self) -> None:
        """Return when the next call may begin."""
        if not self._gap_seconds:
            return
        now = asyncio.get_running_loop().time()
        begins = max(self._next, now)
        self._next = begins + self._gap_seconds
        await asyncio.sleep(begins - now)
