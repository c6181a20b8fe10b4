"""Why stars are not taken."""

from core.errors import Conflict, NotFound


class NothingToRate(NotFound):
    """No meal of the last days that was delivered to this person and is still unrated."""

    text_key = "error.nothing_to_rate"


class AlreadyRated(Conflict):
    """Once an order."""

    text_key = "error.already_rated"
