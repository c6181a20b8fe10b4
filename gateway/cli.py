"""The `gateway` command. Each verb imports what it needs when it runs, so that all of them start fast."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gateway import finance_verbs, support_verbs
from gateway.errors import CannotRun
from gateway.menus import verbs as menu_verbs
from gateway.verbs import reporting

if TYPE_CHECKING:
    from core.database import Database

Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. What cannot run says why in one sentence."""
    parsed = _parser().parse_args(arguments)
    try:
        return parsed.run(parsed) or 0
    except (CannotRun, ValueError) as problem:  # ValueError: a setting that cannot be read, named by its variable
        return _failed(str(problem))
    except PermissionError as problem:
        return _failed(f"{problem.filename} belongs to another user; run as they do, or elsewhere.")
    except KeyboardInterrupt:
        return 130


def _demo(arguments: argparse.Namespace) -> None:
    """Start everything with demo data and simulated networks; Ctrl-C stops it."""
    from gateway.demo import demo

    demo(end_with_parent=arguments.end_with_parent)


def _serve(_: argparse.Namespace) -> None:
    """Run the web process."""
    from gateway.web import serve

    serve()


def _worker(_: argparse.Namespace) -> None:
    """Run a worker: jobs, and what is due."""
    from gateway.worker_process import work

    work()


def _migrate(_: argparse.Namespace) -> None:
    """Bring the database to the newest schema."""
    from core.settings import load_settings
    from gateway.configuration import with_database
    from gateway.schema import migrate_for, newest

    with with_database(load_settings()) as settings:
        asyncio.run(migrate_for(settings))
    _print(f"The schema is at {newest()}.")


def _seed(_: argparse.Namespace) -> None:
    """Load the demo data; what is there already stays."""
    from gateway.seed import seed

    _migrate(_)
    known = _with_database(seed)
    _print(
        f"There are {len(known.restaurants)} restaurants, {len(known.drivers)} drivers and {len(known.staff)} staff."
    )


def _dial(arguments: argparse.Namespace) -> None:
    """Be a phone of the demo's simulated network, in the terminal."""
    from core.settings import load_settings
    from gateway.dial import dial

    how = {"dialect": arguments.dialect, "delay_seconds": arguments.delay}
    asyncio.run(dial(load_settings().base_url, arguments.code, arguments.msisdn, **how))


def _config(_: argparse.Namespace) -> None:
    """Print every effective setting, secrets masked."""
    from core.settings import effective
    from gateway.configuration import command_settings

    for name, value in effective(command_settings(make_secrets=False)).items():
        _print(f"{name}={value}")


def _doctor(arguments: argparse.Namespace) -> int:
    """Check that books, orders, payments and the provider's balance agree."""
    from gateway.doctor import examine
    from gateway.evidence import examine_deeply

    findings, sealed = _with_database(examine_deeply) if arguments.deep else (_with_database(examine), "")
    _print("\n".join(findings) or "All is well.")
    if sealed:
        _print(sealed)
    return 1 if findings else 0


def _receipt(arguments: argparse.Namespace) -> None:
    """Print the receipt of a journal: proof that it is in the sealed books. `verify FILE` checks one, offline."""
    from gateway.evidence import check_receipt, issue_receipt

    if arguments.journal == "verify":
        _print("\n".join(check_receipt(arguments.file, head=arguments.head)))
    else:
        sys.stdout.write(_with_database(lambda database: issue_receipt(database, arguments.journal)))


def _simulator(arguments: argparse.Namespace) -> None:
    """Run the simulated networks: providers of mobile money, Africa's Talking and the phones."""
    from core.clock import clock_at
    from core.logs import configure_logging
    from core.settings import Secret, load_settings
    from payments.simulator.app import run
    from payments.simulator.networks import CARRIERS
    from payments.simulator.settings import SimulatorSettings

    configure_logging(service="simulator")
    named = ("port", "data", "product_url", "prompt_seconds")
    own = {name: value for name in named if (value := getattr(arguments, name)) is not None}
    for provider, carriers in CARRIERS.items():
        own[f"{provider}_opening_float_xaf"] = dict.fromkeys(carriers, arguments.opening_float)
    if arguments.signing_key is not None:
        own["pawapay_signing_key"] = Secret(arguments.signing_key.read_text())
    product = load_settings()
    run(SimulatorSettings.beside(product, **own), clock_at(product.clock_file))


