"""`GET`, `POST` and `PUT /payments/{provider}/{secret}`: the doorbell of the payment providers.

Whatever comes in under the right secret is answered 200, so that a provider never learns from us how to forge
better, and never retries what we have understood to be nonsense.
"""

from typing import Any

from litestar import Request, Response, route
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from channels.bodies import BodyCutShort, BodyTooLong, read_body
from core import logs
from core.crypto import same
from core.database import Database
from core.settings import Settings
from payments import doorbell
from payments.providers import registry
from payments.providers.protocol import Callback

log = logs.logger(__name__)


@route(
    "/payments/{provider:str}/{secret:str}",
    http_method=["GET", "POST", "PUT"],
    status_code=200,
    request_max_body_size=None,
    include_in_schema=False,
)
async def payment_callback(
    request: Request[Any, Any, Any],
    provider: FromPath[str],
    secret: FromPath[str],
    database: NamedDependency[Database],
) -> Response[bytes]:
    """Store what came, and have the attempt that it names read at the provider."""
    if not _is_door(database.settings, provider, secret):
        raise NotFoundException()
    try:
        callback = await _read(request, database.settings.callback_body_bytes)
    except (BodyTooLong, BodyCutShort):
        log.warning("payments.callback", provider=provider, verdict="oversized")
        return Response(b"")
    async with database.transaction() as tx:
        verdict = await doorbell.ring(tx, provider=provider, callback=callback)
    log.info("payments.callback", provider=provider, verdict=verdict)
    return Response(b"")


def _is_door(settings: Settings, provider: str, secret: str) -> bool:
    known = bool(settings.payments_secret) and same(secret, settings.payments_secret)
    return known and provider in registry.NAMES


async def _read(request: Request[Any, Any, Any], limit_bytes: int) -> Callback:
    """The whole of what came. Raises BodyTooLong, BodyCutShort."""
    query = request.scope["query_string"]
    return Callback(
        query=query.decode("ascii", "replace"),
        body=await read_body(request.receive, limit_bytes - len(query)),
        headers=dict(request.headers),
        method=request.method,
        path=request.scope["raw_path"].decode("ascii", "replace"),
    )
