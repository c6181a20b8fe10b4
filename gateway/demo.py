"""`gateway demo`: PostgreSQL, demo data, the simulated networks, web and worker, under one Ctrl-C."""

import asyncio
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.phones import MTN, ORANGE
from core.settings import Settings, load_settings
from gateway import processes
from gateway.configuration import demo_directory, demo_variables, store_variables, ussd_variables
from gateway.embedded import EmbeddedServer
from gateway.errors import CannotRun, EmbeddedUnavailable
from gateway.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from gateway.seed import SeedSummary

_OWNER_SECONDS = 10.0  # a short command that started the server may still be using it
_READY_SECONDS = 60.0
_WATCH_SECONDS = 0.2
_CARRIERS = (MTN, ORANGE)  # those that the demo's providers serve
_FLOAT_XAF = 2_000_000  # the owners' money at each simulated provider, for each carrier
_SIMULATOR_OFFSET = 1000  # not 1: the next PORT belongs to the demo beside us


def demo(*, end_with_parent: bool = False) -> None:
    """Run everything until Ctrl-C or SIGTERM. Raises CannotRun.

    With `end_with_parent` also until the program that started us dies: `make` must not leave us behind.
    """
    if end_with_parent:
        processes.end_with_parent(signal.SIGTERM)
    with suppress(KeyboardInterrupt), processes.interrupted_by_signals() as look, ExitStack() as cleanup:
        _run(load_settings(), cleanup, look)


def _run(given: Settings, cleanup: ExitStack, look: Callable[[], None]) -> None:
    """The life of a demo, until `look` raises. `cleanup` stops in reverse order what was started, however it ends."""
    directory = demo_directory(given.port)
    server = None if given.database_url else _claim(directory, given, cleanup)
    environment = _environment(directory, given.port)
    cleanup.callback(_say, "Stopped.")
    if server is not None:
        server.start()
        environment["DATABASE_URL"] = server.url
    settings = load_settings(environment)
    supervisor = Supervisor(environment)
    cleanup.callback(supervisor.stop, settings.shutdown_seconds)
    for program in _programs(settings, directory):  # they load while the database is filled, and wait for it
        supervisor.start(program)
    told = asyncio.run(_fill(settings))
    _await_health(settings, supervisor, server, look)
    _say(told)
    while True:
        look()
        time.sleep(_WATCH_SECONDS)
        _revive(supervisor, server)


def _revive(supervisor: Supervisor, server: EmbeddedServer | None) -> None:
    """Start again what has died."""
    if server is not None and server.ended:
        try:
            server.start()
        except EmbeddedUnavailable as problem:  # its last backends may still be ending: the next round tries again
            _say(str(problem))
    for name in supervisor.revive():
        _say(f"{name} died and was started again.")


def _claim(directory: Path, settings: Settings, cleanup: ExitStack) -> EmbeddedServer:
    """The server of `directory` as ours alone, not yet started."""
    server = EmbeddedServer(directory, isolation=settings.embedded_isolation)
    cleanup.callback(server.close)
    if not server.own(patience=_OWNER_SECONDS):
        raise CannotRun(
            f"Another command uses {directory}; `make demo PORT={settings.port + 1}` starts a demo beside it."
        )
    return server


def _environment(directory: Path, port: int) -> dict[str, str]:
    """The variables that all our processes share. Also kept in `directory`, for commands that come later."""
    if not _is_free(port):
        raise CannotRun(f"Port {port} is in use; `make demo PORT={port + 1}` starts a demo on another.")
    simulator = f"http://127.0.0.1:{_simulator_port(port)}"
    variables = {
        **demo_variables(directory),
        "PORT": str(port),
        "SIMULATOR_URL": simulator,
        "SEAL_LOG": str(directory.resolve() / "heads.jsonl"),
        "CAMPAY_URL": f"{simulator}/campay/api",
        "NOUPAY_URL": f"{simulator}/noupay",
        "AFRICASTALKING_URL": f"{simulator}/africastalking",
        **ussd_variables(),
    }
    store_variables(directory, variables)
    return {**variables, **os.environ, "ENVIRONMENT": "demo"}


