"""What tests ask the books for, whoever the money belongs to."""

from sqlalchemy import text

from core.database import Database

_SET_ASIDE = text("SELECT coalesce(sum(balance), 0) FROM account WHERE starts_with(code, 'clearing:payout:')")


async def set_aside(database: Database) -> int:
    """XAF of all payouts and refunds that are neither gone nor back."""
    async with database.reading() as tx:
        return int(await tx.value(_SET_ASIDE))
