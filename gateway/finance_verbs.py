"""The verbs of finance, for `gateway.cli`: what they take. What they do is in `gateway.finance`, loaded by need."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from gateway.errors import CannotRun

if TYPE_CHECKING:
    from core.database import Database

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Runner: TypeAlias = "Callable[[Callable[[Database], Awaitable[str]]], str]"

# Kept here as words, so that the parser need not load what they mean; a test holds them to it.
RULINGS = ("paid", "unpaid", "return", "returned", "accept", "absorb", "recover", "trust", "refuse")
RESOLUTIONS = ("cleared", "capital", "adjust")


def add_verbs(verbs: Subparsers, with_database: Runner) -> None:
    """Every verb of finance."""

    def verb(within: Subparsers, name: str, does: str, told: str) -> argparse.ArgumentParser:
        made = within.add_parser(name, help=told, description=told)
        made.add_argument("--language", choices=("fr", "en"), default="fr")
        made.set_defaults(run=lambda arguments: _run(with_database, arguments), does=does)
        return made

    verb(verbs, "waiting", "waiting", "List what only people can end: proposals, attempts, differences, suspense.")
    _decisions(verbs, verb)
    _payouts(verbs.add_parser("payout", help="Payouts above the day's limit, batches, and their report."), verb)
    _reconciliation(verbs, verb)
    _providers(verbs, verb)


Verb: TypeAlias = Callable[[Subparsers, str, str, str], argparse.ArgumentParser]


def _decisions(verbs: Subparsers, verb: Verb) -> None:
    rule = verb(verbs, "rule", "rule", "Propose what became of an attempt that waits for people.")
    rule.add_argument("attempt", type=UUID)
    rule.add_argument("ruling", choices=RULINGS)
    rule.add_argument("--amount", type=int, help="XAF that moved, with `paid`, where it is not what was asked for")
    _reasoned(rule)
    resolve = verb(verbs, "resolve", "resolve", "Propose how a difference of reconciliation ends.")
    resolve.add_argument("item", type=UUID)
    resolve.add_argument("resolution", choices=RESOLUTIONS)
    _reasoned(resolve)
    for name, told in (
        ("approve", "Approve what somebody else proposed; it is done at once."),
        ("reject", "Refuse a proposal, or withdraw your own."),
    ):
        decide = verb(verbs, name, name, told)
        decide.add_argument("proposal", type=UUID)
        _signed(decide)


def _payouts(payout: argparse.ArgumentParser, verb: Verb) -> None:
    verbs = payout.add_subparsers(metavar="ACTION", required=True)
    propose = verb(verbs, "propose", "propose_payout", "Propose a payout of any size to a restaurant's first phone.")
    propose.add_argument("restaurant", type=int, help="its number")
    propose.add_argument("amount", type=int, help="XAF")
    _reasoned(propose)
    batch = verb(verbs, "batch", "pay_batch", "Pay the restaurants of a CSV file: restaurant,amount_xaf,note.")
    batch.add_argument("file", type=_file)
    batch.add_argument("--name", help="of the batch; the same name never pays a restaurant twice (the file's name)")
    _signed(batch)
    report = verb(verbs, "report", "report_payouts", "Print what was paid out, to whom and what for.")
    report.add_argument("--since", type=_instant, help="ISO 8601; UTC unless it says otherwise (30 days ago)")
    report.add_argument("--until", type=_instant, help="the same (now)")
    _formatted(report)


def _reconciliation(verbs: Subparsers, verb: Verb) -> None:
    reconcile = verb(verbs, "reconcile", "reconcile", "Compare a day's movements with the providers' own lists.")
    reconcile.add_argument("--day", type=date.fromisoformat, help="of Douala (yesterday)")
    reconcile.add_argument("--provider")
    _formatted(reconcile)
    payment = verbs.add_parser("payment", help="The proof behind a payment.").add_subparsers(required=True)
    show = verb(payment, "show", "show_payment", "Print request, attempts, provider's words and journals of a payment.")
    show.add_argument("id", type=UUID, help="of the payment, or its attempt, order, top-up or payout")
    _formatted(show, "json")


def _providers(verbs: Subparsers, verb: Verb) -> None:
    maintenance = verb(verbs, "maintenance", "set_maintenance", "Take a provider or one carrier of it out of use.")
    maintenance.add_argument("provider")
    maintenance.add_argument("carrier", nargs="?")
    maintenance.add_argument("state", choices=("on", "off"))
    _formatted(verb(verbs, "providers", "providers", "Print how each provider works, and what it holds for us."))


def _reasoned(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True)
    _signed(parser)


def _signed(parser: argparse.ArgumentParser) -> None:
    told = "a finance user; password and one-time code are asked for, or STAFF_PASSWORD and STAFF_TOTP"
    parser.add_argument("--as", dest="username", required=True, metavar="NAME", help=told)


def _formatted(parser: argparse.ArgumentParser, *more: str) -> None:
    parser.add_argument("--format", choices=("text", *(more or ("csv", "json"))), default="text")


def _instant(raw: str) -> datetime:
    instant = datetime.fromisoformat(raw)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _file(name: str) -> tuple[str, str]:
    """The name of a batch, and its text; a spreadsheet's byte order mark is no part of it."""
    try:
        return Path(name).stem, Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _run(with_database: Runner, arguments: argparse.Namespace) -> None:
    from core.errors import GatewayError
    from core.texts import say
    from gateway import finance

    try:
        shown = with_database(lambda database: getattr(finance, arguments.does)(database, arguments))
    except GatewayError as refusal:
        raise CannotRun(say(arguments.language, refusal.text_key, **refusal.params)) from None
    sys.stdout.write(f"{shown}\n")
