"""Starts what a benchmark measures: a database with demo data, a web process, and a bare route beside it."""

import asyncio
import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.embedded import EmbeddedServer
from gateway.schema import migrate

USSD_PATH = "/ussd/africastalking/bench"
BARE_PATH = "/bare"
TWO_SCRIPTS_PATH = "/two-scripts"


@contextmanager
def service_database() -> Iterator[dict[str, str]]:
    """The variables of an installation on an embedded PostgreSQL of its own, durable as in production."""
    with tempfile.TemporaryDirectory() as directory:
        server = EmbeddedServer(Path(directory))
        server.own()
        try:
            server.start()
            variables = {
                "ENVIRONMENT": "test",
                "DATABASE_URL": server.url,
                "SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
                **dict.fromkeys(("USSD_SECRET", "SMS_SECRET", "PAYMENTS_SECRET"), "bench"),
                **dict.fromkeys(("CAMPAY_USERNAME", "CAMPAY_PASSWORD"), "bench"),
            }
            asyncio.run(_fill(variables))
            yield variables
        finally:
            server.close()


async def _fill(variables: dict[str, str]) -> None:
    from core.settings import load_settings
    from gateway.parts import make_parts
    from gateway.seed import seed

    await migrate(variables["DATABASE_URL"])
    parts = make_parts(load_settings(variables), connections=2)
    try:
        await seed(parts.database)
    finally:
        await parts.close()


class Served(NamedTuple):
    """A process that answers requests."""

    port: int
    pid: int


@contextmanager
def web_process(variables: dict[str, str]) -> Iterator[Served]:
    """A web process as `gateway serve` runs it."""
    port = _free_port()
    command = [sys.executable, "-m", "gateway.cli", "serve"]
    with _process(command, {**variables, "PORT": str(port)}, f"http://127.0.0.1:{port}/health/live") as pid:
        yield Served(port, pid)


@contextmanager
def simulator_process(variables: dict[str, str]) -> Iterator[tuple[str, int]]:
    """URL and pid of the simulated networks as the demo runs them, with an account for the service of `variables`."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "gateway.cli", "simulator", "--port", str(port), "--data", data]
        with _process(command, variables, f"http://127.0.0.1:{port}/health/live") as pid:
            yield f"http://127.0.0.1:{port}", pid


@contextmanager
def bare_route() -> Iterator[Served]:
    """A Litestar process whose only route returns a constant."""
    with _application("benchmarks.bare:app", {}, BARE_PATH) as served:
        yield served


@contextmanager
def two_scripts_route(redis_url: str) -> Iterator[Served]:
    """A Litestar process whose only route runs two Redis scripts, as anybody would write it."""
    with _application("benchmarks.redis_route:app", {"REDIS_URL": redis_url}, TWO_SCRIPTS_PATH) as served:
        yield served


@contextmanager
def posting_routes(url: str) -> Iterator[int]:
    """The port of a Litestar process that posts stand-alone journals into the database at `url`."""
    with _application("benchmarks.posting_app:app", {"DATABASE_URL": url}, "/schema") as served:
        yield served.port


@contextmanager
def _application(name: str, variables: dict[str, str], path: str) -> Iterator[Served]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", name, "--port", str(port), "--no-access-log"]
    command += ["--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    with _process(command, variables, f"http://127.0.0.1:{port}{path}") as pid:
        yield Served(port, pid)


@contextmanager
def _process(command: list[str], variables: dict[str, str], url: str) -> Iterator[int]:
    process = subprocess.Popen(command, env={**os.environ, **variables}, stdin=subprocess.DEVNULL)
    try:
        _await_answer(url)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)


def _await_answer(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return  # any answer is one
        except OSError:
            time.sleep(0.01)
    raise TimeoutError(f"no answer at {url}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
