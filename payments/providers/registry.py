"""The list of adapters, and which of them this installation uses. Nothing else knows them by name."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from core.settings import Settings
from payments.providers import campay, mtn, noupay, pawapay
from payments.providers import protocol as spoken
from payments.providers.protocol import Callback, Capabilities, Ring

Hear: TypeAlias = Callable[[Callback, Settings, datetime], Ring]


class Module(Protocol):
    """What the file of a provider offers."""

    CAPABILITIES: Capabilities

    def build(self, settings: Settings) -> spoken.Provider:
        """The adapter with its connection pool; one per process."""
        ...

    def configured(self, settings: Settings) -> bool:
        """Whether its credentials are set; without them it sends nothing (NOT_SENT), and needs no route."""
        ...

    def hear(self, callback: Callback, settings: Settings, now: datetime) -> Ring:
        """Which transaction to look at. Raises Unbelieved when it cannot be read or is not the provider's."""
        ...


MODULES: tuple[Module, ...] = (campay, noupay, pawapay, mtn)

_BY_NAME = {module.CAPABILITIES.name: module for module in MODULES}
NAMES = frozenset(_BY_NAME)


def build(settings: Settings) -> tuple[spoken.Provider, ...]:
    """The adapters of `payment_providers`, the preferred first. Raises ValueError for a name that is none.

    One without credentials is among them: it sends nothing, and its attempts of old are still ours to settle.
    """
    return tuple(module.build(settings) for module in _named(settings))


def in_use(settings: Settings) -> tuple[Capabilities, ...]:
    """Those that new money may be routed to: named in `payment_providers` and configured, the preferred first."""
    return tuple(module.CAPABILITIES for module in _named(settings) if module.configured(settings))


def hear(provider: str) -> Hear:
    """How a provider's callbacks are read and proved to be its own. Raises KeyError for a name that is none."""
    return _BY_NAME[provider].hear


def _named(settings: Settings) -> list[Module]:
    unknown = [name for name in settings.payment_providers if name not in _BY_NAME]
    if unknown:
        raise ValueError(f"PAYMENT_PROVIDERS: {unknown[0]} is none of {', '.join(_BY_NAME)}")
    return [_BY_NAME[name] for name in settings.payment_providers]
