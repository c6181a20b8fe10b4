"""JSON and MessagePack from the same structs: the body by Content-Type, the answer by Accept.

Bodies are decoded straight into their struct and strictly: `3000.0` is no amount and `"3000"` no number,
so a fraction can never be rounded away on its way in (D3).
"""

import re
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.response.base import ASGIResponse
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from channels.rendering import PROBLEM, Problem, UnsupportedFormat
from core.errors import GatewayError, InvalidAmount, InvalidInput

JSON = "application/json"
MESSAGEPACK = ("application/x-msgpack", "application/vnd.msgpack")

_PLACE = re.compile(r" - at `\$\.?(.*)`$")


@cache
def _decoder(content_type: str, type_: Any) -> Callable[[bytes], Any]:
    if content_type in MESSAGEPACK:
        return msgspec.msgpack.Decoder(type_).decode
    if content_type in ("", JSON):
        return msgspec.json.Decoder(type_).decode
    raise UnsupportedFormat()


def _refusal(problem: Exception) -> GatewayError:
    """Which field is wrong, without its value: it could be a PIN in the wrong place."""
    place = _PLACE.search(str(problem))
    field = place[1] if place else ""
    return InvalidAmount(field=field) if field.endswith("_xaf") else InvalidInput(field=field)


class ApiRequest(Request[Any, Any, Any]):
    """A request whose body is the struct that the handler's `data` names."""

    async def json(self) -> Any:
        """What the framework calls for `data`. Raises InvalidInput, InvalidAmount or UnsupportedFormat."""
        field = self.route_handler.parsed_data_field
        assert field is not None, "only handlers with a body ask for it"
        try:
            return _decoder(self.content_type[0], field.annotation)(await self.body())
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise _refusal(problem) from None


class ApiResponse(Response[Any]):
    """An answer in the format that the client accepts; JSON when it accepts anything."""

    caching = "no-store"  # most of it is somebody's own

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        if self.media_type in (None, JSON):
            self.media_type = request.accept.best_match([JSON, *MESSAGEPACK], JSON)
        self.headers.setdefault("Vary", "Accept")
        self.headers.setdefault("Cache-Control", self.caching)
        return super().to_asgi_response(app, request, **options)

    def render(self, content: Any, media_type: str, *hooks: Any) -> bytes:
        if media_type in MESSAGEPACK:
            return msgspec.msgpack.encode(content)
        return super().render(content, media_type, *hooks)


class CatalogueResponse(ApiResponse):
    """An answer that a client may keep: it carries an ETag, and is not sent again while it is the same (A1.13)."""

    caching = "no-cache"

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        answer = super().to_asgi_response(app, request, **options)
        etag = f'W/"{blake2b(answer.body, digest_size=8).hexdigest()}"'
        answer.headers["ETag"] = etag
        if etag in request.headers.get("If-None-Match", ""):
            return ASGIResponse(status_code=HTTP_304_NOT_MODIFIED, headers={**self.headers, "ETag": etag})
        return answer


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What a route's documentation says about its refusals: `statuses`, and those that every route may answer."""
    refusal = ResponseSpec(Problem, media_type=PROBLEM, generate_examples=False, description="What went wrong.")
    return dict.fromkeys((400, *statuses, 422, 429), refusal)
