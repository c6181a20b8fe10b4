"""Why money does not move, in words of ours; every provider has a table with its own for them."""

from enum import StrEnum


class Why(StrEnum):
    """What went wrong with a movement."""

    BUSY = "busy"  # the handset was in another dialogue
    REJECTED = "rejected"
    POOR = "poor"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"  # the payer, at this carrier
    LOW_FLOAT = "low_float"
    TECHNICAL = "technical"
