"""The one place that turns an error into an HTTP answer: application/problem+json (RFC 9457).

`code` and `params` are for programs and stay the same in every language; `detail` is for the person.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Scope
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import drivers
from core.errors import Forbidden, GatewayError, InvalidInput, NotFound, Unauthenticated, Unavailable
from core.logs import logger
from core.texts import DEFAULT_LANGUAGE, LANGUAGES, say

log = logger(__name__)

PROBLEM = "application/problem+json"

_DATABASE_AWAY = (OSError, OperationalError, InterfaceError, PoolTimeout, *drivers.AWAY)


class MethodNotAllowed(GatewayError):
    """The path exists, but not for this method."""

    status = 405
    text_key = "error.method_not_allowed"


class TooLarge(GatewayError):
    """The body is longer than the limit of its route (D21)."""

    status = 413
    text_key = "error.too_large"


class UnsupportedFormat(GatewayError):
    """The body is neither JSON nor MessagePack."""

    status = 415
    text_key = "error.unsupported_format"


class InternalError(GatewayError):
    """A mistake of ours: the log has the details, the answer has none."""

    status = 500
    text_key = "error.internal"


_BY_STATUS = {
    error.status: error
    for error in (Unauthenticated, Forbidden, NotFound, MethodNotAllowed, TooLarge, UnsupportedFormat)
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, for a program (`code`, `params`, `retryable`) and for the person (`detail`)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool
    params: dict[str, Any] = {}  # for example `total_xaf` of `price_changed`, `field` of `invalid_input`


def problem_of(error: GatewayError, language: str) -> Problem:
    """The problem document of `error`."""
    return Problem(
        type=f"urn:mboa:problem:{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=error.status,
        code=error.code,
        detail=say(language, error.text_key, **error.params),
        retryable=error.retryable,
        params=error.params,
    )


def answer_problem(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
    """The exception handler of the whole service."""
    error = as_gateway_error(exception)
    if isinstance(error, InternalError | Unavailable):
        log.error("request_failed", route=_route(request.scope), problem=error.code, exc_info=exception)
    return Response(
        problem_of(error, language_of(request.scope)),
        status_code=error.status,
        media_type=PROBLEM,
        headers=_headers(error, exception),
    )


def as_gateway_error(exception: Exception) -> GatewayError:
    """The fact behind an exception of ours, of the framework or of the database."""
    if isinstance(exception, GatewayError):
        return exception
    if isinstance(exception, HTTPException) and exception.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        known = _BY_STATUS.get(exception.status_code)
        return known() if known else InvalidInput(**_first_field(exception))
    return (
        Unavailable() if isinstance(exception, _DATABASE_AWAY) or drivers.waited_in_vain(exception) else InternalError()
    )


def _first_field(exception: HTTPException) -> dict[str, str]:
    """Which parameter the framework refused; its value is never repeated."""
    first = exception.extra[0] if isinstance(exception.extra, list) and exception.extra else {}
    return {"field": first["key"]} if "key" in first else {}


def _headers(error: GatewayError, exception: Exception) -> dict[str, str]:
    headers = dict(getattr(exception, "headers", None) or {})
    if "retry_after_seconds" in error.params:
        headers["Retry-After"] = str(error.params["retry_after_seconds"])
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _route(scope: Scope) -> str:
    """The route's template: a real path may hold a secret (D30)."""
    return str(scope.get("path_template", ""))


def language_of(scope: Scope) -> str:
    """The language to answer in: what the client asks for, else the person's own, else French."""
    return accepted_language(scope) or scope.get("state", {}).get("language") or DEFAULT_LANGUAGE


def accepted_language(scope: Scope) -> str | None:
    """The one of our languages that Accept-Language likes best: `en-GB, fr;q=0.8` -> `en`."""
    header = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
    wishes = []
    for part in header.decode("latin-1").split(","):
        tag, _, quality = part.partition(";q=")
        wishes.append((_quality(quality), tag.strip().partition("-")[0].lower()))
    known = [wish for wish in wishes if wish[1] in LANGUAGES and wish[0] > 0]
    return max(known, key=lambda wish: wish[0])[1] if known else None


def _quality(text: str) -> float:
    try:
        return float(text) if text.strip() else 1.0
    except ValueError:
        return 0.0
