"""Answers that may be a few seconds old: asked once for everybody, and never older than the setting for long."""

import asyncio

import msgspec
import pytest

from core.database import Database, Tx
from core.remembered import remembered

pytestmark = pytest.mark.anyio


async def test_one_caller_asks_anew_while_the_others_go_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.settings = msgspec.structs.replace(database.settings, menu_age_seconds=5)
    now, asked = [100.0], []
    monkeypatch.setattr("core.remembered.monotonic", lambda: now[0])

    @remembered
    async def menu(tx: Tx, *, of: str) -> str:
        asked.append(of)
        await asyncio.sleep(0)
        return f"{of}, {len(asked)}"

    async def read(of: str) -> str:
        async with database.reading() as tx:
            return await menu(tx, of=of)

    assert await read("a") == "a, 1" and await read("a") == "a, 1"
    assert await read("b") == "b, 2"
    now[0] += 6
    assert await asyncio.gather(*(read("a") for _ in range(5))) == ["a, 3", *["a, 1"] * 4]
    assert await read("a") == "a, 3" and asked == ["a", "b", "a"]


async def test_a_failure_is_not_remembered(database: Database) -> None:
    database.settings = msgspec.structs.replace(database.settings, menu_age_seconds=5)
    answers = [ConnectionError("away"), "here"]

    @remembered
    async def menu(tx: Tx) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with database.reading() as tx:
        with pytest.raises(ConnectionError):
            await menu(tx)
        assert await menu(tx) == "here"
