"""`GET` and `POST /payments/campay/{secret}`: the doorbell of a payment provider.

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
from payments import doorbell
from payments.providers.protocol import Callback

log = logs.logger(__name__)


@route(
    "/payments/campay/{secret:str}",
    http_method=["GET", "POST"],
    status_code=200,
    request_max_body_size=None,
    include_in_schema=False,
)
async def campay_callback(
    request: Request[Any, Any, Any], secret: FromPath[str], database: NamedDependency[Database]
) -> Response[bytes]:
    """Store what came, and have the attempt that it names read at the provider."""
    settings = database.settings
    if not settings.payments_secret or not same(secret, settings.payments_secret):
        raise NotFoundException()
    query = request.scope["query_string"]
    try:
        body = await read_body(request.receive, settings.callback_body_bytes - len(query))
    except (BodyTooLong, BodyCutShort):
        log.warning("payments.callback", provider="campay", verdict="oversized")
        return Response(b"")
    callback = Callback(query=query.decode("ascii", "replace"), body=body, headers=dict(request.headers))
    async with database.transaction() as tx:
        verdict = await doorbell.ring(tx, provider="campay", callback=callback)
    log.info("payments.callback", provider="campay", verdict=verdict)
    return Response(b"")
