"""What every session store promises, asked of all three: in process, in PostgreSQL and in Redis."""

import asyncio
from typing import Any

import msgspec
import pytest

from core.database import Database
from menus_ussd import session as codec
from menus_ussd.session import Entry, Page, Receipt, Session, Shown
from menus_ussd.stores import LeaseLost, SessionStore
from menus_ussd.stores.postgres import expire
from menus_ussd.turns import Form
from tests.menus_ussd.conftest import Opens

pytestmark = pytest.mark.anyio

PHONE, OTHER_PHONE = b"\x01" * 32, b"\x02" * 32
PATIENCE_SECONDS = 60.0

shared = pytest.mark.parametrize("kind", ["postgres", "redis"])


def session(id: str = "a", phone_index: bytes = PHONE, **fields: Any) -> Session:
    return Session(id=id, phone_index=phone_index, person_id="p", language="fr", run_id=f"run {id}", **fields)


async def keep(store: SessionStore, kept: Session) -> None:
    async with store.claim(kept.id, kept.phone_index) as claim:
        await claim.commit(kept)


async def read(store: SessionStore, id: str = "a", phone_index: bytes = PHONE) -> Session | None:
    async with store.claim(id, phone_index) as claim:
        return claim.session


async def newest(store: SessionStore, phone_index: bytes = PHONE, id: str = "new") -> str | None:
    """Whose session a dial under a new id would take up."""
    async with store.claim(id, phone_index) as claim:
        prior = await claim.prior()
    return prior.id if prior else None


async def test_what_is_committed_is_there_for_the_next_turn(store: SessionStore) -> None:
    assert await read(store) is None
    kept = session(
        nonce=":1",
        journal=[Entry("home", "answer", "order"), Entry("place", "effect", {"number": 4821})],
        shown=Shown("order.dishes", [Page("Ndolè", [("1", {"id": "x", "zone_id": 3})]), Page("fin")], 1, "line"),
        receipts=[Receipt(3, "hash", "texte", True, "home", Form(False, ["1", "2"]))],
        answered_ms=1_700_000_000_000,
        presets={"home": "track"},
        skips_cart=True,
    )
    await keep(store, kept)
    assert await read(store) == kept


async def test_a_turn_without_a_commit_leaves_no_trace(store: SessionStore) -> None:
    await keep(store, session())
    with pytest.raises(ZeroDivisionError):
        async with store.claim("a", PHONE) as claim:
            assert claim.session is not None
            claim.session.journal.append(Entry("home", "answer", 1 / 0))
    async with store.claim("a", PHONE) as claim:
        assert claim.session is not None
        claim.session.receipts.append(Receipt(1, "hash", "text", True, "home"))
    assert await read(store) == session()
    async with store.claim("b", PHONE):
        pass
    assert await read(store, "b") is None and await newest(store) == "a"


async def test_what_a_turn_changes_after_its_commit_is_not_kept(store: SessionStore) -> None:
    changed = session(journal=[Entry("home", "answer", "order")], shown=Shown("home", [Page("1 Order")]))
    await keep(store, changed)
    changed.journal.clear()
    assert changed.shown
    changed.shown.visible = 1
    found = await read(store)
    assert found and found.journal and found.shown and found.shown.visible == 0


async def test_sessions_do_not_touch_each_other(store: SessionStore) -> None:
    first, second = session("a"), session("b", OTHER_PHONE)
    await asyncio.gather(keep(store, first), keep(store, second))
    assert await read(store, "a") == first and await read(store, "b", OTHER_PHONE) == second
    async with asyncio.timeout(PATIENCE_SECONDS), store.claim("a", PHONE), store.claim("b", OTHER_PHONE):
        pass  # neither waits for the other


async def test_whoever_comes_meanwhile_waits_and_sees_what_was_committed(store: SessionStore) -> None:
    held, waits = asyncio.Event(), asyncio.Event()
    seen: list[Session | None] = []

    async def first() -> None:
        async with store.claim("a", PHONE) as claim:
            held.set()
            await waits.wait()
            await claim.commit(session())

    async def second() -> None:
        await held.wait()
        waits.set()
        async with store.claim("a", PHONE) as claim:
            seen.append(claim.session)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(first(), second())
    assert seen == [session()]


