"""What a transaction keeps when a use case refuses."""

import pytest
from sqlalchemy import text

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
