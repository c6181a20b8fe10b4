"""The PostgreSQL of a test run: one embedded server for all its processes, gone after it even if it is killed.

TEST_POSTGRES=15 takes the server of that version that the system has instead.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway import processes
from gateway.embedded import NO_SYNC, DirectoryLock, EmbeddedServer, remove

_BIG = ("max_connections=300", "shared_buffers=128MB", "max_wal_size=256MB")
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30  # free, so that a run cannot fill it


def _quick_place() -> Path:
    """Where files need no disk, if there is room: a test's database is copied whole."""
    with suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES:
            return _MEMORY
    return Path(tempfile.gettempdir())


@contextmanager
def shared_server() -> Iterator[str]:
    """The URL of a server that may forget everything in a crash; use from the main thread."""
    if version := os.environ.get("TEST_POSTGRES"):
        with other_server(version, *NO_SYNC, *_BIG) as other:
            yield other.url
        return
    runs = _quick_place() / f"mboa-tests-{os.geteuid()}"
    runs.mkdir(mode=0o700, exist_ok=True)
    server = _fresh(runs)
    try:
        server.start()
        yield server.url
    finally:
        server.close()
        remove(server.directory)


def _fresh(runs: Path) -> EmbeddedServer:
    """A server of our own in `runs`, after clearing away what killed runs left there."""
    with DirectoryLock(runs) as lock:
        while not lock.take():
            time.sleep(0.02)
        for directory in runs.iterdir():
            left = EmbeddedServer(directory)
            if left.own():
                remove(directory)
            left.close()
        server = EmbeddedServer(
            Path(tempfile.mkdtemp(dir=runs)),
            options=(*NO_SYNC, *_BIG),
        )
        server.own()
    return server


# ---- servers of other versions, and such as tests kill --------------------------------------------------------


def binaries(version: str) -> Path | None:
    """Where the system keeps PostgreSQL's programs of a major version; None when it has none."""
    place = Path(f"/usr/lib/postgresql/{version}/bin")
    return place if (place / "postgres").exists() else None


@contextmanager
def other_server(version: str, *options: str) -> Iterator["OtherServer"]:
    """A running server of the system's `version`, gone with all its data after the block."""
    place = binaries(version)
    if place is None:
        raise RuntimeError(f"this system has no PostgreSQL {version}")
    server = OtherServer(place, Path(tempfile.mkdtemp(prefix="mboa-pg-", dir=_quick_place())), *options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.directory)


class OtherServer:
    """One that can be killed and started again on the same port and files. For the main thread."""

    def __init__(self, programs: Path, directory: Path, *options: str) -> None:
        self.directory = directory
        self._programs = programs
        self._data = directory / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        settings = (
            "listen_addresses=127.0.0.1",
            f"port={self._port}",
            f"unix_socket_directories={directory}",
            *options,
        )
        self._options = [f"--{setting}" for setting in settings]
        self._process: subprocess.Popen[bytes] | None = None
        initdb = self._run(
            "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", self._data
        )
        assert initdb.wait() == 0, self._log.read_text()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def start(self) -> None:
        """Start it, and wait until it has recovered and takes connections."""
        self._process = self._run("postgres", "-D", self._data, *self._options)
        deadline = time.monotonic() + 60
        while self._run("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self._port}").wait() != 0:
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL for the server and every process it has: nothing is written any more."""
        if self._process is None:
            return
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if self._process.poll() is None else []
        self._process.kill()
        for child in map(int, children):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _run(self, program: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        root = os.geteuid() == 0
        with self._log.open("ab") as output:
            return processes.start(
                [self._programs / program, *arguments],
                before=processes.enter_user_namespace if root else None,
                environment={"PATH": os.defpath, "LC_ALL": "C"},
                output=output,
                cwd="/",
            )
