"""`gateway simulate`: a whole installation for the length of one run, and what came of it."""

import asyncio
import os
import random
import sys
import tempfile
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.clock import SharedClock
from core.settings import Settings, load_settings
from gateway import processes
from gateway.configuration import demo_variables
from gateway.demo import free_port
from gateway.doctor import examine
from gateway.embedded import remove
from gateway.parts import Parts, make_parts
from gateway.schema import migrate_for
from gateway.scratch import scratch_database
from gateway.seed import place_float, seed
from gateway.simulation import table
from gateway.simulation.finance import two_of_finance
from gateway.simulation.networks import Networks
from gateway.simulation.passing import Passing
from gateway.simulation.town import Town
from gateway.simulation.truth import establish
from gateway.supervisor import Program, Supervisor
from payments.simulator.networks import CARRIERS

_FLOAT_XAF = 5_000_000  # at each provider and carrier, so that payouts need not wait for collections
_NOON_UTC = 11  # every kitchen in Douala is open
_PROMPT_SECONDS = 1000  # longer than the product waits for a payment, so that people can be late in both ways
_LATE_SECONDS = 960.0
_WATCH_SECONDS = 0.2
_STOP_SECONDS = 5.0
_QUIET_SECONDS = 300.0  # without anything to skip to; and one more for each order
_ROUNDS = 5  # people's decisions may set money in motion, which may need decisions
_READY_SECONDS = 60.0


class Plan(msgspec.Struct, frozen=True):
    """What to simulate. With `kill_every` a worker gets SIGKILL that often, in seconds."""

    orders: int
    seed: int
    faults: str
    kill_every: float = 0.0
    workers: int = 2


def simulate(plan: Plan) -> int:
    """Run it and print the table; 1 when anything is off. Raises CannotRun."""
    directory = Path(tempfile.mkdtemp(prefix="mboa-simulation-"))
    outcome = 130
    with suppress(KeyboardInterrupt), processes.interrupted_by_signals(), ExitStack() as cleanup:
        environment = _environment(directory, cleanup.enter_context(scratch_database(directory)))
        supervisor = Supervisor(environment)
        cleanup.callback(supervisor.stop, _STOP_SECONDS)
        outcome = asyncio.run(_run(plan, directory, load_settings(environment), supervisor))
    if outcome:
        sys.stderr.write(f"Logs are in {directory / 'logs'}.\n")
    else:
        remove(directory)
    return outcome


def _environment(directory: Path, database_url: str) -> dict[str, str]:
    """The variables of all our processes: every provider has an account with us, in a world of its own."""
    simulator = f"http://127.0.0.1:{free_port()}"
    noon = datetime.now(UTC).replace(hour=_NOON_UTC, minute=0)
    SharedClock.make(directory / "clock", noon)
    return {
        **{name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_OWNER_URL")},
        **demo_variables(directory),
        **_accounts(directory),
        **{f"{name.upper()}_URL": f"{simulator}/{name}" for name in CARRIERS},
        "CAMPAY_URL": f"{simulator}/campay/api",
        "AFRICASTALKING_URL": f"{simulator}/africastalking",
        "SIMULATOR_URL": simulator,
        "ENVIRONMENT": "test",
        "PORT": str(free_port()),
        "DATABASE_URL": database_url,
        "CLOCK_FILE": str(directory / "clock"),
        "PAYMENT_PROVIDERS": ",".join(CARRIERS),
        "PROVIDER_CONNECT_SECONDS": "1",
        "PROVIDER_READ_SECONDS": "2",
        "SWEEP_SECONDS": "0.2",
        "CART_MINUTES": "1440",  # time is skipped: a payer who thinks again still wants that meal
        "WALLET_WITHDRAWALS": "true",
        "PASSWORD_HASH_KIB": "1024",
    }


def _accounts(directory: Path) -> dict[str, str]:
    """What the providers' dashboards would have told us."""
    users = ("MTN_COLLECTION_USER", "MTN_DISBURSEMENT_USER")
    keys = ("NOUPAY_API_KEY", "NOUPAY_WEBHOOK_SECRET", "PAWAPAY_TOKEN", "MTN_COLLECTION_KEY", "MTN_DISBURSEMENT_KEY")
    subscriptions = ("MTN_COLLECTION_SUBSCRIPTION", "MTN_DISBURSEMENT_SUBSCRIPTION")
    signing = ec.generate_private_key(ec.SECP256R1())
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "signing-key").write_bytes(signing.private_bytes(*private))
    public = signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        **{name: f"simulated-{name.lower()}" for name in (*users, *keys, *subscriptions)},
        "PAWAPAY_CALLBACK_KEY": public.decode(),
    }


