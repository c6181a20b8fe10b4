"""Puts the engine together for one process."""

from core.database import Database
from core.limits import limits_of
from menus_ussd.engine import Engine
from menus_ussd.evidence import experiments
from menus_ussd.evidence.log import Evidence
from menus_ussd.journeys import CONVERSATION
from menus_ussd.stores import SessionStore
from menus_ussd.stores.fallback import FallbackSessionStore
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.stores.postgres import PostgresSessionStore


def build_ussd(database: Database, evidence: Evidence | None = None) -> Engine:
    """The engine on the product's journeys, its sessions and experiments as the settings say. Raises ValueError."""
    experiments.check(database.settings.ussd_experiments)
    return Engine(database, session_store(database), CONVERSATION, evidence, limits_of(database))


def session_store(database: Database) -> SessionStore:
    """Where sessions live, for as long as a caller may come back to them.

    Raises ValueError when they should live in a Redis that no setting names.
    """
    settings = database.settings
    ttl_seconds = settings.ussd_resume_minutes * 60
    if settings.ussd_sessions == "postgres":
        return PostgresSessionStore(database, ttl_seconds=ttl_seconds)
    if settings.ussd_sessions == "redis" and not settings.redis_url:
        raise ValueError("USSD_SESSIONS: redis needs REDIS_URL")
    if settings.ussd_sessions == "memory" or not settings.redis_url:
        return MemorySessionStore(ttl_seconds=ttl_seconds)
    # Imported late: the client takes a while to load, and most installations begin without it.
    from menus_ussd.stores.redis import RedisSessionStore

    first = RedisSessionStore(settings.redis_url, ttl_seconds=ttl_seconds)
    second = PostgresSessionStore(database, ttl_seconds=ttl_seconds)
    return FallbackSessionStore(first, second, ttl_seconds=ttl_seconds)
