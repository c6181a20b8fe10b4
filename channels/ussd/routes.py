"""`POST /ussd/africastalking/{secret}` and its end event.

Plain ASGI, because a turn is mostly HTTP: a framework's request object would cost as much as the engine. The secret
is part of the registered path, so a wrong one is an unknown path, and no log line about a route is written here.
"""

from litestar import Litestar, asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from channels.bodies import BodyCutShort, BodyTooLong, read_body
from channels.ussd import africastalking
from channels.ussd.refusals import Refusal
from core import logs
from core.database import Database
from core.gsm import fold
from core.sealed import reveal
from core.settings import Settings
from core.texts import DEFAULT_LANGUAGE, say
from menus_ussd.engine import Engine
from menus_ussd.turns import Reply
from payments import service as payments

log = logs.logger(__name__)


def ussd_routes(settings: Settings) -> list[ASGIRouteHandler]:
    """The callbacks of the aggregator, under the path that only it knows."""
    path = _path(settings)
    return [asgi(path, copy_scope=False)(answer_turn), asgi(f"{path}/events", copy_scope=False)(note_end)]


def turns_first(app: Litestar) -> ASGIApp:
    """`app`, its turns answered before they pass its router and error handling: 4 % of a turn, which needs neither."""
    path = _path(app.state.settings)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"] == path:
            scope["litestar_app"] = app
            await answer_turn(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


def _path(settings: Settings) -> str:
    return f"/ussd/{africastalking.NAME}/{settings.ussd_secret}"


async def answer_turn(scope: HTTPScope, receive: Receive, send: Send) -> None:
    """One turn. Whatever is wrong, a caller gets 200 and an `END` that says what to do."""
    if scope["method"] != "POST":
        await _send(send, 405, "")
        return
    database, engine = _parts(scope)
    settings = database.settings
    try:
        fields = await _form(receive, settings)
        reply = await engine.turn(africastalking.decode(fields, service_code=settings.service_code))
    except Refusal as refusal:
        log.warning("ussd_refused", dialect=africastalking.NAME, reason=refusal.text_key, field=refusal.field)
        text = say(DEFAULT_LANGUAGE, refusal.text_key, service_code=settings.service_code)
        reply = Reply(text=fold(text), expects_input=False)
    text, step = africastalking.encode(reply)
    await _send(send, 200, reveal(database.keys, text), step)


async def note_end(scope: HTTPScope, receive: Receive, send: Send) -> None:
    """The end of a session, told perhaps twice or never: lets a waiting payment prompt go out at once."""
    database, _ = _parts(scope)
    try:
        ended = africastalking.ended_session(await _form(receive, database.settings))
    except Refusal as refusal:
        log.warning("ussd_event_unreadable", dialect=africastalking.NAME, field=refusal.field)
    else:
        async with database.transaction() as tx:
            await payments.session_ended(tx, session_ref=database.keys.fingerprint("session", ended))
    await _send(send, 200, "")


def _parts(scope: HTTPScope) -> tuple[Database, Engine]:
    state = scope["litestar_app"].state
    return state.database, state.ussd


async def _form(receive: Receive, settings: Settings) -> dict[str, str]:
    """The callback's fields. Raises Refusal."""
    try:
        return africastalking.form(await read_body(receive, settings.callback_body_bytes))
    except BodyTooLong:
        raise Refusal("ussd.too_long", "body") from None
    except BodyCutShort:
        raise Refusal("ussd.unreadable", "body") from None


async def _send(send: Send, status: int, text: str, step: str = "") -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if step:
        headers.append((africastalking.STEP_HEADER.encode(), step.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
