"""Which provider tries next."""

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
