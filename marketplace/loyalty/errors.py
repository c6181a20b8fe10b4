"""Why points cannot be used."""

from core.errors import Conflict


class NotEnoughPoints(Conflict):
    """More than the `points` there are, or fewer than the `minimum` that may be redeemed."""

    text_key = "error.not_enough_points"
