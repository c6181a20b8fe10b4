"""Which provider tries next."""

from core.phones import MTN, ORANGE
from payments.errors import UnsupportedCarrier
from payments.providers.protocol import Capabilities

CAMPAY = Capabilities(name="campay", carriers=frozenset({MTN, ORANGE}))

# In the order of preference (D4).
PROVIDERS = (CAMPAY,)


def route(carrier: str | None) -> Capabilities:
    """The provider for a movement at `carrier`. Raises UnsupportedCarrier."""
    for provider in PROVIDERS:
        if carrier in provider.carriers:
            return provider
    raise UnsupportedCarrier()