def _programs(plan: Plan, directory: Path, settings: Settings) -> list[Program]:
    """The networks, which outlive everything else, then web and workers."""
    gateway = (sys.executable, "-m", "gateway.cli")
    simulator = (
        *("simulator", "--port", settings.simulator_url.rpartition(":")[2], "--product-url", settings.base_url),
        *("--data", directory / "simulator", "--opening-float", str(_FLOAT_XAF)),
        *("--prompt-seconds", str(_PROMPT_SECONDS), "--signing-key", directory / "signing-key"),
    )
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)
    workers = [
        Program(name, (*gateway, "worker"), logs / f"{name}.log")
        for name in (f"worker-{number}" for number in range(1, plan.workers + 1))
    ]
    web = Program("web", (*gateway, "serve"), logs / "web.log")
    return [Program("simulator", (*gateway, *simulator), logs / "simulator.log"), web, *workers]


async def _run(plan: Plan, directory: Path, settings: Settings, supervisor: Supervisor) -> int:
    parts = make_parts(settings, connections=settings.worker_connections)
    networks = Networks(settings.simulator_url)
    try:
        for program in _programs(plan, directory, settings):
            supervisor.start(program)
        await _fill(settings, parts)
        await networks.ready(_READY_SECONDS)
        tending = asyncio.create_task(_tend(supervisor, plan))
        try:
            report = await _live(plan, parts, networks, SharedClock(directory / "clock"))
        finally:
            tending.cancel()
        sys.stdout.write(table.render(report))
        return 0 if report.sound else 1
    finally:
        await networks.close()
        await parts.close()


async def _fill(settings: Settings, parts: Parts) -> None:
    """Schema, people and dishes, and the owners' money at each provider."""
    await migrate_for(settings)
    await seed(parts.database)
    for provider, carriers in CARRIERS.items():
        await place_float(parts.database, provider=provider, float_xaf=dict.fromkeys(carriers, _FLOAT_XAF))


async def _live(plan: Plan, parts: Parts, networks: Networks, clock: SharedClock) -> table.Report:
    """Orders, and everything that follows from them until nothing moves any more."""
    level = "calm" if plan.faults == "none" else plan.faults
    await networks.misbehave(level=level, seed=plan.seed, late_seconds=_LATE_SECONDS)
    town, passing = Town(parts.database, plan.seed), Passing(clock, parts.database, networks)
    living, hurrying = asyncio.create_task(town.live()), asyncio.create_task(passing.hurry())
    await town.order(plan.orders)
    hurrying.cancel()
    patience = _QUIET_SECONDS + plan.orders
    waiting = await passing.until_quiet(patience)
    met = await networks.met()
    await networks.misbehave(level="calm", seed=plan.seed, late_seconds=_LATE_SECONDS)  # the storm is over
    decided, waiting = await _close(parts, networks, passing, waiting, patience)
    living.cancel()
    return table.Report(
        orders=town.placed,
        turned_away=town.turned_away,
        truth=await establish(parts.database, await networks.movements(), await networks.floats()),
        met=met,
        decided=decided,
        waiting=waiting,
        findings=await examine(parts.database),
    )


async def _close(
    parts: Parts, networks: Networks, passing: Passing, waiting: list[str], patience: float
) -> tuple[int, list[str]]:
    """People rule on what waits for them and compare the days, until nothing moves; how often they ruled."""
    finance, decided = await two_of_finance(parts.database), 0
    try:
        for _ in range(_ROUNDS):
            ruled = await finance.decide(await networks.movements())
            decided += ruled
            await finance.reconcile()
            if not ruled and await passing.is_quiet():
                break
            waiting = await passing.until_quiet(patience)
    finally:
        await finance.close()
    return decided, waiting


async def _tend(supervisor: Supervisor, plan: Plan) -> None:
    """Start again what has died, and see to it that something does."""
    dice = random.Random(f"{plan.seed} kill")  # noqa: S311 - a seed is the point
    loop = asyncio.get_running_loop()
    next_kill = loop.time() + plan.kill_every
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        supervisor.revive()
        if plan.kill_every and loop.time() >= next_kill:
            supervisor.kill(f"worker-{dice.randint(1, plan.workers)}")
            next_kill = loop.time() + plan.kill_every
