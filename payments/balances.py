"""What providers say they hold for us, kept each time they are asked, and set beside our own float.

Nobody can ask a provider what it held last month: a report of a past day shows the last answer from before its end.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import insert

from core.database import Database, Tx, metadata
from ledger import rendering
from ledger.reporting import Report, money, selected
from payments.providers.protocol import Provider

provider_balance = Table(
    "provider_balance",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("carrier", Text, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("balance_xaf", BigInteger, nullable=False),
)


async def remember(tx: Tx, *, provider: str, balances_xaf: Mapping[str, int]) -> None:
    """Keep what a provider has just said, by carrier."""
    rows = [
        {"provider": provider, "carrier": carrier, "at": tx.now, "balance_xaf": balance_xaf}
        for carrier, balance_xaf in balances_xaf.items()
    ]
    if rows:
        await tx.run(insert(provider_balance).on_conflict_do_nothing(), rows)


async def ask(database: Database, providers: Sequence[Provider]) -> list[str]:
    """Ask each provider now, and keep the answers; the names of those that gave none."""
    silent = []
    for provider in providers:
        name = provider.capabilities.name
        told = await provider.floats() if provider.capabilities.tells_whole_float else None
        if told is None:
            silent.append(name)
            continue
        async with database.transaction() as tx:
            await remember(tx, provider=name, balances_xaf=told)
    return silent


# Our float comes from the postings: its accounts are few, and `later` is what does not count yet.
_FLOATS = """
WITH ours AS (
    SELECT split_part(code, ':', 2) AS provider, split_part(code, ':', 3) AS carrier,
           (balance - coalesce((SELECT sum(debit - credit) FROM entry
                                WHERE account_id = float.id AND effective_at >= :until), 0))::bigint AS ours_xaf
    FROM account_balance AS float
    WHERE family = ANY (SELECT family FROM account_family WHERE family LIKE 'float:%')
), theirs AS (
    SELECT DISTINCT ON (provider, carrier) provider, carrier, at, balance_xaf
    FROM provider_balance WHERE at < :until ORDER BY provider, carrier, at DESC
)
SELECT provider, carrier, coalesce(ours_xaf, 0), balance_xaf, coalesce(ours_xaf, 0) - balance_xaf, at
FROM ours FULL JOIN theirs USING (provider, carrier) ORDER BY provider COLLATE "C", carrier COLLATE "C"
"""

PROVIDER_FLOAT = Report(
    name="provider-float",
    asks="day",
    columns=(
        rendering.Column("provider"),
        rendering.Column("carrier"),
        money("ours_xaf"),
        money("theirs_xaf"),  # empty where it never said
        money("difference_xaf"),
        rendering.Column("told_at"),
    ),
    rows=selected(_FLOATS),
)
