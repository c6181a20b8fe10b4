"""What can be wrong with a PIN, a password, a code or a token."""

from core.errors import Conflict, Forbidden, GatewayError, TooManyRequests, Unauthenticated


class WeakPin(GatewayError):
    """Not 4 to 6 digits, or among the first that anyone would try."""

    status = 422
    text_key = "error.weak_pin"


class NoPin(Conflict):
    """The person has not chosen a PIN yet."""

    text_key = "error.no_pin"


class PinExists(Conflict):
    """The person has a PIN already: only who knows it may choose another."""

    text_key = "error.pin_exists"


class WrongPin(GatewayError):
    """A miss; `left` more and the PIN locks."""

    status = 403
    text_key = "error.wrong_pin"
    keeps_writes = True


class PinLocked(TooManyRequests):
    """Too many misses; tried again in `minutes`."""

    text_key = "error.pin_locked"
    retryable = False
    keeps_writes = True


class PinResetsUsed(TooManyRequests):
    """As many codes for a new PIN as a day allows were sent."""

    text_key = "error.pin_resets_used"
    retryable = False


class WalletResting(Forbidden):
    """The PIN was reset without the old one: wallet money stays where it is for another `hours`."""

    text_key = "error.wallet_resting"


class WrongCode(Unauthenticated):
    """Not the code that was sent; `left` more tries."""

    text_key = "error.wrong_code"
    keeps_writes = True


class CodeExpired(Unauthenticated):
    """The login code is too old, used up, or was never sent: ask for a new one."""

    text_key = "error.code_expired"
    keeps_writes = True


class SessionEnded(Unauthenticated):
    """The refresh token is unknown, expired or revoked, or was shown twice: log in again."""

    text_key = "error.session_ended"
    keeps_writes = True


class WrongPassword(Unauthenticated):
    """User name, password or one-time code is wrong; which of them is not told."""

    text_key = "error.wrong_password"
    keeps_writes = True


class StaffLocked(TooManyRequests):
    """Too many failed logins of this user; tried again in `minutes`."""

    text_key = "error.staff_locked"
    retryable = False
