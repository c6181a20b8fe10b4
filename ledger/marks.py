"""Adding up what reports would otherwise sum each time: hot accounts' balances, and turnover per day.

Journals get their numbers in one order and commit in another. So nothing is added up to a number before every
transaction that could still bring one below it has ended (migrations/sql/0008_posting.sql says why that is enough).
"""

from msgspec import Struct
from sqlalchemy import text

from core.database import Database, Tx

# A sequence that was never asked also says 1.
_LAST = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_id")
# A transaction id of our own. The xmax of a snapshot would not do: transactions above it may have begun already.
_NEWEST = text("SELECT pg_current_xact_id()::text::bigint")
_OLDEST = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_MARK = text("SELECT mark_balances(:up_to)")
_MARKED = text("SELECT marked_to FROM books")

# No two marks lie further apart: a page of a hot account's statement is counted on from the last one before it.
STEP_JOURNALS = 1000


async def last_journal(tx: Tx) -> int:
    """The last number that any journal has taken, committed or not."""
    return int(await tx.value(_LAST))


async def newest(tx: Tx) -> int:
    """A transaction id younger than that of every posting that has looked at the books or taken a number."""
    return int(await tx.value(_NEWEST))


async def all_ended(tx: Tx, *, before: int) -> bool:
    """Whether every transaction older than `before` has ended."""
    return int(await tx.value(_OLDEST)) >= before


class _Look(Struct, frozen=True):
    """A number that was the last, and a transaction that is younger than whoever took it or one before it."""

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
        """Look again; the number that is final now. With no other transaction open, that is the last one."""
        async with self._database.reading() as tx:
            if self._look is None and (last := await last_journal(tx)) > self.final:
                self._look = _Look(last, await newest(tx))
            if self._look is not None and await all_ended(tx, before=self._look.newest):
                self.final, self._look = self._look.journal_id, None
        return self.final


class Marks:
    """Advances marks and turnover to the watermark; called every second by the worker. Any number may run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watermark = Watermark(database)

    async def advance(self) -> int:
        """How many postings were added up."""
        final = await self._watermark.advance()
        async with self._database.reading() as tx:
            marked = int(await tx.value(_MARKED))
        added = 0
        while marked < final:
            marked = min(final, marked + STEP_JOURNALS)
            async with self._database.transaction() as tx:
                added += int(await tx.value(_MARK, {"up_to": marked}))
        return added
