"""What the verbs of `gateway` that speak to the database have in common: a language, a signature, a format."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gateway.errors import CannotRun

if TYPE_CHECKING:
    from core.database import Database

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Runner: TypeAlias = "Callable[[Callable[[Database], Awaitable[str]]], str]"
Verb: TypeAlias = Callable[[Subparsers, str, str, str], argparse.ArgumentParser]


def verbs_of(module: str, with_database: Runner) -> Verb:
    """Makes verbs that run a function of `module`, which is loaded by need: its name, and what `--help` tells."""

    def verb(within: Subparsers, name: str, does: str, told: str) -> argparse.ArgumentParser:
        made = within.add_parser(name, help=told, description=told)
        made.add_argument("--language", choices=("fr", "en"), default="fr")
        made.set_defaults(run=lambda arguments: _run(with_database, module, arguments), does=does)
        return made

    return verb


def _run(with_database: Runner, module: str, arguments: argparse.Namespace) -> None:
    from core.errors import GatewayError
    from core.texts import say

    do = getattr(import_module(module), arguments.does)
    try:
        shown = with_database(lambda database: do(database, arguments))
    except GatewayError as refusal:
        raise CannotRun(say(arguments.language, refusal.text_key, **refusal.params)) from None
    sys.stdout.write(f"{shown}\n")


def reasoned(parser: argparse.ArgumentParser) -> None:
    """It takes a reason and a signature."""
    parser.add_argument("--reason", required=True)
    signed(parser)


def signed(parser: argparse.ArgumentParser) -> None:
    """It takes a signature."""
    told = "a finance user; password and one-time code are asked for, or STAFF_PASSWORD and STAFF_TOTP"
    parser.add_argument("--as", dest="username", required=True, metavar="NAME", help=told)


def formatted(parser: argparse.ArgumentParser, *more: str) -> None:
    """It prints in the asked format."""
    parser.add_argument("--format", choices=("text", *(more or ("csv", "json"))), default="text")


def reporting(parser: argparse.ArgumentParser) -> None:
    """It writes a report about a period, in a format and a language, somewhere."""
    parser.add_argument("--format", default="text", help="text, csv, json, xlsx or pdf; some have others (text)")
    parser.add_argument("--language", choices=("fr", "en"), default="fr")
    parser.add_argument("--since", metavar="WHEN", help="from the beginning of a month, a day or an instant (ever)")
    parser.add_argument("--until", metavar="WHEN", help="up to its end (now)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of the standard output")


def instant(raw: str) -> datetime:
    """ISO 8601; UTC unless it says otherwise."""
    read = datetime.fromisoformat(raw)
    return read if read.tzinfo else read.replace(tzinfo=UTC)