async def test_of_many_turns_at_once_none_is_lost(opens: Opens, kind: str) -> None:
    store = opens()
    stores = [store, store] if kind == "memory" else [store, opens()]
    inside = most = 0

    async def turn(number: int) -> None:
        nonlocal inside, most
        async with stores[number % 2].claim("a", PHONE) as claim:
            inside += 1
            most = max(most, inside)
            kept = claim.session or session()
            kept.journal.append(Entry(str(number), "answer"))
            await asyncio.sleep(0)
            inside -= 1
            await claim.commit(kept)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(turn(number) for number in range(30)))
    found = await read(store)
    assert most == 1
    assert found and {int(entry.id) for entry in found.journal} == set(range(30)) and len(found.journal) == 30


async def test_the_newest_session_of_a_phone_is_its_prior(store: SessionStore) -> None:
    assert await newest(store) is None
    await keep(store, session("a"))
    await keep(store, session("b"))
    assert await newest(store) == "b"
    await keep(store, session("a"))
    assert await newest(store) == "a"
    assert await newest(store, OTHER_PHONE) is None


async def test_a_known_session_has_a_prior_too(store: SessionStore) -> None:
    """An aggregator's id that begins anew after its end takes up what is newest, itself perhaps."""
    await keep(store, session("a"))
    assert await newest(store, id="a") == "a"
    await keep(store, session("b"))
    assert await newest(store, id="a") == "b"


@pytest.mark.parametrize("size", [200_000])
async def test_a_big_session_comes_back_whole(store: SessionStore, size: int) -> None:
    big = session(journal=[Entry("words", "answer", "é\x00" * size), Entry("last", "answer", list(range(1000)))])
    await keep(store, big)
    assert await read(store) == big


async def test_what_is_too_old_is_gone_and_is_nobodys_prior(opens: Opens) -> None:
    store = opens(ttl_seconds=0.05)
    await keep(store, session())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await read(store) is not None or await newest(store) is not None:
            await asyncio.sleep(0.01)
    await keep(store, session())  # the id is free again


async def test_a_closed_store_lets_go(opens: Opens) -> None:
    store = opens()
    await keep(store, session())
    await store.close()
    await store.close()


# -- leases, where processes share a store -------------------------------------------------------------------


@shared
async def test_a_killed_process_holds_a_session_no_longer_than_its_lease(opens: Opens) -> None:
    mortal, other = opens(lease_seconds=0.1), opens()
    await keep(other, session())
    dead = mortal.claim("a", PHONE)
    await dead.__aenter__()  # and its process is gone
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await read(other) == session()


@shared
async def test_a_turn_that_lost_its_lease_keeps_nothing(opens: Opens) -> None:
    slow, other = opens(lease_seconds=0.05), opens()
    theirs = session("a", journal=[Entry("home", "answer", "theirs")])
    async with asyncio.timeout(PATIENCE_SECONDS), slow.claim("a", PHONE) as late:
        await keep(other, theirs)
        with pytest.raises(LeaseLost):
            await late.commit(session("a", OTHER_PHONE))
    assert await read(other) == theirs
    assert await newest(other, OTHER_PHONE) is None  # both or neither


@shared
async def test_a_late_turn_does_not_take_the_lease_from_the_next(opens: Opens) -> None:
    slow, other = opens(lease_seconds=0.05), opens()
    async with asyncio.timeout(PATIENCE_SECONDS):
        late = slow.claim("a", PHONE)
        await late.__aenter__()
        async with other.claim("a", PHONE) as claim:
            await late.__aexit__(None, None, None)  # lets go of what is no longer its own
            third = asyncio.create_task(read(other))
            await asyncio.wait([third], timeout=0.1)
            assert not third.done()
            await claim.commit(session())
        assert await third == session()


@shared
async def test_a_session_of_other_code_that_cannot_be_read_is_none(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opens()
    with monkeypatch.context() as other_code:
        other_code.setattr(codec, "encode", lambda _: msgspec.msgpack.encode({"id": "a", "run_id": 1}))
        await keep(store, session())
    assert await read(store) is None
    assert await newest(store) is None
    await keep(store, session())
    assert await read(store) == session()


# -- what only PostgreSQL needs ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["postgres"])
async def test_a_sweep_forgets_the_expired_and_spares_a_turn_under_way(opens: Opens, database: Database) -> None:
    short, long, mortal = opens(ttl_seconds=0.01), opens(), opens(lease_seconds=0.01)
    await keep(short, session("a"))
    await keep(long, session("b"))
    dead = mortal.claim("c", PHONE)
    await dead.__aenter__()  # and its process is gone
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await read(short, "a") is not None:
            await asyncio.sleep(0.01)
        async with long.claim("a", PHONE) as claim:
            assert await expire(database) == 1
            await claim.commit(session("a"))
    assert await read(long, "a") and await read(long, "b")
    assert await expire(database) == 0
