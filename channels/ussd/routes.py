"""`POST /ussd/africastalking/{secret}` and its end event.

Plain ASGI, because a turn is mostly HTTP: a framework's request object would cost as much as the engine.
"""

from litestar import asgi
from litestar.types import HTTPScope, Receive, Send

from channels.ussd import africastalking
from channels.ussd.refusals import Refusal
from core import logs
from core.crypto import same
from core.database import Database
from core.gsm import fold
from core.sealed import reveal
from core.texts import DEFAULT_LANGUAGE, say
from menus_ussd.engine import Engine
from menus_ussd.turns import Reply
from payments import service as payments

log = logs.logger(__name__)


@asgi("/ussd/africastalking/{secret:str}", copy_scope=False)
async def africastalking_turn(scope: HTTPScope, receive: Receive, send: Send) -> None:
    """One turn. Whatever is wrong, a caller gets 200 and an `END` that says what to do."""
    database, engine = _parts(scope)
    settings = database.settings
    if scope["method"] != "POST" or not same(scope["path_params"]["secret"], settings.ussd_secret):
        await _send(send, 404, "")
        return
    try:
        fields = africastalking.form(await _body(receive, settings.callback_body_bytes))
        reply = await engine.turn(africastalking.decode(fields, service_code=settings.service_code))
    except Refusal as refusal:
        log.warning("ussd_refused", dialect=africastalking.NAME, reason=refusal.text_key, field=refusal.field)
        text = say(DEFAULT_LANGUAGE, refusal.text_key, service_code=settings.service_code)
        reply = Reply(text=fold(text), expects_input=False)
    text, step = africastalking.encode(reply)
    await _send(send, 200, reveal(database.keys, text), step)


@asgi("/ussd/africastalking/{secret:str}/events", copy_scope=False)
async def africastalking_event(scope: HTTPScope, receive: Receive, send: Send) -> None:
    """The end of a session, told perhaps twice or never: lets a waiting payment prompt go out at once."""
    database, _ = _parts(scope)
    settings = database.settings
    if scope["method"] != "POST" or not same(scope["path_params"]["secret"], settings.ussd_secret):
        await _send(send, 404, "")
        return
    try:
        ended = africastalking.ended_session(africastalking.form(await _body(receive, settings.callback_body_bytes)))
    except Refusal:
        log.warning("ussd_event_unreadable", dialect=africastalking.NAME)
    else:
        async with database.transaction() as tx:
            await payments.session_ended(tx, session_ref=database.keys.fingerprint("session", ended))
    await _send(send, 200, "")


def _parts(scope: HTTPScope) -> tuple[Database, Engine]:
    state = scope["litestar_app"].state
    return state.database, state.ussd


async def _body(receive: Receive, limit: int) -> bytes:
    """The request's body. Raises Refusal past `limit` bytes."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.request":
            body += message["body"]
            if len(body) > limit:
                raise Refusal("ussd.too_long", "body")
            if message["more_body"]:
                continue
        return body


async def _send(send: Send, status: int, text: str, step: str = "") -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if step:
        headers.append((africastalking.STEP_HEADER.encode(), step.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
