"""`gateway texts` and `gateway menus`: for translators and for those who write journeys."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.verbs import Subparsers, reporting

if TYPE_CHECKING:
    from core.database import Database

    Printer = Callable[[Callable[[Database], Awaitable[None]]], None]


def add_verbs(verbs: Subparsers, with_database: "Printer") -> None:
    """Every verb about texts and menus."""
    texts = verbs.add_parser("texts", help="Read the catalogues before callers do.")
    _add_check(texts.add_subparsers(metavar="WHAT", required=True))
    menus = verbs.add_parser("menus", help="Prove what callers see, and draw it.")
    of_menus = menus.add_subparsers(metavar="WHAT", required=True)
    _add_walk(of_menus)
    _add_graph(of_menus)
    _add_record(of_menus)
    _add_replay(of_menus)
    _add_report(of_menus, with_database)


def _add_check(verbs: Subparsers) -> None:
    told = "Find what is missing, broken or too long in a language, or in all of them."
    check = verbs.add_parser("check", help=told, description=told)
    check.add_argument("language", nargs="?", help="its folder's name, for example pcm (all)")
    check.add_argument("--locales", type=Path, metavar="DIR", help="where the folders are (this installation's)")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from core.proofreading import proofread
    from core.texts import LOCALES, languages_of, written
    from gateway.errors import CannotRun

    locales: Path = arguments.locales or LOCALES
    known = languages_of(locales)
    if arguments.language and arguments.language not in known:
        raise CannotRun(f"There is no {arguments.language} in {locales}, only {', '.join(known)}.")
    wrong = 0
    for language in [arguments.language] if arguments.language else known:
        findings = proofread(language, locales)
        for finding in findings:
            sys.stdout.write(f"{language} {finding}\n")
        sys.stdout.write(f"{language}: {len(written(locales / language))} texts, {len(findings)} findings\n")
        wrong += len(findings)
    return 1 if wrong else 0


def _add_walk(verbs: Subparsers) -> None:
    told = "Answer every question of every journey over worst-case data, in a database of its own."
    walk = verbs.add_parser("walk", help=told, description=told)
    walk.add_argument("--language", help="one of them, for example pcm (all)")
    walk.set_defaults(run=_walk)


def _walk(arguments: argparse.Namespace) -> int:
    from gateway.menus.walking import report, walk_all

    walks = walk_all([arguments.language] if arguments.language else None)
    sys.stdout.write(report(walks))
    return 1 if any(walk.walked.findings for walk in walks) else 0


def _add_graph(verbs: Subparsers) -> None:
    told = "Draw the conversation as a Mermaid diagram: which answer leads from which question to which."
    graph = verbs.add_parser("graph", help=told, description=told)
    graph.add_argument("--output", type=Path, metavar="FILE", help="instead of the standard output")
    graph.set_defaults(run=_graph)


def _graph(arguments: argparse.Namespace) -> None:
    from core.texts import DEFAULT_LANGUAGE
    from gateway.menus.drawing import drawn
    from gateway.menus.walking import walk_all

    (walk,) = walk_all([DEFAULT_LANGUAGE])
    picture = drawn(walk.walked.arrows)
    if arguments.output:
        arguments.output.write_text(picture)
    else:
        sys.stdout.write(picture)


def _add_record(verbs: Subparsers) -> None:
    told = "Talk to the running service at the terminal and write the talk down, numbers and PINs masked."
    record = verbs.add_parser("record", help=told, description=told)
    record.add_argument("file", type=Path, help="where to write it, YAML")
    record.add_argument("--dial", required=True, metavar="CODE", help="for example '*237*1#'")
    record.add_argument("--from", dest="phone", required=True, metavar="MSISDN", help="whose phone it is")
    record.add_argument("--title", default="A talk", help="what it is about")
    record.set_defaults(run=_record)


def _record(arguments: argparse.Namespace) -> None:
    from gateway.menus.playing import record

    record(arguments.file, arguments.title, arguments.phone, arguments.dial)


def _add_replay(verbs: Subparsers) -> None:
    told = "Play talks against the running service and tell what reads otherwise."
    replay = verbs.add_parser("replay", help=told, description=told)
    replay.add_argument("files", nargs="+", type=Path, help="talks, YAML")
    replay.add_argument(
        "--set", action="append", default=[], dest="values", metavar="NAME=VALUE", help="what {NAME} is"
    )
    replay.add_argument("--accept", action="store_true", help="write into the files what comes")
    replay.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from gateway.menus.playing import replay

    values = dict(pair.partition("=")[::2] for pair in arguments.values)
    return 1 if replay(arguments.files, values, accept=arguments.accept) else 0


def _add_report(verbs: Subparsers, with_database: "Printer") -> None:
    told = "What callers did: where they are lost, how far it is to an order, what an experiment did."
    report = verbs.add_parser("report", help=told, description=told)
    report.add_argument("name", nargs="?", default="screens", help="screens, talks or experiments (screens)")
    reporting(report)
    report.set_defaults(run=lambda arguments: _report(arguments, with_database), as_of=None, account=None, order=None)


def _report(arguments: argparse.Namespace, with_database: "Printer") -> None:
    from gateway.reports import print_report
    from menus_ussd.evidence.reports import REPORTS

    with_database(lambda database: print_report(database, arguments, REPORTS))
