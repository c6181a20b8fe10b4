"""What a transaction keeps when a use case refuses."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.database import Database
from core.errors import GatewayError

pytestmark = pytest.mark.anyio


class Forgotten(GatewayError):
    """A refusal that leaves nothing behind."""


class Remembered(GatewayError):
    """A refusal that must be counted."""

    keeps_writes = True


@pytest.mark.parametrize(("refusal", "kept"), [(Forgotten, 0), (Remembered, 1)])
async def test_only_a_refusal_that_says_so_keeps_what_was_written(
    database: Database, refusal: type[GatewayError], kept: int
) -> None:
    with pytest.raises(refusal):
        async with database.transaction() as tx:
            await tx.run(text("INSERT INTO effect VALUES ('a', '', NULL, :now)"), {"now": tx.now})
            raise refusal()
    async with database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM effect")) == kept


_WRITE = text("INSERT INTO effect VALUES (:key, '', NULL, :now)")


async def written(database: Database) -> set[str]:
    async with database.reading() as tx:
        return {row.key for row in await tx.all(text("SELECT key FROM effect"))}


@pytest.mark.parametrize(("refusal", "kept"), [(Forgotten, set()), (Remembered, {"inner", "innermost"})])
async def test_a_refused_part_is_undone_alone(database: Database, refusal: type[GatewayError], kept: set[str]) -> None:
    async with database.transaction() as tx:
        await tx.run(_WRITE, {"key": "before", "now": tx.now})
        with pytest.raises(refusal):
            async with tx.attempt():
                async with tx.attempt():
                    await tx.run(_WRITE, {"key": "innermost", "now": tx.now})
                await tx.run(_WRITE, {"key": "inner", "now": tx.now})
                raise refusal()
        await tx.run(_WRITE, {"key": "after", "now": tx.now})
    assert await written(database) == {"before", "after", *kept}


async def test_a_part_of_a_part_is_undone_alone(database: Database) -> None:
    async with database.transaction() as tx, tx.attempt():
        await tx.run(_WRITE, {"key": "outer", "now": tx.now})
        with pytest.raises(Forgotten):
            async with tx.attempt():
                await tx.run(_WRITE, {"key": "inner", "now": tx.now})
                raise Forgotten()
    assert await written(database) == {"outer"}


async def test_a_part_may_fail_in_the_database(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(DBAPIError):
            async with tx.attempt():
                await tx.run(text("SELECT 1 / 0"))
        await tx.run(_WRITE, {"key": "after", "now": tx.now})
    assert await written(database) == {"after"}
