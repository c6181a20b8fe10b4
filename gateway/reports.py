"""`gateway report NAME`: any report there is, in any of its formats, to the terminal, a pipe or a file."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from core.database import Database
from core.errors import GatewayError, InvalidInput, NotFound
from core.texts import say
from gateway.errors import CannotRun
from ledger.rendering import BINARY
from ledger.reporting import Asked, Report, snapshot, write
from ledger.reports.asking import read
from marketplace import finance
from payments.balances import PROVIDER_FLOAT, ask
from payments.providers import registry

_TELL_EACH_SECONDS = 1.0


async def print_report(
    database: Database, arguments: argparse.Namespace, reports: Sequence[Report] = finance.REPORTS
) -> None:
    """Make one of `reports` and write it where it is wanted. Raises CannotRun."""
    report = _find(arguments, reports)
    asked = _asked(database, report, arguments)
    if report is PROVIDER_FLOAT and arguments.as_of is None:
        await _ask_providers(database)
        asked = _asked(database, report, arguments)  # their answers are later than the first question
    if arguments.output is None and arguments.format in BINARY and sys.stdout.isatty():
        raise CannotRun(f"A terminal cannot show {arguments.format}: add --output FILE.")
    try:
        with _opened(arguments.output) as out:
            await _write(database, report, asked, arguments, out)
    except BrokenPipeError:  # `| head` has seen enough; Python would complain again when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except GatewayError as problem:
        raise CannotRun(_why(problem, arguments)) from None


async def _write(
    database: Database, report: Report, asked: Asked, arguments: argparse.Namespace, out: BinaryIO
) -> None:
    progress = Progress(sys.stderr)
    async with snapshot(database) as tx:
        pieces = write(tx, report, asked, form=arguments.format, language=arguments.language)
        async for rows, piece in pieces:
            out.write(piece)
            progress.tell(rows)
    out.flush()
    progress.end()


class Progress:
    """How far a long report is, once a second: over itself on a terminal, line by line elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._told_at = time.monotonic()
        self._told = 0

    def tell(self, rows: int) -> None:
        """So many rows are written."""
        if time.monotonic() - self._told_at >= _TELL_EACH_SECONDS:
            self._told, self._told_at = rows, time.monotonic()
            self._out.write(f"\r{rows:,} rows" if self._out.isatty() else f"{rows:,} rows\n")
            self._out.flush()

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._told and self._out.isatty():
            self._out.write("\r\x1b[K")
            self._out.flush()


def _find(arguments: argparse.Namespace, reports: Sequence[Report]) -> Report:
    report = next((one for one in reports if one.name == arguments.name), None)
    if report is None:
        names = ", ".join(one.name for one in reports)
        raise CannotRun(f"There is no report {arguments.name}; there are {names}.")
    if arguments.format not in report.formats:
        raise CannotRun(f"{report.name} is written as {', '.join(report.formats)}, not as {arguments.format}.")
    return report


def _asked(database: Database, report: Report, arguments: argparse.Namespace) -> Asked:
    given = {"as_of": arguments.as_of, "since": arguments.since, "until": arguments.until}
    subjects = {"account": arguments.account, "order": arguments.order}
    subject = subjects.pop(report.subject, None) if report.subject else None
    stray = next((name for name, value in subjects.items() if value is not None), None)
    try:
        if stray:
            raise InvalidInput(field=stray)
        if report.subject and not subject:
            raise CannotRun(f"Which {report.subject}? Name it with --{report.subject}.")
        return read(report, now=database.clock.now(), **given, subject=subject)
    except InvalidInput as problem:
        option = str(problem.params["field"]).replace("_", "-")
        raise CannotRun(
            f"--{option}: {report.name} asks for {_TIMES[report.asks]}, as in 2026-10, 2026-10-31"
            " or 2026-10-31T18:00+01:00."
        ) from None


_TIMES = {"day": "--as-of", "period": "--since and --until"}


def _why(problem: GatewayError, arguments: argparse.Namespace) -> str:
    if isinstance(problem, NotFound) and arguments.account:
        return f"No journal has ever named an account {arguments.account}."
    return say(arguments.language, problem.text_key, **problem.params)


async def _ask_providers(database: Database) -> None:
    """What they hold now. One that does not answer shows what it said last."""
    providers = registry.build(database.settings)
    try:
        silent = await ask(database, providers)
    finally:
        for provider in providers:
            await provider.close()
    for name in silent:
        sys.stderr.write(f"{name} does not tell its balances now.\n")


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    """The file, or the standard output, which stays open."""
    if path is None:
        yield sys.stdout.buffer
    else:
        with path.open("wb") as file:
            yield file
