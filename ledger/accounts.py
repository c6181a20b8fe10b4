"""Opening an account ahead of its first journal, so that its limits are in force and reports show it."""

from core.database import Tx
from ledger.chart import CHART, Account
from ledger.rendering import Column, Table
from ledger.service import call

_OPEN = "SELECT open_account($1, $2, $3, $4, $5, $6, $7)"


async def open(tx: Tx, account: Account) -> int:
    """The account's id. Opening it again changes nothing; raises AccountMismatch when it was opened otherwise."""
    limits = (account.floor, account.ceiling, account.hot)
    row = await call(tx, _OPEN, account.code, account.kind, account.currency, *limits, tx.now)
    return int(row[0])


def chart_table() -> Table:
    """The chart for `rendering.render`."""
    return Table(
        name="chart",
        facts={},
        columns=(
            Column("account"),
            Column("kind", words=True),
            Column("currency"),
            Column("floor", number=True),
            Column("hot", words=True),
            Column("by_hand", words=True),
        ),
        rows=[(x.pattern, x.kind, x.currency, x.floor, _yes(x.floor is None), _yes(x.by_hand)) for x in CHART],
    )


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
