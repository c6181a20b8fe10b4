"""Which provider tries next."""

from core.phones import carrier_of
from core.settings import Settings
from payments.errors import UnsupportedCarrier
from payments.providers import campay
from payments.providers.protocol import Capabilities

# In the order of preference (D4).
PROVIDERS = (campay.CAPABILITIES,)


def route(carrier: str | None) -> Capabilities:
    """The provider for a movement at `carrier`. Raises UnsupportedCarrier."""
    for provider in PROVIDERS:
        if carrier in provider.carriers:
            return provider
    raise UnsupportedCarrier()


def has_rail(settings: Settings, phone: str) -> bool:
    """Whether money can be asked of this number (E.164), as far as its prefix tells."""
    carrier = carrier_of(phone, settings.carrier_prefixes)
    return any(carrier in provider.carriers for provider in PROVIDERS)