def _simulate(arguments: argparse.Namespace) -> int:
    """Let orders, payouts and refunds run against hostile networks, and prove that no franc was lost."""
    from gateway.simulation.run import Plan, simulate

    return simulate(
        Plan(arguments.orders, arguments.seed, arguments.faults, arguments.kill_every, workers=arguments.workers)
    )


def _report(arguments: argparse.Namespace) -> None:
    """Write a report: of the books, of orders, of people, of providers."""
    from gateway.reports import print_report

    _with_database(lambda database: print_report(database, arguments))


def _with_database(work: "Callable[[Database], Awaitable[Result]]") -> Result:
    """What `work` returns for this PORT's database, which must have this code's schema."""
    from gateway.configuration import command_settings, with_database
    from gateway.parts import make_parts
    from gateway.schema import require_newest

    async def run() -> Result:
        parts = make_parts(settings, connections=2)
        try:
            await require_newest(parts.database)
            return await work(parts.database)
        finally:
            await parts.close()

    with with_database(command_settings()) as settings:
        return asyncio.run(run())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description="Mboa Gateway. PORT selects the installation (8000).")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int | None]) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=run.__doc__, description=run.__doc__)
        made.set_defaults(run=run)
        return made

    verb("demo", _demo).add_argument("--end-with-parent", action="store_true", help="stop when the parent process ends")
    verb("serve", _serve)
    verb("worker", _worker)
    verb("migrate", _migrate)
    verb("seed", _seed)
    dial = verb("dial", _dial)
    dial.add_argument("code", help="what to dial, for example '*237*1#'")
    dial.add_argument("--from", dest="msisdn", required=True, metavar="MSISDN", help="whose phone it is")
    dial.add_argument("--dialect", default="africastalking", help="which aggregator carries it: docs/ussd-dialects.md")
    dial.add_argument("--delay", type=float, default=0, metavar="SECONDS", help="how slow its network is")
    verb("config", _config)
    verb("doctor", _doctor).add_argument("--deep", action="store_true", help="compute every seal again too")
    receipt = verb("receipt", _receipt)
    receipt.add_argument("journal", metavar="JOURNAL", help="its number; or the word verify, and a file")
    receipt.add_argument("file", nargs="?", type=Path, help="the receipt to check")
    receipt.add_argument("--head", default="", metavar="HEX", help="the head that was published")
    simulator = verb("simulator", _simulator)
    simulator.add_argument("--port", type=int)
    simulator.add_argument("--data", type=Path, required=True, help="directory of its own database")
    simulator.add_argument("--product-url", help="where its callbacks go")
    simulator.add_argument(
        "--opening-float", type=int, default=0, help="XAF that each provider holds for us per carrier"
    )
    simulator.add_argument("--prompt-seconds", type=int, help="how long a payment prompt waits for its PIN")
    simulator.add_argument("--signing-key", type=Path, help="private key (PEM) that pawaPay signs callbacks with")
    simulate = verb("simulate", _simulate)
    simulate.add_argument("--orders", type=int, default=100)
    simulate.add_argument("--seed", type=int, default=1, help="the same seed draws the same faults")
    simulate.add_argument("--faults", choices=("none", "light", "heavy"), default="heavy")
    simulate.add_argument("--kill-every", type=float, default=0, metavar="SECONDS", help="SIGKILL for a worker")
    simulate.add_argument("--workers", type=int, default=2)
    _add_report_arguments(verb("report", _report))
    finance_verbs.add_verbs(verbs, _with_database)
    support_verbs.add_verbs(verbs, _with_database)
    menu_verbs.add_verbs(verbs, _with_database)
    return parser


def _add_report_arguments(report: argparse.ArgumentParser) -> None:
    report.add_argument("name", help="for example trial-balance; any other word lists them all")
    reporting(report)
    report.add_argument("--as-of", metavar="WHEN", help="up to the end of a month, a day or an instant (now)")
    report.add_argument("--account", metavar="CODE", help="of which account, for its statement")
    report.add_argument("--order", metavar="ID", help="of which order, for its receipt")


def _failed(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
