"""`POST /sim/{source}/{secret}`: operators tell that a number moved to another SIM card.

A source is how one of them says it: a class with a name and a `decode`, and a place in SOURCES. Whatever comes in
under the right secret is answered 204; what we could not store is sent again.
"""

from datetime import datetime
from typing import Any, Protocol

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from msgspec import Struct

from channels.bodies import BodyCutShort, BodyTooLong, read_body
from core import logs
from core.crypto import same
from core.database import Database
from core.errors import GatewayError, InvalidInput
from core.phones import parse_phone
from core.settings import Settings
from marketplace.people import sim_changes

log = logs.logger(__name__)

_LONGEST_REFERENCE = 200


class Change(Struct, frozen=True):
    """A number's SIM card changed; `reference` is the source's name of that, the same when it is told again."""

    reference: str
    phone: str  # E.164
    changed_at: datetime


class Source(Protocol):
    """One operator, or one who speaks for several."""

    name: str  # of its path

    def decode(self, body: bytes) -> Change | None:
        """What a request tells; None for what is no change of a SIM card. Raises InvalidInput, InvalidPhone."""


class Camara:
    """The CAMARA project's SIM Swap Subscriptions: a CloudEvent per change, as several operators send it."""

    name = "camara"

    def decode(self, body: bytes) -> Change | None:
        try:
            event = msgspec.json.decode(body, type=_CloudEvent)
        except (ValueError, RecursionError):
            raise InvalidInput(field="body") from None
        if not event.type.endswith(".swapped"):
            return None
        if not 1 <= len(event.id) <= _LONGEST_REFERENCE or event.time.tzinfo is None:
            raise InvalidInput(field="id" if event.time.tzinfo else "time")
        return Change(event.id, parse_phone(event.data.phone_number), event.time)


class _Line(Struct, rename="camel"):
    phone_number: str = ""


class _CloudEvent(Struct):
    id: str
    type: str
    time: datetime
    data: _Line = msgspec.field(default_factory=_Line)


SOURCES: tuple[Source, ...] = (Camara(),)
_BY_NAME = {source.name: source for source in SOURCES}


@post(
    "/sim/{source:str}/{secret:str}",
    status_code=204,
    request_max_body_size=None,
    include_in_schema=False,
)
async def sim_changed(
    request: Request[Any, Any, Any],
    source: FromPath[str],
    secret: FromPath[str],
    database: NamedDependency[Database],
) -> None:
    """Freeze the number."""
    if not _is_door(database.settings, source, secret):
        raise NotFoundException()
    try:
        change = _BY_NAME[source].decode(await read_body(request.receive, database.settings.callback_body_bytes))
    except (GatewayError, BodyTooLong, BodyCutShort) as problem:
        log.warning("sim_change_unreadable", source=source, problem=type(problem).__name__)
        return
    if change is None:
        return
    async with database.transaction() as tx:
        fresh = await sim_changes.tell(
            tx, source=source, reference=change.reference, phone=change.phone, changed_at=change.changed_at
        )
    log.info("sim_change", source=source, fresh=fresh)


def _is_door(settings: Settings, source: str, secret: str) -> bool:
    known = bool(settings.sim_secret) and same(secret, settings.sim_secret)
    return known and source in _BY_NAME
