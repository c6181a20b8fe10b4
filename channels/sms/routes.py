"""`POST /sms/africastalking/{secret}` and its delivery reports.

Retried until they get a 200: so that is what they get, unless we could not store the message.
"""

from typing import Any

from litestar import MediaType, Request, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from channels.bodies import BodyCutShort, BodyTooLong, read_body
from channels.sms import africastalking, inbox
from core.crypto import same
from core.database import Database
from core.errors import GatewayError, InvalidInput
from core.logs import logger
from marketplace.notifications.service import take_report

log = logger(__name__)

Web = Request[Any, Any, Any]

# The framework's own size limit answers 413, which a provider would retry for hours: `_body` has ours (D21).
CALLBACK: dict[str, Any] = {
    "status_code": 200,
    "media_type": MediaType.TEXT,
    "include_in_schema": False,
    "request_max_body_size": None,
}


@post("/sms/africastalking/{secret:str}", **CALLBACK)
async def africastalking_incoming(secret: FromPath[str], request: Web, database: NamedDependency[Database]) -> str:
    """A subscriber's SMS."""
    _admit(secret, database)
    try:
        message = africastalking.read_incoming(await _body(request, database.settings.callback_body_bytes))
    except GatewayError as problem:
        return _ignored("incoming", problem)
    await inbox.take(database, message)
    return ""


@post("/sms/africastalking/{secret:str}/reports", **CALLBACK)
async def africastalking_report(secret: FromPath[str], request: Web, database: NamedDependency[Database]) -> str:
    """What became of a text we sent."""
    _admit(secret, database)
    try:
        report = africastalking.read_report(await _body(request, database.settings.callback_body_bytes))
    except GatewayError as problem:
        return _ignored("report", problem)
    async with database.transaction() as tx:
        await take_report(
            tx,
            provider=africastalking.PROVIDER,
            provider_message_id=report.message_id,
            status=report.status,
            reason=report.reason,
        )
    return ""


def _admit(secret: str, database: Database) -> None:
    """The path's unguessable part is the only proof of origin the provider offers."""
    if not same(secret, database.settings.sms_secret):
        raise NotFoundException()


async def _body(request: Web, limit: int) -> bytes:
    """The request's body. Raises InvalidInput when it is too long or cut short."""
    try:
        return await read_body(request.receive, limit)
    except (BodyTooLong, BodyCutShort):
        raise InvalidInput(field="body") from None


def _ignored(what: str, problem: GatewayError) -> str:
    log.warning("sms_ignored", what=what, reason=problem.code, field=problem.params.get("field", "from"))
    return ""
