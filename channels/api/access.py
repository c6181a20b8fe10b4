"""Who is calling, whether they may, and whether they come too often: the guards of the API (D20, D24)."""

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import SecurityScheme
from litestar.types import Guard, Scope

from channels.rendering import accepted_language
from core import maintenance
from core.database import Database
from core.errors import Forbidden, GatewayError, Unauthenticated
from core.limits import Limits
from core.maintenance import UnderMaintenance
from core.settings import Settings
from marketplace.people import service as people
from marketplace.people.login import Identity, read_access_token

Connection = ASGIConnection[Any, Any, Any, Any]

ALWAYS = {"always": True}  # as `opt` of a handler or router: it answers while maintenance is on

BEARER = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")


def allow(*roles: str) -> Guard:
    """A guard that lets in whoever shows an access token with one of `roles`, and counts the request."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        identity = _identify(connection)
        connection.scope["user"] = identity
        limits: Limits = connection.app.state.limits
        await limits.spend("general", str(identity.subject))
        if identity.role not in roles:
            raise Forbidden()

    return guard


def _identify(connection: Connection) -> Identity:
    """Whom the request's access token speaks for. Raises Unauthenticated."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated()
    database: Database = connection.app.state.database
    return read_access_token(database.keys, token.strip(), database.clock.now())


def caller(request: Request[Any, Any, Any]) -> Identity:
    """What handlers name to know who is calling; only behind `allow`."""
    identity: Identity = request.user
    return identity


async def not_in_maintenance(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard that sends everybody away while maintenance is on, but from what is `ALWAYS` open: staff work on."""
    database: Database = connection.app.state.database
    state = await maintenance.current(database)
    if state.is_on and not handler.opt.get("always"):
        seconds = maintenance.retry_after_seconds(state, database.clock.now())
        raise UnderMaintenance(retry_after_seconds=seconds)


async def no_flood(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard against floods from one address. Generous: carriers put thousands of phones behind one (D20)."""
    database: Database = connection.app.state.database
    limits: Limits = connection.app.state.limits
    address = client_address(connection.scope, database.settings)
    await limits.spend("address", database.keys.fingerprint("address", address))


def client_address(scope: Scope, settings: Settings) -> str:
    """The nearest address that is none of our own proxies'; X-Forwarded-For counts only behind those."""
    trusted = settings.trusted_proxies
    client = scope["client"]
    address = client[0] if client else ""
    if not _is_among(address, trusted):
        return address
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    hops = [hop.strip() for hop in forwarded.decode("latin-1").split(",")]
    return next((hop for hop in reversed(hops) if hop and not _is_among(hop, trusted)), address)


def _is_among(address: str, networks: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(address) in ip_network(network) for network in networks)
    except ValueError:
        return False


async def learn_language(exception: Exception, scope: Scope) -> None:
    """Before a refusal is rendered: the customer's own language, unless the client named one."""
    identity = scope.get("user")
    known = isinstance(identity, Identity) and identity.role == "customer"
    if not known or not isinstance(exception, GatewayError) or accepted_language(scope):
        return
    database: Database = scope["litestar_app"].state.database
    with suppress(Exception):  # the refusal matters more than its language
        async with database.reading() as tx:
            scope["state"]["language"] = (await people.get(tx, person_id=identity.subject)).language
