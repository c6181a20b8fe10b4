"""`/ussd/{dialect}/{secret}`: one door per aggregator that is served.

Plain ASGI, because a turn is mostly HTTP: a framework's request object would cost as much as the engine. The secret
is part of the registered path, so a wrong one is an unknown path, and no log line about a route is written here.
"""

from collections.abc import Sequence

from litestar import Litestar, asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import structs

from channels.bodies import BodyCutShort, BodyTooLong, read_body
from channels.ussd.dialect import Answer, Callback, Dialect, Service
from channels.ussd.dialects import DIALECTS
from channels.ussd.dialects.africastalking import AfricasTalking
from channels.ussd.reading import READERS
from channels.ussd.refusals import Refusal
from core import logs
from core.database import Database
from core.gsm import fold
from core.sealed import reveal
from core.settings import Settings, pairs
from core.texts import DEFAULT_LANGUAGE, say
from menus_ussd.engine import Engine
from menus_ussd.turns import Ended, Reply, Turn
from payments import service as payments

STEP_HEADER = b"x-ussd-step"

log = logs.logger(__name__)


def ussd_routes(settings: Settings, dialects: Sequence[Dialect] = DIALECTS) -> list[ASGIRouteHandler]:
    """The callbacks of the aggregators that are served, each under a path that only it knows."""
    return [
        asgi(door.path, is_mount=door.dialect.can.sub_paths, copy_scope=False)(door.answer)
        for door in doors(settings, dialects)
    ]


def turns_first(app: Litestar, dialects: Sequence[Dialect] = DIALECTS) -> ASGIApp:
    """`app`, its turns answered before they pass its router and error handling: 4 % of a turn, which needs neither."""
    by_path = {door.path: door for door in doors(app.state.settings, dialects)}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and (door := by_path.get(scope["path"])):
            scope["litestar_app"] = app
            await door.answer(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


def doors(settings: Settings, dialects: Sequence[Dialect]) -> list["Door"]:
    """Those of the dialects in USSD_DIALECTS. Raises ValueError for one that we do not speak, or that has no secret."""
    known = {dialect.name: dialect for dialect in dialects}
    if strange := set(settings.ussd_dialects) - set(known):
        raise ValueError(f"USSD_DIALECTS: we do not speak {', '.join(sorted(strange))}")
    return [Door(known[name], settings) for name in settings.ussd_dialects]


class Door:
    """Where one aggregator rings."""

    def __init__(self, dialect: Dialect, settings: Settings) -> None:
        self.dialect = dialect
        self.path = f"/ussd/{dialect.name}/{_secret(dialect, settings)}"
        most = dialect.can.page
        self.service = Service(
            code=settings.ussd_codes.get(dialect.name, settings.service_code),
            page_septets=min(most, settings.ussd_page_septets),
            by_network={name.lower(): min(most, n) for name, n in settings.ussd_network_septets.items()},
        )
        self._read = READERS[dialect.can.sends]
        self._most_bytes = settings.callback_body_bytes
        self._names_steps = settings.has_simulator  # to the simulated networks alone, whose phones show it

    async def answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """One request. Whatever is wrong with it, a caller gets 200 and a page that says what to do."""
        callback = Callback(headers=scope["headers"], sub_path=self._sub_path(scope))
        try:
            callback.fields = self._read(await self._sent(scope, receive))
            heard = self.dialect.decode(callback, self.service)
        except Refusal as refusal:
            log.warning("ussd_refused", dialect=self.dialect.name, reason=refusal.text_key, field=refusal.field)
            await _send(send, self.dialect.encode(self._page(refusal.text_key), callback))
            return
        except Exception as surprise:  # its message may quote what was typed, so only its kind is told
            log.error("ussd_undecodable", dialect=self.dialect.name, kind=type(surprise).__name__)
            await _send(send, self.dialect.encode(self._page("ussd.trouble"), callback))
            return
        state = scope["litestar_app"].state
        if isinstance(heard, Turn):
            reply = _revealed(state.database, await state.ussd.turn(heard))
            await _send(send, self.dialect.encode(reply, callback), step=reply.step if self._names_steps else "")
            return
        if heard is not None:
            await _note_end(state.database, state.ussd, heard)
        await _send(send, self.dialect.acknowledge(callback))

    def _sub_path(self, scope: HTTPScope) -> str:
        """What follows the secret; a mount has already cut off what precedes it."""
        path = scope["path"]
        return path.removeprefix(self.path).strip("/") if path != self.path and self.dialect.can.sub_paths else ""

    async def _sent(self, scope: HTTPScope, receive: Receive) -> bytes:
        """The bytes that hold the fields. Raises Refusal."""
        try:
            if self.dialect.can.sends != "query":
                return await read_body(receive, self._most_bytes)
            if len(scope["query_string"]) <= self._most_bytes:
                return scope["query_string"]
        except BodyCutShort:
            raise Refusal("ussd.unreadable", "body") from None
        except BodyTooLong:
            pass
        raise Refusal("ussd.too_long", "body")

    def _page(self, text_key: str) -> Reply:
        text = say(DEFAULT_LANGUAGE, text_key, service_code=self.service.code)
        return Reply(text=fold(text), expects_input=False)


def _secret(dialect: Dialect, settings: Settings) -> str:
    """The path segment that only this aggregator is told. Raises ValueError when it has none of its own."""
    secrets = {AfricasTalking.name: settings.ussd_secret, **pairs(settings.ussd_secrets)}
    if not secrets.get(dialect.name):
        raise ValueError(f"USSD_SECRETS: {dialect.name} is served and has none")
    return secrets[dialect.name]


def _revealed(database: Database, reply: Reply) -> Reply:
    """The reply as its caller reads it, before a dialect packs it up: in JSON or XML no code would be found."""
    text = reveal(database.keys, reply.text)
    return reply if text is reply.text else structs.replace(reply, text=text)


async def _note_end(database: Database, engine: Engine, ended: Ended) -> None:
    """The end of a session, told perhaps twice or never: lets a waiting payment prompt go out at once."""
    try:
        session_ref = await engine.ended(ended)
        async with database.transaction() as tx:
            await payments.session_ended(tx, session_ref=session_ref)
    except Exception:  # nobody would tell it again, and the prompt goes out by itself a little later
        log.exception("ussd_end_not_noted", dialect=ended.dialect)


async def _send(send: Send, answer: Answer, *, step: str = "") -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.header:
        headers.append((answer.header[0].encode(), answer.header[1].encode()))
    if step:
        headers.append((STEP_HEADER, step.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
