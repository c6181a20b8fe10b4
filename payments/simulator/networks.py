"""What every part of the simulator holds on to: settings, clock, memory, and the way to the product."""

import asyncio
from datetime import UTC, datetime

from core.clock import Clock, SystemClock
from core.http import HttpClient
from core.phones import MTN, ORANGE
from payments.simulator.settings import SimulatorSettings
from payments.simulator.store import Store

# The providers of mobile money, and whose phones each reaches.
CARRIERS = {"campay": (MTN, ORANGE), "noupay": (MTN, ORANGE), "pawapay": (MTN, ORANGE), "mtn": (MTN,)}


class Networks:
    """One running simulation."""

    def __init__(self, settings: SimulatorSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.store = Store(settings.data / "networks.db")
        self.product = HttpClient(settings.product_url, connect_seconds=2.0, read_seconds=settings.ussd_answer_seconds)
        self.work = asyncio.Event()  # set when a callback or a settlement became due
        self.mtn_reads: dict[int, int] = {}  # how often MTN was read in the present second
        self.sending: set[int] = set()  # callbacks that are on their way
        self.answering: set[str] = set()  # USSD sessions whose answer the network still waits for

    @property
    def now(self) -> float:
        """Seconds since 1970: what the tables hold."""
        return self.clock.now().timestamp()

    async def close(self) -> None:
        await self.product.close()
        self.store.close()


def iso(instant: float) -> str:
    """`2026-11-21T11:00:00Z`"""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def spaced(instant: float) -> str:
    """`2026-11-21 11:00:00`, the form of Africa's Talking's events."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S")
