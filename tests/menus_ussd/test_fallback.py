"""Redis dies, hangs and comes back: sessions go on in PostgreSQL, and the newer copy counts."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

import menus_ussd.stores.fallback as fallback
from core.database import Database
from menus_ussd.session import Entry, Receipt, Session
from menus_ussd.stores import LEASE_SECONDS, LeaseLost, SessionStore
from menus_ussd.stores.fallback import FallbackSessionStore
from menus_ussd.stores.postgres import PostgresSessionStore
from menus_ussd.stores.redis import RedisSessionStore
from tests.menus_ussd.test_stores import PATIENCE_SECONDS, PHONE, keep, newest, read, session
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio

TTL_SECONDS = 1800


@pytest.fixture(autouse=True)
def tries_again_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fallback, "RETRY_SECONDS", 0.0)
    yield


@pytest.fixture
def second(database: Database) -> PostgresSessionStore:
    return PostgresSessionStore(database, ttl_seconds=TTL_SECONDS)


@pytest.fixture
def web(own_redis: RedisServer, second: PostgresSessionStore) -> FallbackSessionStore:
    """A process's store."""
    return a_process(own_redis, second)


def a_process(
    redis: RedisServer, second: PostgresSessionStore, lease_seconds: float = LEASE_SECONDS
) -> FallbackSessionStore:
    first = RedisSessionStore(redis.url, ttl_seconds=TTL_SECONDS, lease_seconds=lease_seconds)
    return FallbackSessionStore(first, second, ttl_seconds=TTL_SECONDS)


def at(turn: int) -> Session:
    """The session after so many turns."""
    receipts = [Receipt(n, f"hash {n}", f"page {n}", True, "home") for n in range(turn)]
    return session(journal=[Entry("turn", "answer", turn)], receipts=receipts, answered_ms=1000 * turn)


async def back(store: SessionStore, redis: RedisSessionStore) -> None:
    """Take turns until Redis is asked again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await read(redis, "probe") is None:
            await keep(store, session("probe"))


async def test_while_redis_answers_postgresql_keeps_nothing(
    web: FallbackSessionStore, second: PostgresSessionStore
) -> None:
    await keep(web, at(1))
    assert await read(web) == at(1) and await newest(web) == "a"
    assert not await second.holds_any()


async def test_a_turn_whose_redis_dies_before_its_commit_is_kept_all_the_same(
    web: FallbackSessionStore, own_redis: RedisServer
) -> None:
    await keep(web, at(1))
    async with web.claim("a", PHONE) as claim:
        went_on = claim.session
        assert went_on == at(1)
        own_redis.kill()
        went_on.answered_ms += 1
        went_on.receipts.append(Receipt(9, "hash", "page", True, "home"))
        await claim.commit(went_on)
    assert await read(web) == went_on
    assert await newest(web) == "a"


async def test_of_two_who_meet_without_redis_the_first_to_commit_wins(
    web: FallbackSessionStore, own_redis: RedisServer, second: PostgresSessionStore
) -> None:
    """A caller who reads the page of the one never answers the other's."""
    other = a_process(own_redis, second)
    await keep(web, at(3))
    async with web.claim("a", PHONE) as claim:
        assert claim.session
        own_redis.kill()
        async with other.claim("a", PHONE) as repeated:
            assert repeated.session is None
            anew = session(answered_ms=5000)
            await repeated.commit(anew)
        claim.session.answered_ms = 6000
        with pytest.raises(LeaseLost):
            await claim.commit(claim.session)
    assert await read(web) == anew and await read(other) == anew


async def test_who_only_looked_is_in_nobodys_way(
    web: FallbackSessionStore, own_redis: RedisServer, second: PostgresSessionStore
) -> None:
    await keep(web, at(3))
    async with web.claim("a", PHONE) as claim:
        own_redis.kill()
        assert await read(a_process(own_redis, second)) is None
        await claim.commit(at(4))
    assert await read(web) == at(4)


async def test_a_session_moves_back_when_redis_does(
    web: FallbackSessionStore, own_redis: RedisServer, second: PostgresSessionStore
) -> None:
    await keep(web, at(1))
    own_redis.kill()
    await keep(web, at(2))  # begun anew, perhaps, but here
    own_redis.start()
    redis = RedisSessionStore(own_redis.url, ttl_seconds=TTL_SECONDS)
    await back(web, redis)
    assert await read(web) == at(2) and await newest(web, id="other") in ("a", "probe")
    await keep(web, at(3))
    assert await read(redis) == at(3)
    assert await read(web) == at(3)
    for process in (web, a_process(own_redis, second)):  # also one that has begun only now
        assert await read(process) == at(3)


async def test_a_process_that_begins_later_finds_what_postgresql_holds(
    web: FallbackSessionStore, own_redis: RedisServer, second: PostgresSessionStore
) -> None:
    await keep(web, at(1))
    own_redis.kill()
    await keep(web, at(2))
    own_redis.start()
    assert await read(a_process(own_redis, second)) == at(2)


async def test_a_stale_copy_is_not_gone_on_from_when_redis_wakes(
    own_redis: RedisServer, second: PostgresSessionStore
) -> None:
    web = a_process(own_redis, second, lease_seconds=2.0)  # for what it asks for while nobody hears
    await keep(web, at(1))
    own_redis.send(signal.SIGSTOP)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await keep(web, at(2))
    own_redis.send(signal.SIGCONT)
    redis = RedisSessionStore(own_redis.url, ttl_seconds=TTL_SECONDS)
    assert await read(redis) == at(1)
    await back(web, redis)
    assert await read(web) == at(2)


async def test_of_concurrent_turns_none_fails_when_redis_dies_and_none_is_lost_when_it_comes_back(
    web: FallbackSessionStore, own_redis: RedisServer
) -> None:
    async def talk(name: str) -> None:
        for turn in range(10):
            async with web.claim(name, PHONE) as claim:
                kept = claim.session or session(name)
                kept.answered_ms += 1
                kept.journal.append(Entry(str(turn), "answer"))
                await claim.commit(kept)

    async with asyncio.timeout(PATIENCE_SECONDS):
        dying = [asyncio.create_task(talk(f"s{n}")) for n in range(20)]
        await asyncio.sleep(0)
        own_redis.kill()
        await asyncio.gather(*dying)
        returning = [asyncio.create_task(talk(f"t{n}")) for n in range(20)]
        await asyncio.sleep(0)
        own_redis.start()
        await asyncio.gather(*returning)
    for n in range(20):
        found = await read(web, f"t{n}")
        assert found and [entry.id for entry in found.journal] == [str(turn) for turn in range(10)]
