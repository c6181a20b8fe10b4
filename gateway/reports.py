"""`gateway report NAME`: finance's reports, at the terminal."""

import argparse
from collections.abc import Awaitable, Callable, Mapping

from core.database import Tx
from core.errors import NotFound
from gateway.errors import CannotRun
from ledger.rendering import Table
from ledger.reports import account_statement, statement_table, trial_balance, trial_balance_table


async def _trial_balance(tx: Tx, arguments: argparse.Namespace) -> Table:
    return trial_balance_table(await trial_balance(tx, as_of=arguments.until))


async def _account_statement(tx: Tx, arguments: argparse.Namespace) -> Table:
    if not arguments.account:
        raise CannotRun("Which account? Name it with --account, for example --account income:commission.")
    period = {"since": arguments.since, "until": arguments.until}
    try:
        return statement_table(await account_statement(tx, code=arguments.account, limit=arguments.limit, **period))
    except NotFound:
        raise CannotRun(f"No journal has ever named an account {arguments.account}.") from None


REPORTS: Mapping[str, Callable[[Tx, argparse.Namespace], Awaitable[Table]]] = {
    "trial-balance": _trial_balance,
    "account-statement": _account_statement,
}
