"""An effect happens once per key, whoever asks and however often."""

import asyncio

import pytest

from core.database import Database
from core.effects import KeyReused, StillRunning, once

pytestmark = pytest.mark.anyio


async def test_a_repeat_gets_the_first_result(database: Database) -> None:
    calls = []

    async def make() -> dict[str, int]:
        calls.append(1)
        return {"order": 4821}

    async def ask() -> object:
        async with database.transaction() as tx:
            return await once(tx, "order:1", make)

    assert await asyncio.gather(*(ask() for _ in range(10))) == [{"order": 4821}] * 10
    assert len(calls) == 1


async def test_a_failed_effect_leaves_its_key_free(database: Database) -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    async def succeed() -> int:
        return 1

    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await once(tx, "k", fail)
    async with database.transaction() as tx:
        assert await once(tx, "k", succeed) == 1


async def test_another_request_under_the_same_key_is_refused(database: Database) -> None:
    async def make() -> int:
        return 1

    async with database.transaction() as tx:
        await once(tx, "k", make, request_hash=b"one")
    with pytest.raises(KeyReused):
        async with database.transaction() as tx:
            await once(tx, "k", make, request_hash=b"two")


async def test_a_repeat_in_flight_is_refused_when_it_does_not_wait(database: Database) -> None:
    async def make() -> int:
        async with database.transaction() as other:
            with pytest.raises(StillRunning):
                await once(other, "k", make, wait=False)
        return 1

    async with database.transaction() as tx:
        await once(tx, "k", make, wait=False)
