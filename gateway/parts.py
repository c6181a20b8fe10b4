"""What a process is made of, put together in one place from its settings."""

import asyncio
import base64
import binascii
from dataclasses import dataclass
from functools import cached_property

from core.clock import Clock, clock_at
from core.crypto import Keyring
from core.database import Database
from core.four_eyes import Approvals
from core.limits import Limits, limits_of
from core.settings import Settings
from gateway.approvals import make_approvals
from menus_ussd.assembly import build_ussd
from menus_ussd.engine import Engine
from menus_ussd.evidence.log import EventLog
from payments.providers import registry
from payments.providers.protocol import Provider


@dataclass
class Parts:
    """The parts of one process. What not every process needs is made when it is first asked for."""

    settings: Settings
    database: Database
    limits: Limits

    @cached_property
    def ussd(self) -> Engine:
        """The conversation engine."""
        return build_ussd(self.database, EventLog(self.database))

    @cached_property
    def providers(self) -> tuple[Provider, ...]:
        """The adapters of the providers in use."""
        return registry.build(self.settings)

    @cached_property
    def approvals(self) -> Approvals:
        """What two finance users together may have done."""
        return make_approvals(self.providers)

    async def close(self) -> None:
        """Let go of every connection."""
        if "ussd" in vars(self):
            await self.ussd.close()
        if "providers" in vars(self):
            await asyncio.gather(*(provider.close() for provider in self.providers))
        await self.limits.close()
        await self.database.close()


def make_parts(settings: Settings, *, connections: int, clock: Clock | None = None) -> Parts:
    """The parts for `settings`; nothing is connected yet. Raises ValueError when a setting cannot be used."""
    keys, clock = keyring(settings), clock or clock_at(settings.clock_file)
    database = Database(settings.database_url, settings=settings, keys=keys, clock=clock, connections=connections)
    return Parts(settings=settings, database=database, limits=limits_of(database))


def keyring(settings: Settings) -> Keyring:
    """The keys derived from SECRET_KEY. Raises ValueError when it is not base64 of at least 32 bytes (D31)."""
    try:
        return Keyring(base64.b64decode(settings.secret_key, validate=True))
    except (binascii.Error, ValueError) as problem:
        raise ValueError(f"SECRET_KEY: {problem}") from None
