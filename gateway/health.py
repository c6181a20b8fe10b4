"""Whether this process lives, may be sent requests, and what is missing around it."""

import asyncio
from functools import cache
from urllib.parse import urlsplit

from litestar import Response, Router, get
from litestar.di import NamedDependency
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database
from core.settings import Settings
from gateway.heartbeat import workers
from gateway.schema import newest, version

_PROBE_SECONDS = 2.0

OK, DEGRADED, DOWN, MISSING, OUTDATED = "ok", "degraded", "down", "missing", "outdated"


@get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": OK}


@get("/ready")
async def ready(database: NamedDependency[Database]) -> Response[dict[str, str]]:
    """The database answers and has the schema that this code needs; 503 otherwise."""
    return _answer(await _store(database))


@get("/details")
async def details(database: NamedDependency[Database], settings: NamedDependency[Settings]) -> Response[dict[str, str]]:
    """Every part by name. Something missing that we can do without for a while makes it `degraded`, still 200."""
    store = await _store(database)
    if store["schema"] == OK:
        store["worker"] = await _worker(database)
    neighbours = {"redis": settings.redis_url, "simulator": settings.simulator_url if settings.has_simulator else ""}
    configured = {name: url for name, url in neighbours.items() if url}
    probes = await asyncio.gather(*map(neighbour, configured.values()))
    return _answer(store | dict(zip(configured, probes, strict=True)))


health_router = Router("/health", route_handlers=[live, ready, details], include_in_schema=False)


def _answer(parts: dict[str, str]) -> Response[dict[str, str]]:
    down = parts["database"] != OK or parts["schema"] != OK
    status = DOWN if down else OK if set(parts.values()) == {OK} else DEGRADED
    return Response({"status": status, **parts}, status_code=503 if down else 200)


async def _store(database: Database) -> dict[str, str]:
    """PostgreSQL and the version of its schema."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            found = await version(database)
    except (OSError, SQLAlchemyError):  # asyncio's TimeoutError is an OSError
        return {"database": DOWN, "schema": MISSING}
    return {"database": OK, "schema": OK if found == _needed() else OUTDATED if found else MISSING}


async def _worker(database: Database) -> str:
    async with database.reading() as tx:
        return OK if await workers(tx) else MISSING


async def neighbour(url: str) -> str:
    """Whether anybody listens at `url`."""
    address = urlsplit(url)
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(address.hostname, address.port or 6379)
    except OSError:
        return MISSING
    writer.close()
    return OK


@cache
def _needed() -> str | None:
    return newest()