def _programs(settings: Settings, directory: Path) -> tuple[Program, ...]:
    """The simulated networks, web and worker: each a process of its own, killed and restarted singly."""
    gateway = (sys.executable, Path(sys.executable).with_name("gateway"))
    simulator = settings.simulator_url.rpartition(":")[2]
    networks = (
        *("--port", simulator, "--product-url", settings.base_url),
        *("--data", directory / "simulator", "--opening-float", str(_FLOAT_XAF)),
    )
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)
    return (
        Program("simulator", (*gateway, "simulator", *networks), logs / "simulator.log"),
        Program("web", (*gateway, "serve"), logs / "web.log"),
        Program("worker", (*gateway, "worker"), logs / "worker.log"),
    )


async def _fill(settings: Settings) -> str:
    """Bring schema and demo data up to date; what to tell the person at the terminal."""
    from gateway.parts import make_parts
    from gateway.schema import migrate_for
    from gateway.seed import place_float, seed

    await migrate_for(settings)
    parts = make_parts(settings, connections=2)
    try:
        summary = await seed(parts.database)
        for provider in settings.payment_providers:
            await place_float(parts.database, provider=provider, float_xaf=dict.fromkeys(_CARRIERS, _FLOAT_XAF))
        return _banner(settings, summary)
    finally:
        await parts.close()


def _banner(settings: Settings, known: "SeedSummary") -> str:
    """How to dial, and who there is to be."""
    url, code = settings.base_url, settings.service_code
    restaurants = [
        f"  {number}  {phone}  {known.restaurants[number]}" for number, phone in known.restaurant_phones.items()
    ]
    drivers = [f"  {phone}  {name}" for phone, name in known.drivers.items()]
    staff = [f"  {x.username:<9} {x.role:<8} password {x.password}  TOTP {x.totp_secret}" for x in known.staff]
    return "\n".join(
        [
            f"\nMboa Gateway answers at {url}. Ctrl-C stops it.\n",
            f"dial now: {url}/phone in a browser, or in another terminal",
            f"  PORT={settings.port} .venv/bin/gateway dial '{code}' --from {known.customers[0]}",
            f"Any other number is a new customer; {known.customers[1]} is Orange's. SMS go to {settings.short_code}.\n",
            f"Restaurants, to be dialled as {code[:-1]}*45#, and the phones that accept their orders by SMS:",
            *restaurants,
            "\nDrivers, who begin with the SMS `ON AKWA`:",
            *drivers,
            f"\nStaff, for POST {url}/api/v1/staff/login:",
            *staff,
            f"\nLogs are in {demo_directory(settings.port) / 'logs'}.",
        ]
    )


def _await_health(
    settings: Settings, supervisor: Supervisor, server: EmbeddedServer | None, look: Callable[[], None]
) -> None:
    """Return when everything answers and nothing is degraded."""
    deadline = time.monotonic() + _READY_SECONDS
    while (status := _health(settings)) != "ok":
        if time.monotonic() > deadline:
            logs = demo_directory(settings.port) / "logs"
            raise CannotRun(f"Not ready after {_READY_SECONDS:.0f} seconds ({status}); {logs} may say why.")
        look()
        time.sleep(_WATCH_SECONDS / 2)
        _revive(supervisor, server)


def _health(settings: Settings) -> str:
    """The status of /health/details, or what is wrong with the answer."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=5)
    try:
        connection.request("GET", "/health/details")
        return str(msgspec.json.decode(connection.getresponse().read(), type=dict[str, object])["status"])
    except (OSError, http.client.HTTPException, msgspec.DecodeError, KeyError) as problem:
        return type(problem).__name__
    finally:
        connection.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def _simulator_port(port: int) -> int:
    """A lasting one if it is free, else any."""
    lasting = port + _SIMULATOR_OFFSET
    if lasting < 65536 and _is_free(lasting):
        return lasting
    return free_port()


def free_port() -> int:
    """Any that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
