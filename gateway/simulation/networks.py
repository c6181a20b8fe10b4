"""The simulated networks as a run sees them: their doors, over HTTP as everybody's."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec

from core.http import HttpClient, NoAnswer, NotSent
from gateway.errors import CannotRun

_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Movement(msgspec.Struct, frozen=True):
    """What really happened at a provider; see payments/simulator/store.py."""

    number: int
    provider: str
    kind: str
    our_id: str | None
    amount_xaf: int
    status: str
    created_at: float
    settled_at: float | None

    @property
    def moved(self) -> bool:
        return self.status == "SUCCESSFUL"


class Networks:
    """Reads what the simulator knows, and tells it how to misbehave."""

    def __init__(self, url: str) -> None:
        self._http = HttpClient(url, connect_seconds=_SECONDS, read_seconds=_SECONDS)

    async def ready(self, seconds: float) -> None:
        """Return when the simulator answers. Raises CannotRun when it does not in time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with suppress(NotSent, NoAnswer):
                await self._ask("GET", "/simulator/state")
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise CannotRun("The simulated networks did not start.")

    async def misbehave(self, *, level: str, seed: int, late_seconds: float) -> None:
        """Draw faults from `seed` from now on."""
        await self._ask("PUT", "/simulator/faults", json={"level": level, "seed": seed, "late_seconds": late_seconds})

    async def met(self) -> dict[str, int]:
        """The faults that were met, by kind. Payers who do what is asked of them are none."""
        counted: dict[str, int] = {}
        for kinds in (await self._ask("GET", "/simulator/faults"))["met"].values():
            for kind, times in kinds.items():
                counted[kind] = counted.get(kind, 0) + times
        counted.pop("approves", None)
        return dict(sorted(counted.items()))

    async def next_at(self) -> float | None:
        """When something happens next by itself, in seconds since 1970."""
        found: float | None = (await self._ask("GET", "/simulator/state"))["next_at"]
        return found

    async def floats(self) -> dict[str, dict[str, int]]:
        """What the providers hold for us, by provider and carrier."""
        found: dict[str, dict[str, int]] = await self._ask("GET", "/simulator/floats")
        return found

    async def movements(self) -> list[Movement]:
        """All of them, the oldest first."""
        found: list[Movement] = []
        while True:
            after = found[-1].number if found else 0
            page = await self._ask("GET", "/simulator/movements", params={"after": after})
            if not page:
                return found
            found += msgspec.convert(page, list[Movement])

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = await self._http.request(method, path, **options)
        if answer.status != 200:
            raise RuntimeError(f"the simulator answers {answer.status} to {method} {path}")
        return msgspec.json.decode(answer.body)

    async def close(self) -> None:
        await self._http.close()
