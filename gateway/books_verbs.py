"""The verbs for the books themselves: what they take. What they do is in `gateway.books`, loaded by need."""

import argparse

from gateway.verbs import Runner, Subparsers, Verb, formatted, instant, reasoned, signed, verbs_of


def add_verbs(verbs: Subparsers, with_database: Runner) -> None:
    """`period` and `ledger`."""
    verb = verbs_of("gateway.books", with_database)
    _period(verbs.add_parser("period", help="Close the books for a day or a month, and look back."), verb)
    _ledger(verbs.add_parser("ledger", help="Postings by hand, reversals, the chart of accounts."), verb)


def _period(period: argparse.ArgumentParser, verb: Verb) -> None:
    verbs = period.add_subparsers(metavar="ACTION", required=True)
    close = verb(verbs, "close", "close", "Close a day or a month: nothing more counts in it.")
    reopen = verb(verbs, "reopen", "reopen", "Propose to open the last closed period again.")
    for one in (close, reopen):
        one.add_argument("period", help="2026-10, or 2026-10-31")
    signed(close)
    reasoned(reopen)
    formatted(verb(verbs, "list", "periods_closed", "Print every closing and reopening, and by whom."))


def _ledger(ledger: argparse.ArgumentParser, verb: Verb) -> None:
    verbs = ledger.add_subparsers(metavar="ACTION", required=True)
    post = verb(verbs, "post", "propose", "Propose a journal; it is posted when somebody else approves.")
    names = ("DEBIT", "CREDIT", "AMOUNT")
    told = "two accounts by their codes, and minor units; more than once for more legs"
    post.add_argument("--leg", nargs=3, action="append", required=True, metavar=names, help=told)
    post.add_argument("--effective", type=instant, help="when it counts, ISO 8601 (when it is approved)")
    post.add_argument("--moving-on", action="store_true", help="into the open period, should that one be closed")
    reverse = verb(verbs, "reverse", "reverse", "Propose to take a journal back.")
    reverse.add_argument("journal", type=int, help="its number")
    for one in (post, reverse):
        reasoned(one)
    trail = verb(verbs, "trail", "audit_trail", "Print who wanted what by hand and why, and who decided.")
    trail.add_argument("--since", type=instant, help="ISO 8601; UTC unless it says otherwise (ever)")
    trail.add_argument("--until", type=instant, help="the same (now)")
    opened = verb(verbs, "open", "open_account", "Open an account of the chart ahead of its first journal.")
    opened.add_argument("account", help="its code, for example float:campay:mtn")
    signed(opened)
    for one in (trail, verb(verbs, "chart", "print_chart", "Print the chart of accounts.")):
        formatted(one)
