"""One tree of errors. A class is a business fact; each channel renders it in one place."""

from typing import ClassVar


class GatewayError(Exception):
    """A fact that stops a use case, told to the caller in their own channel and language.

    `params` fill the text of `text_key` in the catalogue; they never hold a secret or a full phone number.
    """

    status: ClassVar[int] = 400
    text_key: ClassVar[str] = "error.invalid"
    retryable: ClassVar[bool] = False
    keeps_writes: ClassVar[bool] = False  # True: a refusal that must be remembered, so a wrong code still counts

    def __init__(self, **params: object) -> None:
        super().__init__(self.text_key)
        self.params = params

    @property
    def code(self) -> str:
        """The machine-readable name: `InsufficientFunds` -> `insufficient_funds`."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class InvalidInput(GatewayError):
    """What was sent cannot be read; `field` names the part."""

    status = 422
    text_key = "error.invalid"


class InvalidAmount(GatewayError):
    """Not a positive whole number of francs inside the limits. A fraction is refused, never rounded (D3)."""

    status = 422
    text_key = "error.invalid_amount"


class InvalidPhone(GatewayError):
    """Not a phone number of Cameroon's plan."""

    status = 422
    text_key = "error.invalid_phone"


class NotFound(GatewayError):
    """What was named does not exist, or is not the caller's to see."""

    status = 404
    text_key = "error.not_found"


class Forbidden(GatewayError):
    """The caller may not do this."""

    status = 403
    text_key = "error.forbidden"


class Unauthenticated(GatewayError):
    """No valid credentials."""

    status = 401
    text_key = "error.unauthenticated"


class Conflict(GatewayError):
    """The state no longer allows it, or another request is doing it."""

    status = 409
    text_key = "error.conflict"


class TooManyRequests(GatewayError):
    """A rate limit (D20); `retry_after_seconds` says when to come back."""

    status = 429
    text_key = "error.too_many"
    retryable = True


class Unavailable(GatewayError):
    """Something we depend on does not answer now."""

    status = 503
    text_key = "error.unavailable"
    retryable = True
