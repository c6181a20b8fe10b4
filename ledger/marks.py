"""Adding up what reports would otherwise sum each time: hot accounts' balances, and turnover per day.

Journals get their numbers in one order and commit in another. So nothing is added up to a number before every
transaction that could still bring one below it has ended (migrations/sql/0008_posting.sql says why that is enough).
"""

from msgspec import Struct
from sqlalchemy import text

from core.database import Database

_LAST = text("SELECT last_value FROM journal_id")
_HORIZON = text(
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,"
    " pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest"
)
_MARK = text("SELECT mark_balances(:up_to)")


class _Look(Struct, frozen=True):
    """A number that was the last, and the transaction from which on all are newer than the look."""

    journal_id: int
    newest: int


class Watermark:
    """The last journal below which nothing can appear any more.

    Kept in memory only: transaction ids mean nothing in a restored copy.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look: _Look | None = None
        self.final = 0

    async def advance(self) -> int:
        """Look again; the number that is final now. Called twice with nothing else running, it finds the last one."""
        async with self._database.reading() as tx:
            last = int(await tx.value(_LAST))  # first: whoever took this number is older than the next look
            horizon = await tx.one(_HORIZON)
        if self._look is not None and horizon.oldest >= self._look.newest:
            self.final = max(self.final, self._look.journal_id)
            self._look = None
        if self._look is None:
            self._look = _Look(last, horizon.newest)
        return self.final


class Marks:
    """Advances marks and turnover to the watermark; called every second by the worker. Any number may run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watermark = Watermark(database)

    async def advance(self) -> int:
        """How many postings were added up."""
        final = await self._watermark.advance()
        async with self._database.transaction() as tx:
            return int(await tx.value(_MARK, {"up_to": final}))
