"""Puts the engine together for one process."""

from core.database import Database
from core.settings import Settings
from menus_ussd.engine import Engine
from menus_ussd.journeys import CONVERSATION
from menus_ussd.stores import SessionStore
from menus_ussd.stores.memory import MemorySessionStore


def build_ussd(database: Database) -> Engine:
    """The engine on the product's journeys; sessions in Redis when there is one, else in this process."""
    return Engine(database, session_store(database.settings), CONVERSATION)


def session_store(settings: Settings) -> SessionStore:
    """Where sessions live, for as long as a caller may come back to them."""
    ttl_seconds = settings.ussd_resume_minutes * 60
    if settings.redis_url:
        # Imported late: the client takes a while to load, and most installations begin without it.
        from menus_ussd.stores.redis import RedisSessionStore

        return RedisSessionStore(settings.redis_url, ttl_seconds=ttl_seconds)
    return MemorySessionStore(ttl_seconds=ttl_seconds)
