"""What can stop a driver's message, as business facts."""

from core.errors import Conflict, Forbidden, NotFound, TooManyRequests


class WrongMoment(Conflict):
    """The delivery is in a state that does not allow it."""

    text_key = "error.wrong_moment"


class OfferTaken(Conflict):
    """Another driver was faster."""

    text_key = "error.offer_taken"


class OfferOver(Conflict):
    """The offer's time is over (D17), or this driver never had one for that number."""

    text_key = "error.offer_over"


class NoSuchJob(NotFound):
    """The driver holds no job with that number, or none at all."""

    text_key = "error.no_such_job"


class WhichJob(Conflict):
    """A code without a number, and more than one open job; `options` lists their numbers."""

    text_key = "error.which_job"


class NotPickedUp(Conflict):
    """There is no code before the food is picked up (D15)."""

    text_key = "error.not_picked_up"


class ResendsUsed(TooManyRequests):
    """The customer was sent the code of `number` as often as a driver may ask for it."""

    text_key = "error.resends_used"
    retryable = False


class CodeRefused(Forbidden):
    """A wrong code; `left` tries remain. The miss stays written although the use case fails."""

    text_key = "error.code_refused"
    keeps_writes = True


class CodeLocked(Forbidden):
    """Too many wrong codes, for this delivery or by this driver today (D15). Support decides."""

    text_key = "error.code_locked"


class UnknownQuarter(NotFound):
    """No quarter has that name."""

    text_key = "error.unknown_quarter"


class WhichQuarter(Conflict):
    """Several quarters begin like that; `options` lists them."""

    text_key = "error.which_quarter"
