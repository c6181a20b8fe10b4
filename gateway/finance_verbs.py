"""The verbs of finance, for `gateway.cli`: what they take. What they do is in `gateway.finance`, loaded by need."""

import argparse
from datetime import date
from pathlib import Path
from uuid import UUID

from gateway import books_verbs, coupon_verbs
from gateway.verbs import Runner, Subparsers, Verb, formatted, instant, reasoned, signed, verbs_of

# Kept here as words, so that the parser need not load what they mean; a test holds them to it.
RULINGS = ("paid", "unpaid", "return", "returned", "keep", "accept", "absorb", "recover", "trust", "refuse")
RESOLUTIONS = ("cleared", "capital", "adjust")


def add_verbs(verbs: Subparsers, with_database: Runner) -> None:
    """Every verb of finance."""
    verb = verbs_of("gateway.finance", with_database)
    verb(verbs, "waiting", "waiting", "List what only people can end: proposals, attempts, differences, suspense.")
    _decisions(verbs, verb)
    _sim_freezes(verbs.add_parser("sim-freeze", help="Numbers that moved to another SIM card."), verb)
    _payouts(verbs.add_parser("payout", help="Payouts above the day's limit, batches, and their report."), verb)
    _reconciliation(verbs, verb)
    _providers(verbs, verb)
    books_verbs.add_verbs(verbs, with_database)
    coupon_verbs.add_verbs(verbs, with_database)


def _decisions(verbs: Subparsers, verb: Verb) -> None:
    rule = verb(verbs, "rule", "rule", "Propose what became of an attempt that waits for people.")
    rule.add_argument("attempt", type=UUID)
    rule.add_argument("ruling", choices=RULINGS)
    rule.add_argument("--amount", type=int, help="XAF that moved, with `paid`, where it is not what was asked for")
    reasoned(rule)
    resolve = verb(verbs, "resolve", "resolve", "Propose how a difference of reconciliation ends.")
    resolve.add_argument("item", type=UUID)
    resolve.add_argument("resolution", choices=RESOLUTIONS)
    reasoned(resolve)
    for name, told in (
        ("approve", "Approve what somebody else proposed; it is done at once."),
        ("reject", "Refuse a proposal, or withdraw your own."),
    ):
        decide = verb(verbs, name, name, told)
        decide.add_argument("proposal", type=UUID)
        signed(decide)


def _payouts(payout: argparse.ArgumentParser, verb: Verb) -> None:
    verbs = payout.add_subparsers(metavar="ACTION", required=True)
    propose = verb(verbs, "propose", "propose_payout", "Propose a payout of any size to a restaurant's first phone.")
    propose.add_argument("restaurant", type=int, help="its number")
    propose.add_argument("amount", type=int, help="XAF")
    reasoned(propose)
    batch = verb(verbs, "batch", "pay_batch", "Pay the restaurants of a CSV file: restaurant,amount_xaf,note.")
    batch.add_argument("file", type=_file)
    batch.add_argument("--name", help="of the batch; the same name never pays a restaurant twice (the file's name)")
    signed(batch)
    report = verb(verbs, "report", "report_payouts", "Print what was paid out, to whom and what for.")
    report.add_argument("--since", type=instant, help="ISO 8601; UTC unless it says otherwise (30 days ago)")
    report.add_argument("--until", type=instant, help="the same (now)")
    formatted(report)


def _sim_freezes(freeze: argparse.ArgumentParser, verb: Verb) -> None:
    verbs = freeze.add_subparsers(metavar="ACTION", required=True)
    verb(verbs, "list", "list_sim_freezes", "Print to whom nothing is paid out, and until when.")
    lift = verb(verbs, "lift", "lift_sim_freeze", "Propose to end a freeze early; somebody else approves.")
    lift.add_argument("phone")
    reasoned(lift)


def _reconciliation(verbs: Subparsers, verb: Verb) -> None:
    reconcile = verb(verbs, "reconcile", "reconcile", "Compare a day's movements with the providers' own lists.")
    reconcile.add_argument("--day", type=date.fromisoformat, help="of Douala (yesterday)")
    reconcile.add_argument("--provider")
    formatted(reconcile)
    payment = verbs.add_parser("payment", help="The proof behind a payment.").add_subparsers(required=True)
    show = verb(payment, "show", "show_payment", "Print request, attempts, provider's words and journals of a payment.")
    show.add_argument("id", type=UUID, help="of the payment, or its attempt, order, top-up or payout")
    formatted(show, "json")


def _providers(verbs: Subparsers, verb: Verb) -> None:
    told = "Take the whole service, a provider or one carrier of it out of use."
    maintenance = verb(verbs, "maintenance", "set_maintenance", told)
    maintenance.add_argument("what", nargs="*", metavar="PROVIDER CARRIER", help="(the whole service)")
    maintenance.add_argument("state", choices=("on", "off"))
    maintenance.add_argument("--until", type=instant, help="of the service, what callers are told: ISO 8601")
    maintenance.add_argument("--reason", help="of the service")
    formatted(verb(verbs, "providers", "providers", "Print how each provider works, and what it holds for us."))


def _file(name: str) -> tuple[str, str]:
    """The name of a batch, and its text; a spreadsheet's byte order mark is no part of it."""
    try:
        return Path(name).stem, Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
